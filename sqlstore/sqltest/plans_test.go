package sqltest

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// No statement of a store reads a whole table: each finds its rows by an index.
func TestEveryStatementUsesAnIndex(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		fill(t, p, db, 3000, epoch) // small tables are read whole, and rightly so
		for i := range 500 {
			if _, err := s.RevokeSubject(t.Context(), fmt.Sprint("user-", i), epoch); err != nil {
				t.Fatal(err)
			}
		}
		mustExec(t, db, map[sqlstore.Dialect]string{
			sqlstore.SQLite: "ANALYZE", sqlstore.PostgreSQL: "ANALYZE " + p.quoted(""), sqlstore.MySQL: "ANALYZE TABLE " + p.quoted("") + "," + p.quoted("_revoked"),
		}[e.dialect])
		if e.dialect == sqlstore.PostgreSQL {
			mustExec(t, db, "ANALYZE "+p.quoted("_revoked"))
		}

		type seen struct {
			text string
			args []any
		}
		statements := map[string]seen{}
		spy.hook(func(statement string, args []driver.NamedValue) error {
			if args == nil { // it is prepared
				return nil
			}
			if _, ok := statements[statement]; ok {
				return nil // the first purge is of some rows, the second one of all
			}
			st := seen{text: statement}
			for _, arg := range args {
				st.args = append(st.args, arg.Value)
			}
			statements[statement] = st
			return nil
		}, nil)
		useEachStatement(t, s)
		spy.hook(nil, nil)

		plain := p.open(t)
		explained := 0
		for _, st := range statements {
			if strings.HasPrefix(st.text, "INSERT") || strings.Contains(st.text, p.quoted("_meta")) {
				continue // it reads nothing, or a table of two rows
			}
			explained++
			plan := explain(t, e, plain, st.text, st.args)
			if bad := scans[e.dialect].FindString(plan); bad != "" {
				t.Errorf("%s\nreads a table as a whole (%s):\n%s", st.text, bad, plan)
			}
		}
		// Load, Delete, touch, values, all, mark, two lists, range, anything expired, two purges.
		if explained < 12 {
			t.Errorf("only %d statements were seen", explained)
		}
	})
}

// A change locks its own session and no other, however small the table is.
func TestChangesGoByTheKey(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		plain := p.open(t)
		seen := 0
		spy.hook(func(statement string, args []driver.NamedValue) error {
			if !strings.HasPrefix(statement, "UPDATE "+p.quoted("")) || args == nil {
				return nil
			}
			seen++
			var values []any
			for _, arg := range args {
				values = append(values, arg.Value)
			}
			plan := explain(t, e, plain, statement, values)
			byKey := map[sqlstore.Dialect]string{
				sqlstore.SQLite: "sqlite_autoindex_", sqlstore.PostgreSQL: "(hash = ", sqlstore.MySQL: "PRIMARY PRIMARY",
			}[e.dialect]
			if !strings.Contains(plan, byKey) {
				t.Errorf("with one session in the table,\n%s\ndoes not go by the key:\n%s", statement, plan)
			}
			return nil
		}, nil)
		useEachStatement(t, s)
		if seen < 3 {
			t.Errorf("only %d changes were seen", seen)
		}
	})
}

// useEachStatement makes calls that together perform all statements but those of the
// row lock, which are Load's with FOR UPDATE.
func useEachStatement(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	ctx := t.Context()
	m := newMeta()
	m.Subject, m.AuthenticatedAt, m.Idle = "me", epoch, beaker.NoLimit
	rec := created(t, s, m, "k", "v")
	apply := func(edit func(ch *beaker.Change)) {
		t.Helper()
		ch := changeOf(rec)
		ch.AnyProof = true
		edit(ch)
		if _, err := s.Apply(ctx, m.Key, ch); err != nil {
			t.Fatal(err)
		}
	}
	apply(func(ch *beaker.Change) { ch.Touch = ch.Now })
	apply(func(ch *beaker.Change) { ch.Set = values("k", "w") })
	apply(func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: unique("next")} })
	for _, q := range []beaker.ListQuery{{Limit: 10}, {Subject: "me", Limit: 10}} {
		if _, _, err := s.List(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.RevokeSubject(ctx, "me", epoch.Add(48*hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, m.Key); err != nil {
		t.Fatal(err)
	}
	for _, now := range []beaker.Millis{epoch - 2900, epoch.Add(24 * hour)} { // then all
		if _, err := s.Purge(ctx, now, 5000); err != nil {
			t.Fatal(err)
		}
	}
}

// scans is what a plan calls a table that is read as a whole.
var scans = map[sqlstore.Dialect]*regexp.Regexp{
	sqlstore.SQLite:     regexp.MustCompile(`SCAN (t\d|beaker)\w*(\n|$)|USE TEMP B-TREE`),
	sqlstore.PostgreSQL: regexp.MustCompile(`Seq Scan on t\d\w*|Sort Key`),
	sqlstore.MySQL:      regexp.MustCompile(`\bALL\b|Using filesort`),
}

// explain returns a plan as text.
func explain(t *testing.T, e engine, db *sql.DB, statement string, args []any) string {
	t.Helper()
	verb := map[sqlstore.Dialect]string{sqlstore.SQLite: "EXPLAIN QUERY PLAN ", sqlstore.PostgreSQL: "EXPLAIN ", sqlstore.MySQL: "EXPLAIN "}[e.dialect]
	rows, err := db.QueryContext(t.Context(), verb+statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		cells := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, cell := range cells {
			plan.WriteString(cell.String + " ")
		}
		plan.WriteString("\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(plan.String(), " \n", "\n")
}
