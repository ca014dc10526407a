// Package storetest checks that a [beaker.Store] keeps the contract it is documented
// with, sentence by sentence. A store's whole conformance test is one call:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) beaker.Store { return mystore.New(nil) })
//	}
//
// A store that several processes can share passes [RunNodes] as well. Both return a
// [Report], the table of the promises that the store keeps. If the environment
// variable BEAKER_GUARANTEES names a directory, the report is also written there, and
// [Table] lays the reports of several stores side by side.
//
// Run it with the race detector: some checks can only be failed that way.
//
// # What a store must bear
//
// Records are made around the real present and end hours later, so that an engine that
// drops expired records by a clock of its own keeps them while a check runs. Where a
// check needs an expired record, it passes a later time. A record that ended in the
// past may be gone at once; then the checks on it have nothing to check and say so in
// the log.
//
// # Races
//
// A race is run in rounds: 50, with -short 10, or as many as the environment variable
// BEAKER_RACE_ROUNDS says. In each, two calls are released together, and the outcome
// must be that of one of them after the other. Rounds in which the two calls really
// overlapped are counted. A race in which none did has shown nothing: it says so in
// the log, and the report tells the count.
package storetest

import (
	"io"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// Run checks every promise that one store value makes, each in a subtest. newStore is
// called for each check, and once more to see what the store can do. It returns a new,
// empty store, which is closed afterwards if it is an [io.Closer]. Abilities (such as [beaker.Lister]) are found by type
// assertion, and their promises are checked if they are there.
//
// The report is named after the store's package and the test; see [Report.Store].
func Run(t *testing.T, newStore func(t *testing.T) beaker.Store) *Report {
	t.Helper()
	s := &suite{
		sub:    subtest,
		rounds: raceRounds(t),
		open: func(t tb) (a, b beaker.Store) {
			store := newStore(t.(*testing.T))
			if store == nil {
				t.Fatalf("newStore returned nil")
			}
			closeAfter(t, store)
			return store, store
		},
	}
	return reported(t, s, storePromises())
}

// RunNodes checks what must hold between two store values over the same data, as two
// processes have them. newNodes is called for each check and returns two values over
// the same new, empty data. It checks nothing that [Run] does, so run that too.
//
// What one node wrote may take the other a moment to load, where a store keeps copies;
// it is waited for. A change must never be made on such a copy. Such a store has a method
// Staleness() time.Duration, which returns for how long copies are served; where that is
// not zero, it is not asked to show writes at once, and the report says so.
func RunNodes(t *testing.T, newNodes func(t *testing.T) (a, b beaker.Store)) *Report {
	t.Helper()
	s := &suite{
		sub:    subtest,
		nodes:  true,
		rounds: raceRounds(t),
		// A silent server's copies may be served for some seconds.
		patience: 30 * time.Second,
		open: func(t tb) (a, b beaker.Store) {
			a, b = newNodes(t.(*testing.T))
			if a == nil || b == nil {
				t.Fatalf("newNodes returned a nil store")
			}
			if reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b {
				t.Fatalf("newNodes returned one store twice: the nodes need a value each, over the same data")
			}
			closeAfter(t, a)
			closeAfter(t, b)
			return a, b
		},
	}
	return reported(t, s, nodePromises())
}

func reported(t *testing.T, s *suite, promises []promise) *Report {
	t.Helper()
	rep := &Report{Nodes: s.nodes}
	dir := os.Getenv("BEAKER_GUARANTEES")
	// In a cleanup, so that the caller may name the report before it is written.
	t.Cleanup(func() {
		t.Logf("\n%s", rep.Text())
		if dir == "" || !rep.complete() {
			return
		}
		if err := rep.writeFile(dir); err != nil {
			t.Errorf("BEAKER_GUARANTEES: %v", err)
		}
	})
	rep.Rows = s.run(t, promises)
	rep.Store = reportName(s.probed, t.Name())
	return rep
}

func subtest(t tb, name string, f func(tb)) {
	t.(*testing.T).Run(name, func(t *testing.T) { f(t) })
}

func closeAfter(t tb, s beaker.Store) {
	c, ok := s.(io.Closer)
	if !ok {
		return
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

const (
	defaultRounds = 50
	shortRounds   = 10
)

func raceRounds(t tb) int {
	t.Helper()
	if v := os.Getenv("BEAKER_RACE_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			t.Fatalf("BEAKER_RACE_ROUNDS is %q: it must be a number of rounds, 1 or more", v)
		}
		return n
	}
	if testing.Short() {
		return shortRounds
	}
	return defaultRounds
}
