package memstore_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// listAll follows the cursors and counts how often each key is listed. It calls
// between after each page.
func listAll(tb testing.TB, s *memstore.Store, q beaker.ListQuery, between func()) map[beaker.RecordKey]int {
	tb.Helper()
	seen := map[beaker.RecordKey]int{}
	for range 100_000 {
		page, next, err := s.List(tb.Context(), q)
		if err != nil {
			tb.Fatal(err)
		}
		if q.Limit > 0 && len(page) > q.Limit {
			tb.Fatalf("a page of %d, at most %d were asked for", len(page), q.Limit)
		}
		for _, rec := range page {
			if q.Subject != "" && rec.Subject() != q.Subject {
				tb.Fatalf("a session of %q", rec.Subject())
			}
			seen[rec.Key()]++
		}
		if next == "" {
			return seen
		}
		q.Cursor = next
		between()
	}
	tb.Fatal("the listing does not end")
	return nil
}

func TestListPassesEveryRecordOnce(t *testing.T) {
	for _, total := range []int{0, 1, 15, 16, 17, 1000} {
		for _, limit := range []int{-1, 0, 1, 2, 7, 16, 255, 256, 999, 1000, 1001, 1 << 30} {
			s := open(t, &memstore.Options{MaxEntries: 100_000})
			of := 0
			for n := range total {
				subject := []string{"", "u", "v"}[n%3]
				if subject == "u" {
					of++
				}
				create(t, s, record(t, n, subject, start, 0))
			}
			for subject, want := range map[string]int{"": total, "u": of, "nobody": 0} {
				seen := listAll(t, s, beaker.ListQuery{Subject: subject, Limit: limit}, func() {})
				if len(seen) != want {
					t.Errorf("%d records, limit %d, subject %q: listed %d, want %d", total, limit, subject, len(seen), want)
				}
				for k, n := range seen {
					if n != 1 {
						t.Errorf("%d records, limit %d, subject %q: %v listed %d times", total, limit, subject, k, n)
					}
				}
			}
		}
	}
}

// What exists during the whole listing is listed, whatever happens to the others and
// however the tables and heaps are rebuilt meanwhile.
func TestListPassesWhatStaysWhileTheRestChanges(t *testing.T) {
	for _, subject := range []string{"", "u"} {
		s := open(t, nil)
		const stays = 2000
		for n := range stays {
			create(t, s, record(t, n, subject, start, 0))
		}
		next, now := stays, start
		seen := listAll(t, s, beaker.ListQuery{Subject: subject, Limit: 40}, func() {
			for range 200 { // grow
				create(t, s, record(t, next, subject, now, 0))
				next++
			}
			if next%1000 == 0 { // and shrink
				for n := stays; n < next; n++ {
					if err := s.Delete(t.Context(), key(n)); err != nil {
						t.Fatal(err)
					}
				}
			}
			now++
			for n := 0; n < stays; n += 17 {
				if _, err := s.Apply(t.Context(), key(n), &beaker.Change{Now: now, Proof: proof(n), Touch: now}); err != nil {
					t.Fatal(err)
				}
			}
		})
		for n := range stays {
			if seen[key(n)] != 1 {
				t.Fatalf("subject %q: session %d was listed %d times", subject, n, seen[key(n)])
			}
		}
		check(t, s)
	}
}

func TestListTakesOnlyItsOwnCursors(t *testing.T) {
	s, other := open(t, nil), open(t, nil)
	for n := range 100 {
		create(t, s, record(t, n, "u", start, 0))
		create(t, other, record(t, n, "u", start, 0))
	}
	cursorOf := func(s *memstore.Store, subject string) string {
		_, next, err := s.List(t.Context(), beaker.ListQuery{Subject: subject, Limit: 10})
		if err != nil || next == "" {
			t.Fatalf("%q, %v", next, err)
		}
		return next
	}
	all, mine := cursorOf(s, ""), cursorOf(s, "u")
	raw, err := base64.RawURLEncoding.DecodeString(all)
	if err != nil {
		t.Fatal(err)
	}
	beyond := append([]byte(nil), raw...)
	beyond[9] = 0xff
	for _, tt := range []struct{ desc, subject, cursor string }{
		{"another store's", "", cursorOf(other, "")},
		{"of another kind of query", "u", all},
		{"of another kind of query", "", mine},
		{"cut", "", all[:len(all)-2]},
		{"longer", "", all + "AAAA"},
		{"not base64", "", "%%%"},
		{"of a shard that does not exist", "", base64.RawURLEncoding.EncodeToString(beyond)},
	} {
		if page, _, err := s.List(t.Context(), beaker.ListQuery{Subject: tt.subject, Cursor: tt.cursor}); err == nil {
			t.Errorf("a cursor that is %s: accepted, %d records", tt.desc, len(page))
		}
	}
}

// A listing of a large store can be given up.
func TestListStopsWithItsContext(t *testing.T) {
	s := open(t, nil)
	for n := range 1000 {
		create(t, s, record(t, n, "", start, 0))
	}
	ctx := &endsAfter{Context: t.Context(), calls: 3}
	if page, next, err := s.List(ctx, beaker.ListQuery{Limit: 1000}); !errors.Is(err, context.Canceled) || page != nil || next != "" {
		t.Errorf("%d records, cursor %q, %v", len(page), next, err)
	}
}

// endsAfter is a context that is done after so many looks at it.
type endsAfter struct {
	context.Context
	calls int
}

func (c *endsAfter) Err() error {
	if c.calls--; c.calls < 0 {
		return context.Canceled
	}
	return nil
}

func ExampleStore_List() {
	s, err := memstore.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	page, next, err := s.List(context.Background(), beaker.ListQuery{Limit: 100})
	fmt.Println(len(page), next == "", err)
	// Output: 0 true <nil>
}
