package sqltest

import (
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// The DSN is the application's: what it says about the protocol changes nothing.
func TestOtherSettingsOfTheDriver(t *testing.T) {
	for _, c := range []struct {
		engine
		setting string
	}{
		{engines[1], "&default_query_exec_mode=exec"},
		{engines[1], "&default_query_exec_mode=simple_protocol"},
		{engines[1], "&default_query_exec_mode=cache_describe"},
		{engines[1], "&default_transaction_isolation=serializable"},
		{engines[1], "&client_encoding=LATIN1"},
		{engines[2], "?clientFoundRows=true"},
		{engines[2], "?interpolateParams=true"},
		{engines[2], "?charset=latin1"},
		{engines[2], "?sql_mode=%27ANSI_QUOTES,NO_BACKSLASH_ESCAPES%27"},
		{engines[2], "?sql_mode=%27%27&tx_isolation=%27SERIALIZABLE%27"},
		{engines[2], "?tx_isolation=%27READ-UNCOMMITTED%27&parseTime=true"},
	} {
		t.Run(c.name+" "+c.setting[1:], func(t *testing.T) {
			p := emptyPlace(t, c.engine)
			p.source += c.setting
			db := p.open(t)
			if err := sqlstore.Migrate(t.Context(), db, p.dialect, &p.opts); err != nil {
				t.Fatal(err)
			}
			useAll(t, p, db)
			lockRow(t, p)
			s := p.storeOn(t, db)
			m := newMeta()
			m.Subject = "ünïcode 'quoted\\'"
			m.Cookie = &beaker.CookieAttributes{Path: "/"}
			rec := created(t, s, m, "all", "\x00\xff'\"\\\xc3\n", "ünï", "é")
			if !sameRecord(rec, loaded(t, s, rec.Key())) {
				t.Error("the record is not kept as it is")
			}
			ch := changeOf(rec)
			for range 2 { // the second time nothing changes, which MySQL calls 0 rows
				ch.Base, ch.Touch = rec, ch.Now
				if v, err := s.Apply(t.Context(), rec.Key(), ch); err != nil || v != 1 {
					t.Errorf("touch: version %d, %v", v, err)
				}
			}
			if page, _, err := s.List(t.Context(), beaker.ListQuery{Subject: m.Subject}); err != nil || len(page) != 1 {
				t.Errorf("List: %d records, %v", len(page), err)
			}
		})
	}
}

func TestOtherDriversErrorsThroughOptions(t *testing.T) {
	p := newPlace(t, engines[0])
	strange := errors.New("strange")
	p.opts.ErrorCode = func(err error) string {
		if errors.Is(err, strange) {
			return "5"
		}
		return ""
	}
	db, spy := p.spied(t)
	s := p.storeOn(t, db)
	fail := once(strange)
	spy.hook(func(statement string, _ []driver.NamedValue) error { return fail(statement) }, nil)
	if err := s.Create(t.Context(), newRecord(t, newMeta())); err != nil {
		t.Errorf("Create after what Options.ErrorCode calls busy: %v", err)
	}
}
