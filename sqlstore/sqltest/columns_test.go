package sqltest

import (
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
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
