package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

const maxPages = 10_000 // a listing that never ends must not hang the test

// listed goes through a whole listing and returns its records by key. between, which
// may be nil, runs before each page but the first.
func (e *env) listed(q beaker.ListQuery, between func(page int)) map[beaker.RecordKey][]*beaker.Record {
	e.Helper()
	all := map[beaker.RecordKey][]*beaker.Record{}
	for page := range maxPages {
		if page > 0 && between != nil {
			between(page)
		}
		recs, next, err := e.a.(beaker.Lister).List(e.ctx(), q)
		if err != nil {
			e.Fatalf("List, page %d: %v", page, err)
		}
		if q.Limit > 0 && len(recs) > q.Limit {
			e.Errorf("List: page %d has %d records, the limit is %d", page, len(recs), q.Limit)
		}
		for _, rec := range recs {
			if rec == nil {
				e.Fatalf("List: page %d holds a nil record", page)
			}
			if q.Subject != "" && rec.Subject() != q.Subject {
				e.Errorf("List: the listing of %.40q holds a session of %.40q", q.Subject, rec.Subject())
			}
			all[rec.Key()] = append(all[rec.Key()], rec)
		}
		if next == "" {
			return all
		}
		q.Cursor = next
	}
	e.Fatalf("List: no end after %d pages", maxPages)
	return nil
}

// wantListed sees that a quiet store lists these records as they are, each once.
func (e *env) wantListed(q beaker.ListQuery, want ...*held) {
	e.Helper()
	got := e.listed(q, nil)
	for _, h := range want {
		recs := got[h.key()]
		delete(got, h.key())
		if len(recs) != 1 {
			e.Errorf("List of %.40q with limit %d: record %s is listed %d times, want once", q.Subject, q.Limit, h.key(), len(recs))
			continue
		}
		if d := diff(h.rec, recs[0]); d != "" {
			e.Errorf("List of %.40q: the record is not listed as it is:\n%s", q.Subject, d)
		}
	}
	for key := range got {
		e.Errorf("List of %.40q with limit %d: record %s should not be listed", q.Subject, q.Limit, key)
	}
}

func (e *env) holdSubject(subject string) *held {
	e.Helper()
	return e.holdMeta(func(m *beaker.Meta) { m.Subject, m.AuthenticatedAt = subject, e.base }, "k", subject)
}

func listChecks() []check {
	return []check{
		{"an empty store lists nothing", func(e *env) {
			e.wantListed(beaker.ListQuery{})
			e.wantListed(beaker.ListQuery{Limit: 1})
		}},
		{"a quiet store lists every record once, in pages of any size", func(e *env) {
			all := []*held{e.holdRecord(e.full())}
			for i := range 24 {
				if i%3 == 0 {
					all = append(all, e.holdSubject("user-2"))
				} else {
					all = append(all, e.hold("k", fmt.Sprint(i)))
				}
			}
			for _, limit := range []int{0, -1, 1, 2, 7, 24, 25, 26, 1000} {
				e.wantListed(beaker.ListQuery{Limit: limit}, all...)
			}
		}},
		{"a listing shows changes and leaves out what was deleted", func(e *env) {
			one, two, three := e.hold("k", "1"), e.hold("k", "2"), e.hold("k", "3")
			one.apply(one.set("k", "changed"))
			two.apply(two.touch(e.base + minute))
			two.apply(two.rotate(e.proof(), 0))
			three.delete()
			e.wantListed(beaker.ListQuery{}, one, two)
		}},
		{"records that are there all the time are listed whatever happens to others", func(e *env) {
			var stay, leave []*held
			for range 30 {
				stay, leave = append(stay, e.hold("k", "stay")), append(leave, e.hold("k", "go"))
			}
			got := e.listed(beaker.ListQuery{Limit: 4}, func(page int) {
				if page > len(leave) {
					return // or the listing would never end
				}
				leave[page-1].delete()
				e.hold("k", "new")
				h := stay[page%len(stay)]
				h.apply(h.touch(e.base + beaker.Millis(page)))
				h = stay[(page+7)%len(stay)]
				h.apply(h.set("k", fmt.Sprint(page)))
			})
			for _, h := range stay {
				if len(got[h.key()]) == 0 {
					e.Errorf("List: record %s was there during the whole listing and is not listed", h.key())
				}
			}
		}},
		{"a cursor that List never gave does no harm", func(e *env) {
			var all []*held
			for range 5 {
				all = append(all, e.holdSubject("user-1"))
			}
			other := e.holdSubject("user-2")
			_, next, err := e.a.(beaker.Lister).List(e.ctx(), beaker.ListQuery{Limit: 2})
			if err != nil {
				e.Fatalf("List: %v", err)
			}
			for _, cursor := range []string{
				"garbage", "0", "-1", "99999999999999999999", " ", "\x00", "\xff\xfe", "'", "%", "*", "../../etc/passwd",
				strings.Repeat("f", 64), strings.Repeat("0", 64), strings.Repeat("x", 10_000), next + "x", next[:len(next)/2], strings.ToUpper(next),
			} {
				if cursor == "" {
					continue
				}
				// An error is right; where a cursor happens to be a position, so is what follows it.
				page, _, err := e.a.(beaker.Lister).List(e.ctx(), beaker.ListQuery{Subject: "user-1", Cursor: cursor, Limit: 3})
				if err != nil {
					continue
				}
				if len(page) > 3 || slices.ContainsFunc(page, func(r *beaker.Record) bool { return r == nil || r.Subject() != "user-1" }) {
					e.Errorf("List with the cursor %.40q: %d records, or some that were not asked for", cursor, len(page))
				}
			}
			e.wantListed(beaker.ListQuery{}, append(all, other)...)
		}},
	}
}

func listSubjectChecks() []check {
	return []check{
		{"a subject's listing holds its sessions and no others, in pages of any size", func(e *env) {
			var mine, all []*held
			for i := range 18 {
				h := e.hold("k", fmt.Sprint(i))
				switch i % 3 {
				case 0:
					h = e.holdSubject("user-1")
					mine = append(mine, h)
				case 1:
					h = e.holdSubject("user-10")
				}
				all = append(all, h)
			}
			for _, limit := range []int{0, 1, 2, 5, 6, 7, 100} {
				e.wantListed(beaker.ListQuery{Subject: "user-1", Limit: limit}, mine...)
			}
			e.wantListed(beaker.ListQuery{Subject: "nobody"})
			if len(all) != 18 {
				e.Fatalf("the check is wrong: %d sessions", len(all))
			}
		}},
		{"it follows sign-in, change of subject, sign-out and Delete", func(e *env) {
			h := e.hold("k", "v")
			other := e.holdSubject("user-1")
			mine, theirs := beaker.ListQuery{Subject: "user-1"}, beaker.ListQuery{Subject: "user-2"}
			become := func(subject string) {
				e.Helper()
				ch := h.rotate(e.proof(), 0)
				ch.Subject, ch.AuthenticatedAt = &subject, e.base
				h.apply(ch)
			}
			e.wantListed(mine, other)
			become("user-1")
			e.wantListed(mine, h, other)
			become("user-2")
			e.wantListed(mine, other)
			e.wantListed(theirs, h)
			become("user-1")
			e.wantListed(mine, h, other)
			become("")
			e.wantListed(mine, other)
			e.wantListed(beaker.ListQuery{}, h, other)
			become("user-1")
			h.delete()
			e.wantListed(mine, other)
			other.delete()
			e.wantListed(mine)
			e.wantListed(beaker.ListQuery{})
		}},
		{"it shows a session as it is after changes of any kind", func(e *env) {
			h := e.holdSubject("user-1")
			for why, edit := range map[string]func(*beaker.Change){
				"a write":          func(ch *beaker.Change) { ch.Set = pairs("k", "new") },
				"a touch":          func(ch *beaker.Change) { ch.Touch = h.rec.Touched() + minute },
				"a Clear":          func(ch *beaker.Change) { ch.Clear = true },
				"a rotation":       func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: e.proof()} },
				"an idle timeout":  func(ch *beaker.Change) { ch.Idle = 2 * time.Hour },
				"a later deadline": func(ch *beaker.Change) { ch.Absolute = e.base + 40*hour },
			} {
				ch := h.change()
				edit(ch)
				h.apply(ch)
				e.wantListed(beaker.ListQuery{Subject: "user-1"}, h)
				if e.Failed() {
					e.Fatalf("after %s", why)
				}
			}
		}},
		{"subjects are compared byte for byte", func(e *env) {
			sessions := map[string]*held{}
			for _, subject := range hostileSubjects() {
				sessions[subject] = e.holdSubject(subject)
			}
			for subject, h := range sessions {
				e.wantListed(beaker.ListQuery{Subject: subject}, h)
				e.wantListed(beaker.ListQuery{Subject: subject, Limit: 1}, h)
			}
		}},
		{"a cursor of one subject's listing opens no other's", func(e *env) {
			for range 6 {
				e.holdSubject("user-1")
				e.holdSubject("user-2")
			}
			_, next, err := e.a.(beaker.Lister).List(e.ctx(), beaker.ListQuery{Subject: "user-1", Limit: 2})
			if err != nil {
				e.Fatalf("List: %v", err)
			}
			if next == "" {
				e.Logf("the store lists all in one page")
				return
			}
			page, _, err := e.a.(beaker.Lister).List(e.ctx(), beaker.ListQuery{Subject: "user-2", Limit: 2, Cursor: next})
			if err != nil {
				return
			}
			for _, rec := range page {
				if rec.Subject() != "user-2" {
					e.Errorf("List of user-2 holds a session of %s", rec.Subject())
				}
			}
		}},
		{"what was purged is not listed", func(e *env) {
			p, ok := e.a.(beaker.Purger)
			if !ok {
				e.Logf("the store does not purge")
				return
			}
			h := e.holdSubject("user-1")
			stays := e.holdMeta(func(m *beaker.Meta) { m.Subject, m.AuthenticatedAt, m.Idle = "user-1", e.base, beaker.NoLimit }, "k", "v")
			if _, err := p.Purge(e.ctx(), h.rec.Expires(), 100); err != nil {
				e.Fatalf("Purge: %v", err)
			}
			e.wantListed(beaker.ListQuery{Subject: "user-1"}, stays)
			e.wantListed(beaker.ListQuery{}, stays)
		}},
	}
}
