package sqltest

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// SQ-1: names that must be refused, whatever they are used for.
var badNames = []string{
	`a"; DROP TABLE x; --`, "a`; DROP TABLE x; --", "a'b", "a.b", "a b", "a-b", "1a", "ä", "a\x00", "a\n", "?", "$1", "{sessions}", "a;", "--", "/*a*/",
	strings.Repeat("x", 64), " ", "a ", "\xff",
}

// goodNames need quoting, or are as long as can be.
var goodNames = []string{
	"select", "order", "table", "user", "group", "Sessions", "SELECT", "_", "x", "before", "values", "key", "__x__",
	strings.Repeat("x", 55), "X" + strings.Repeat("y", 54),
}

func TestBadNamesAreRefused(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		db := emptyPlace(t, e).open(t)
		for _, name := range badNames {
			for field, o := range map[string]*sqlstore.Options{"Table": {Table: name}, "Schema": {Schema: name}} {
				_, serr := sqlstore.MigrationSQL(e.dialect, 0, o)
				_, nerr := sqlstore.New(t.Context(), db, e.dialect, o)
				merr := sqlstore.Migrate(t.Context(), db, e.dialect, o)
				for what, err := range map[string]error{"New": nerr, "Migrate": merr, "MigrationSQL": serr} {
					if err == nil || !strings.Contains(err.Error(), "Options."+field) {
						t.Errorf("%s with %s %q: %v, want an error that names the field", what, field, name, err)
					}
				}
			}
		}
		// Everything wrong is told at once.
		if _, err := sqlstore.MigrationSQL(e.dialect, 0, &sqlstore.Options{Table: "a b", Schema: "c d"}); err == nil ||
			!strings.Contains(err.Error(), "Options.Table") || !strings.Contains(err.Error(), "Options.Schema") {
			t.Errorf("two mistakes: %v", err)
		}
	})
}

func TestNamesThatNeedQuotingWork(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := emptyPlace(t, e)
		db := p.open(t)
		schemas := []string{""}
		if e.dialect != sqlstore.SQLite {
			schemas = []string{"order", "Group"}
			for _, schema := range schemas {
				q := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: `"`, sqlstore.MySQL: "`"}[e.dialect]
				mustExec(t, db, "CREATE SCHEMA "+q+schema+q)
				t.Cleanup(func() {
					cascade := map[bool]string{true: " CASCADE"}[e.dialect == sqlstore.PostgreSQL]
					if _, err := db.ExecContext(background(), "DROP SCHEMA "+q+schema+q+cascade); err != nil {
						t.Error(err)
					}
				})
			}
		}
		for i, name := range goodNames {
			if e.dialect == sqlstore.SQLite && name != strings.ToLower(name) {
				// SQLite takes names that differ in case for one.
				name += "1"
				name = name[max(0, len(name)-55):]
			}
			p.opts = sqlstore.Options{Table: name, Schema: schemas[i%len(schemas)]}
			if err := sqlstore.Migrate(t.Context(), db, e.dialect, &p.opts); err != nil {
				t.Errorf("Migrate of %q: %v", name, err)
				continue
			}
			useAll(t, p, db)
		}
	})
}

// useAll uses every statement of a store.
func useAll(t *testing.T, p *place, db *sql.DB) {
	t.Helper()
	s, err := sqlstore.New(t.Context(), db, p.dialect, &p.opts)
	if err != nil {
		t.Errorf("%q: %v", p.opts.Table, err)
		return
	}
	defer s.Close()
	ctx := t.Context()
	m := newMeta()
	m.Subject = "'; DROP TABLE x; --"
	rec := created(t, s, m, `"; DROP TABLE x; --`, "' OR 1=1 --")
	ch := changeOf(rec)
	ch.Base, ch.Set, ch.Rotate = rec, values("?", "$1"), &beaker.Rotation{Next: unique("next")}
	if _, err := s.Apply(ctx, m.Key, ch); err != nil {
		t.Errorf("%q: Apply: %v", p.opts.Table, err)
	}
	page, _, err := s.List(ctx, beaker.ListQuery{Subject: m.Subject})
	if err != nil || len(page) != 1 {
		t.Errorf("%q: List: %d records, %v", p.opts.Table, len(page), err)
	}
	if all, _, err := s.List(ctx, beaker.ListQuery{}); err != nil || len(all) != 1 {
		t.Errorf("%q: List of all: %d records, %v", p.opts.Table, len(all), err)
	}
	created(t, s, newMeta())
	if n, err := s.RevokeSubject(ctx, m.Subject, epoch.Add(hour)); err != nil || n != 1 {
		t.Errorf("%q: RevokeSubject: %d, %v", p.opts.Table, n, err)
	}
	if n, err := s.Purge(ctx, epoch.Add(100*hour), 10); err != nil || n != 1 {
		t.Errorf("%q: Purge: %d, %v", p.opts.Table, n, err)
	}
	for _, suffix := range []string{"", "_revoked"} {
		if n := count(t, db, p.quoted(suffix)); n != 0 {
			t.Errorf("%q%s holds %d rows after Purge", p.opts.Table, suffix, n)
		}
	}
}
