package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// op is one party of a race: a call, and what it does to the record if nothing else
// happens meanwhile. A nil record is none.
type op struct {
	name string
	call func(s beaker.Store) string
	does func(rec *beaker.Record) (*beaker.Record, string)
}

func (e *env) applyOp(key beaker.RecordKey, name string, ch *beaker.Change) op {
	return op{
		name: name,
		call: func(s beaker.Store) string { return outcome(s.Apply(e.ctx(), key, ch)) },
		does: func(rec *beaker.Record) (*beaker.Record, string) {
			if rec == nil {
				return nil, outcome(0, beaker.ErrNotFound)
			}
			out, err := beaker.Merge(rec, ch)
			if err != nil {
				return rec, outcome(0, err)
			}
			return out, outcome(out.Version(), nil)
		},
	}
}

func (e *env) createOp(name string, made *beaker.Record) op {
	return op{
		name: name,
		call: func(s beaker.Store) string { return outcome(0, s.Create(e.ctx(), made)) },
		does: func(rec *beaker.Record) (*beaker.Record, string) {
			if rec != nil {
				return rec, outcome(0, beaker.ErrExists)
			}
			return made, outcome(0, nil)
		},
	}
}

func (e *env) deleteOp(key beaker.RecordKey) op {
	return op{
		name: "Delete",
		call: func(s beaker.Store) string { return outcome(0, s.Delete(e.ctx(), key)) },
		does: func(*beaker.Record) (*beaker.Record, string) { return nil, outcome(0, nil) },
	}
}

// serial races two calls on one record, round after round. Both outcomes and what is
// left in the store must be those of one call after the other; where they did not
// overlap, in the order in which they ran. parties makes the record of a round, or nil
// for none, and the two calls.
func (e *env) serial(parties func() (start *beaker.Record, key beaker.RecordKey, left, right op)) {
	e.Helper()
	e.race(func(release func(left, right func(beaker.Store)) order) {
		start, key, left, right := parties()
		if start != nil {
			if err := e.a.Create(e.ctx(), start); err != nil {
				e.Fatalf("Create: %v", err)
			}
		}
		var gotLeft, gotRight string
		ran := release(
			func(s beaker.Store) { gotLeft = left.call(s) },
			func(s beaker.Store) { gotRight = right.call(s) },
		)

		var finals []*beaker.Record
		var wants []string
		consider := func(rec *beaker.Record, wantLeft, wantRight, in string) {
			wants = append(wants, fmt.Sprintf("%s (%s: %s, %s: %s)", in, left.name, wantLeft, right.name, wantRight))
			if wantLeft == gotLeft && wantRight == gotRight {
				finals = append(finals, rec)
			}
		}
		if ran != rightFirst {
			rec, wantLeft := left.does(start)
			rec, wantRight := right.does(rec)
			consider(rec, wantLeft, wantRight, left.name+" first")
		}
		if ran != leftFirst {
			rec, wantRight := right.does(start)
			rec, wantLeft := left.does(rec)
			consider(rec, wantLeft, wantRight, right.name+" first")
		}
		if len(finals) == 0 {
			e.Fatalf("%s: %s; %s: %s. Possible: %s", left.name, gotLeft, right.name, gotRight, strings.Join(wants, " or "))
		}
		for _, s := range e.stores() {
			if err := e.soon(func() error { return holdsOneOf(e, s, key, finals) }); err != nil {
				e.Fatalf("after %s (%s) and %s (%s): %v", left.name, gotLeft, right.name, gotRight, err)
			}
		}
		if err := e.a.Delete(e.ctx(), key); err != nil {
			e.Fatalf("Delete: %v", err)
		}
	})
}

func (e *env) stores() []beaker.Store {
	if e.nodes {
		return []beaker.Store{e.a, e.b}
	}
	return []beaker.Store{e.a}
}

func holdsOneOf(e *env, s beaker.Store, key beaker.RecordKey, finals []*beaker.Record) error {
	got, err := s.Load(e.ctx(), key)
	if err != nil && !errors.Is(err, beaker.ErrNotFound) {
		return fmt.Errorf("Load: %w", err)
	}
	if err != nil {
		got = nil
	}
	var diffs []string
	for _, want := range finals {
		d := diff(want, got)
		if d == "" {
			return nil
		}
		diffs = append(diffs, d)
	}
	return fmt.Errorf("the store holds another record:\n%s", strings.Join(diffs, "\nor\n"))
}

// order is how two calls ran.
type order int

const (
	overlapped order = iota
	leftFirst
	rightFirst
)

const (
	// orderedRounds come first and run the two parties one after the other, in both
	// orders and with either store: what goes wrong in one order only is found for
	// certain.
	orderedRounds = 4
	// A race in which fewer than one round in enough overlapped goes on for a while:
	// a call of a store in memory is through before the other begins more often than
	// not. extraRounds, as a multiple of the rounds, and extraTime bound it.
	extraRounds = 10
	extraTime   = 100 * time.Millisecond
	enough      = 5
)

// race runs rounds. Each calls release once with two parties, which start together or
// up to most of the other's running time apart, so that each reaches the other at
// another point. Every other round the parties change stores, which matters where
// there are two. Parties must not stop the check; they keep what they found.
func (e *env) race(round func(release func(left, right func(beaker.Store)) order)) {
	e.Helper()
	began := time.Now()
	var tookLeft, tookRight time.Duration
	met := 0
	n := -orderedRounds
	more := func() bool {
		return n < e.rounds || enough*met < e.rounds && n < extraRounds*e.rounds && time.Since(began) < extraTime
	}
	for ; more(); n++ {
		released := false
		round(func(left, right func(beaker.Store)) order {
			released = true
			a, b := e.a, e.b
			if n&1 == 1 {
				a, b = b, a
			}
			switch {
			case n < -orderedRounds/2:
				left(a)
				right(b)
				return leftFirst
			case n < 0:
				right(b)
				left(a)
				return rightFirst
			}
			l, r := together(
				party{headStart(n, 6, tookRight), func() { left(a) }},
				party{headStart(n, 7, tookLeft), func() { right(b) }},
			)
			tookLeft, tookRight = l.end-l.start, r.end-r.start
			switch {
			case l.end < r.start:
				return leftFirst
			case r.end < l.start:
				return rightFirst
			}
			met++
			return overlapped
		})
		if !released {
			e.Fatalf("the check is wrong: it released nobody")
		}
	}
	e.raced += n
	e.overlapped += met
	e.Logf("%d of %d rounds overlapped", met, n)
	if met == 0 {
		e.Logf("no round overlapped, so this race has shown nothing; give the test more than one processor")
	}
}

// headStart returns how long a party waits in round n, where its turn is one round of
// eight: a quarter to three quarters of the time that the other takes. Most rounds start
// together, because a store in memory is through in a moment.
func headStart(n, turn int, other time.Duration) time.Duration {
	if n%8 != turn {
		return 0
	}
	return other * time.Duration(1+n/8%3) / 4
}

type party struct {
	wait time.Duration
	run  func()
}

type span struct{ start, end time.Duration }

// together runs two parties, released by one barrier, and returns when each ran.
func together(left, right party) (l, r span) {
	const maxWait = 5 * time.Millisecond
	maxSpins := 5_000
	if runtime.GOMAXPROCS(0) == 1 {
		maxSpins = 0
	}
	var ready atomic.Int32
	began := time.Now()
	run := func(p party, s *span) {
		ready.Add(1)
		// Spinning releases both within nanoseconds, which a channel does not. It gives
		// way in the end, where other work has the processors.
		for spins := 0; ready.Load() < 2; spins++ {
			if spins > maxSpins {
				runtime.Gosched()
			}
		}
		if wait := min(p.wait, maxWait); wait > 0 {
			for from := time.Now(); time.Since(from) < wait; {
				runtime.Gosched()
			}
		}
		s.start = time.Since(began)
		p.run()
		s.end = time.Since(began)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(right, &r)
	}()
	run(left, &l)
	<-done
	return l, r
}

// crowd runs n parties at once and returns when all are through. A party returns what
// went wrong.
func (e *env) crowd(n int, run func(i int, s beaker.Store) error) {
	e.Helper()
	errs := make(chan error, n)
	start := make(chan struct{})
	for i := range n {
		s := e.a
		if i%2 == 1 {
			s = e.b
		}
		go func() {
			<-start
			errs <- run(i, s)
		}()
	}
	close(start)
	for range n {
		if err := <-errs; err != nil {
			e.Errorf("%v", err)
		}
	}
}
