package sqltest

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// The calls of a store are a few statements each, and between two statements of one
// node another node may make any of its own. Here two nodes go through all orders in
// which their statements can follow each other.

// race is what two nodes do at once.
type race struct {
	name string
	// prepare makes a session for one order, and the two calls on it. check is called
	// when both have returned, with their errors.
	prepare func(t *testing.T, a, b *sqlstore.Store) (calls [2]func() error, check func(first, second error) error)
}

func TestEveryOrderOfStatements(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		var nodes [2]*sqlstore.Store
		var spies [2]*spy
		for i := range nodes {
			db, spy := p.spied(t)
			nodes[i], spies[i] = p.storeOn(t, db), spy
		}
		for _, r := range races() {
			t.Run(r.name, func(t *testing.T) {
				orders := 0
				for next := []int{}; next != nil; orders++ {
					calls, check := r.prepare(t, nodes[0], nodes[1])
					var order string
					var errs [2]error
					order, next, errs = inOrder(t, spies, calls, next)
					if err := check(errs[0], errs[1]); err != nil {
						t.Errorf("in the order %s: %v (first node: %v, second node: %v)", order, err, errs[0], errs[1])
					}
					if t.Failed() {
						return
					}
				}
				t.Logf("%d orders", orders)
				if orders < 2 {
					t.Errorf("only %d orders were tried", orders)
				}
			})
		}
	})
}

// inOrder makes two calls, and lets go the statements of one of the nodes at a time.
// choices says whose turn it is, as far as it goes; from there on the first node comes
// first. It returns the order, and the choices for an order that was not tried yet, or
// nil if there is none.
func inOrder(t *testing.T, spies [2]*spy, calls [2]func() error, choices []int) (order string, next []int, errs [2]error) {
	t.Helper()
	type arrival struct {
		node int
		done bool
		err  error
	}
	arrived := make(chan arrival)
	var turn [2]chan struct{}
	for node, spy := range spies {
		turn[node] = make(chan struct{})
		spy.hook(func(string, []driver.NamedValue) error {
			arrived <- arrival{node: node}
			<-turn[node]
			return nil
		}, nil)
		go func() {
			err := calls[node]()
			arrived <- arrival{node, true, err}
		}()
	}
	await := func() arrival {
		select {
		case a := <-arrived:
			return a
		case <-time.After(30 * time.Second):
			t.Fatalf("in the order %s: nothing happens: a node waits for the other inside of the database", order)
			return arrival{}
		}
	}
	var waits, done [2]bool
	for range 2 { // both come to their first statement
		a := await()
		waits[a.node], done[a.node], errs[a.node] = !a.done, a.done, a.err
	}
	for step := 0; !done[0] || !done[1]; step++ {
		node := 0
		switch {
		case step < len(choices):
			node = choices[step]
		case done[0]:
			node = 1
		}
		if step >= len(choices) {
			choices = append(choices, node)
		}
		if !waits[node] {
			t.Fatalf("in the order %s: node %d is not there", order, node)
		}
		order += string("AB"[node])
		both := waits[0] && waits[1]
		turn[node] <- struct{}{}
		if both && node == 0 {
			next = append(choices[:step:step], 1) // the last such step is changed first
		}
		a := await()
		waits[a.node], done[a.node], errs[a.node] = !a.done, a.done, a.err
	}
	for _, spy := range spies {
		spy.hook(nil, nil)
	}
	return order, next, errs
}

// apply returns a call that changes a session, with what it was before or without.
func apply(s *sqlstore.Store, rec *beaker.Record, base bool, edit func(ch *beaker.Change)) func() error {
	return func() error {
		ch := changeOf(rec)
		if base {
			ch.Base = rec
		}
		edit(ch)
		_, err := s.Apply(background(), rec.Key(), ch)
		return err
	}
}

func setting(name string) func(ch *beaker.Change) {
	return func(ch *beaker.Change) { ch.Set = values(name, "1") }
}

// oneOf reports whether an error is one of those.
func oneOf(err error, all ...error) bool {
	for _, known := range all {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func wrong(what string, ok bool) error {
	if ok {
		return nil
	}
	return errors.New(what)
}

func races() []race {
	var all []race
	for _, base := range []bool{true, false} {
		with := map[bool]string{true: " with Base", false: " without Base"}[base]
		all = append(all, changeRaces(base, with)...)
	}
	return append(all, subjectRaces()...)
}

func changeRaces(base bool, with string) []race {
	gone := func(s *sqlstore.Store, rec *beaker.Record) error {
		_, err := s.Load(background(), rec.Key())
		return wrong(fmt.Sprintf("Load: %v, want ErrNotFound", err), errors.Is(err, beaker.ErrNotFound))
	}
	return []race{
		{"two changes" + with, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			return [2]func() error{apply(a, rec, base, setting("a")), apply(b, rec, base, setting("b"))}, func(first, second error) error {
				got := loaded(t, a, rec.Key())
				_, hasA := got.Lookup("a")
				_, hasB := got.Lookup("b")
				return wrong("an update is lost", first == nil && second == nil && hasA && hasB && got.Len() == 3 && got.Version() == 3)
			}
		}},
		{"two changes on condition" + with, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			conditional := func(name string) func(*beaker.Change) {
				return func(ch *beaker.Change) { ch.IfVersion, ch.Set = 1, values(name, "1") }
			}
			return [2]func() error{apply(a, rec, base, conditional("a")), apply(b, rec, base, conditional("b"))}, func(first, second error) error {
				got := loaded(t, a, rec.Key())
				won, lost, name := first, second, "a"
				if won != nil {
					won, lost, name = second, first, "b"
				}
				_, has := got.Lookup(name)
				return wrong("there is not one winner", won == nil && errors.Is(lost, beaker.ErrConflict) && has && got.Len() == 2 && got.Version() == 2)
			}
		}},
		{"a touch and a change" + with, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			touch := func(ch *beaker.Change) { ch.Touch = ch.Now + 5 }
			return [2]func() error{apply(a, rec, base, touch), apply(b, rec, base, setting("b"))}, func(first, second error) error {
				got := loaded(t, a, rec.Key())
				_, has := got.Lookup("b")
				return wrong("one of them is lost", first == nil && second == nil && has && got.Version() == 2 && got.Touched() == rec.Touched()+1005)
			}
		}},
		{"two touches" + with, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			touch := func(d beaker.Millis) func(*beaker.Change) {
				return func(ch *beaker.Change) { ch.Touch = ch.Now + d }
			}
			return [2]func() error{apply(a, rec, base, touch(9)), apply(b, rec, base, touch(5))}, func(first, second error) error {
				got := loaded(t, a, rec.Key())
				return wrong("the later one is lost", first == nil && second == nil && got.Version() == 1 && got.Touched() == rec.Touched()+1009)
			}
		}},
		{"a change and Delete" + with, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			return [2]func() error{apply(a, rec, base, setting("a")), func() error { return b.Delete(background(), rec.Key()) }}, func(first, second error) error {
				return errors.Join(gone(a, rec), wrong("errors", second == nil && oneOf(first, nil, beaker.ErrNotFound)))
			}
		}},
		{"two rotations" + with, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			proofs := [2]beaker.Proof{unique("a"), unique("b")}
			rotate := func(i int) func(*beaker.Change) {
				return func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: proofs[i], Grace: hour} }
			}
			return [2]func() error{apply(a, rec, base, rotate(0)), apply(b, rec, base, rotate(1))}, func(first, second error) error {
				won, lost, winner := first, second, 0
				if won != nil {
					won, lost, winner = second, first, 1
				}
				m := loaded(t, a, rec.Key()).Meta()
				return wrong("there is not one winner", won == nil && errors.Is(lost, beaker.ErrNotFound) && m.Proof == proofs[winner] && m.PrevProof == rec.Meta().Proof && m.Version == 2)
			}
		}},
		{"a rotation and a change by the old proof" + with, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			proof := beaker.Proof(unique("next"))
			rotate := func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: proof} } // without grace
			return [2]func() error{apply(a, rec, base, rotate), apply(b, rec, base, setting("b"))}, func(first, second error) error {
				got := loaded(t, a, rec.Key())
				_, has := got.Lookup("b")
				return wrong("the old proof wrote after the rotation, or the rotation is lost",
					first == nil && got.Meta().Proof == proof && has == (second == nil) && oneOf(second, nil, beaker.ErrNotFound))
			}
		}},
		{"the last touch and Purge" + with, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			touch := func(ch *beaker.Change) { ch.Now = rec.Expires() - 1; ch.Touch = ch.Now }
			purge := func() error { _, err := b.Purge(background(), rec.Expires(), 10); return err }
			return [2]func() error{apply(a, rec, base, touch), purge}, func(first, second error) error {
				_, err := a.Load(background(), rec.Key())
				ok := second == nil && (first == nil && err == nil || errors.Is(first, beaker.ErrNotFound) && errors.Is(err, beaker.ErrNotFound))
				return errors.Join(wrong(fmt.Sprintf("Load: %v", err), ok), b.Delete(background(), rec.Key()))
			}
		}},
	}
}

// TE-2: whatever the order, nobody is signed in after the revocation by a sign-in that
// began before it.
func subjectRaces() []race {
	revoke := func(s *sqlstore.Store, subject string, at beaker.Millis) func() error {
		return func() error { _, err := s.RevokeSubject(background(), subject, at); return err }
	}
	check := func(s *sqlstore.Store, key beaker.RecordKey, allowed ...error) func(error, error) error {
		return func(first, second error) error {
			_, err := s.Load(background(), key)
			return wrong(fmt.Sprintf("Load: %v, want ErrNotFound", err), second == nil && oneOf(first, allowed...) && errors.Is(err, beaker.ErrNotFound))
		}
	}
	var all []race
	for _, base := range []bool{true, false} {
		name := "a sign-in and its revocation" + map[bool]string{true: " with Base", false: " without Base"}[base]
		all = append(all, race{name, func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			rec := created(t, a, newMeta(), "k", "v")
			subject := fmt.Sprintf("user-%x", rec.Key())
			ch := changeOf(rec)
			signIn := apply(a, rec, base, func(ch *beaker.Change) {
				ch.Subject, ch.Rotate = &subject, &beaker.Rotation{Next: unique("next")}
			})
			return [2]func() error{signIn, revoke(b, subject, ch.Began)}, check(a, rec.Key(), nil, beaker.ErrRevoked)
		}})
	}
	return append(all,
		race{"a new session and the revocation of its subject", func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			m := newMeta()
			m.Subject, m.AuthenticatedAt = fmt.Sprintf("user-%x", m.Key), epoch
			rec := newRecord(t, m)
			create := func() error { return a.Create(background(), rec) }
			return [2]func() error{create, revoke(b, m.Subject, epoch)}, check(a, m.Key, nil, beaker.ErrRevoked)
		}},
		race{"a change and the revocation of its subject", func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			m := newMeta()
			m.Subject, m.AuthenticatedAt = fmt.Sprintf("user-%x", m.Key), epoch
			rec := created(t, a, m)
			return [2]func() error{apply(a, rec, true, setting("a")), revoke(b, m.Subject, epoch)}, check(a, m.Key, nil, beaker.ErrNotFound)
		}},
		race{"two revocations of which one leaves a session", func(t *testing.T, a, b *sqlstore.Store) ([2]func() error, func(error, error) error) {
			m := newMeta()
			m.Subject, m.AuthenticatedAt = fmt.Sprintf("user-%x", m.Key), epoch
			created(t, a, m)
			sparing := func() error { _, err := a.RevokeSubject(background(), m.Subject, epoch, m.Key); return err }
			return [2]func() error{sparing, revoke(b, m.Subject, epoch)}, check(a, m.Key, nil)
		}},
	)
}
