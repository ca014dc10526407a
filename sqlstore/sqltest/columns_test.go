package sqltest

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// The deadline is kept in a column, for Purge and for people, beside what it is
// computed from. The two must agree, also when a change was made on a record that has
// been touched since.
func TestExpiresColumnIsTheRecords(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		subject := "user"
		for desc, edit := range map[string]func(ch *beaker.Change){
			"a value":           func(ch *beaker.Change) { ch.Set = values("k", "w") },
			"a value and touch": func(ch *beaker.Change) { ch.Set, ch.Touch = values("k", "w"), ch.Now+5 },
			"a rotation":        func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: unique("next")} },
			"an idle timeout":   func(ch *beaker.Change) { ch.Idle = time.Hour },
			"no idle timeout":   func(ch *beaker.Change) { ch.Idle = beaker.NoLimit },
			"an absolute one":   func(ch *beaker.Change) { ch.Absolute = epoch.Add(40 * time.Minute) },
			"a sign-in":         func(ch *beaker.Change) { ch.Subject = &subject },
			"an older touch":    func(ch *beaker.Change) { ch.Touch = ch.Now - 500 },
			"a later touch":     func(ch *beaker.Change) { ch.Touch = epoch.Add(25 * time.Minute) },
		} {
			rec := created(t, s, newMeta(), "k", "v")
			key := rec.Key()
			touch := changeOf(rec)
			touch.Touch = epoch.Add(20 * time.Minute)
			if _, err := s.Apply(t.Context(), key, touch); err != nil {
				t.Fatal(err)
			}
			ch := changeOf(rec)
			ch.Base = rec // as it was before the touch
			edit(ch)
			if _, err := s.Apply(t.Context(), key, ch); err != nil {
				t.Fatal(err)
			}
			got := loaded(t, s, key)
			var expires int64
			err := db.QueryRowContext(t.Context(), "SELECT expires FROM "+p.quoted("")+" WHERE hash="+literal(e, key[:])).Scan(&expires)
			if err != nil || expires != int64(got.Expires()) || got.Touched() < touch.Touch {
				t.Errorf("%s: the column is %d, the record's end %d, %v", desc, expires, got.Expires(), err)
			}
		}
	})
}

// What the documentation tells people to run does what it says.
func TestDocumentedSQL(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		now := beaker.MillisOf(time.Now())
		for i, age := range []time.Duration{0, 29 * 24 * time.Hour, 31 * 24 * time.Hour} {
			m := newMeta()
			m.Touched, m.Created = now.Add(-age), now.Add(-age)
			m.Absolute, m.Idle = now.Add(24*time.Hour), beaker.NoLimit
			m.Subject = fmt.Sprint("user-", i)
			created(t, s, m, "k", "v")
		}
		clock := map[sqlstore.Dialect]string{
			sqlstore.SQLite:     "CAST(strftime('%s','now') AS INTEGER)",
			sqlstore.PostgreSQL: "extract(epoch FROM now())",
			sqlstore.MySQL:      "UNIX_TIMESTAMP()",
		}[e.dialect]
		table := p.quoted("")
		mustExec(t, db, "DELETE FROM "+table+" WHERE accessed < ("+clock+" - 30*86400) * 1000")
		if n := count(t, db, table); n != 2 {
			t.Errorf("%d rows are left, want 2", n)
		}
		view := map[sqlstore.Dialect]string{
			sqlstore.SQLite: `SELECT lower(hex(hash)) AS handle, subject, datetime(created/1000,'unixepoch') AS created,
				datetime(accessed/1000,'unixepoch') AS last_seen, datetime(expires/1000,'unixepoch') AS ends, length(data) AS bytes FROM `,
			sqlstore.PostgreSQL: `SELECT encode(hash,'hex') AS handle, subject, to_timestamp(created/1000.0)::text AS created,
				to_timestamp(accessed/1000.0)::text AS last_seen, to_timestamp(expires/1000.0)::text AS ends, length(data) AS bytes FROM `,
			sqlstore.MySQL: `SELECT LOWER(HEX(hash)) AS handle, CONVERT(subject USING utf8mb4) AS subject, FROM_UNIXTIME(created/1000) AS created,
				FROM_UNIXTIME(accessed/1000) AS last_seen, FROM_UNIXTIME(expires/1000) AS ends, LENGTH(data) AS bytes FROM `,
		}[e.dialect] + table
		mustExec(t, db, "CREATE VIEW "+p.quoted("_people")+" AS "+view)
		var handle, subject, created, seen string
		var ends sql.NullString
		err := db.QueryRowContext(t.Context(), "SELECT handle,subject,created,last_seen,ends FROM "+p.quoted("_people")+" WHERE subject='user-1'").
			Scan(&handle, &subject, &created, &seen, &ends)
		if err != nil || len(handle) != 64 || len(seen) < 19 || seen[:4] != time.Now().Add(-29*24*time.Hour).Format("2006") {
			t.Errorf("the view says %q %q %q %q %q, %v", handle, subject, created, seen, ends.String, err)
		}
		mustExec(t, db, "DROP VIEW "+p.quoted("_people"))
	})
}
