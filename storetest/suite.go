package storetest

import (
	"context"
	"io"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// tb is what checks need of *testing.T. It is an interface so that this package's own
// tests can run the checks on stores that are broken on purpose and see which fail.
type tb interface {
	Helper()
	Context() context.Context
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(f func())
}

// promise is one row of the report: what a store promises, and how that is checked.
type promise struct {
	name    string
	offered func(beaker.Store) bool // nil: every store makes this promise
	checks  []check
}

// check is one subtest. Its name is a sentence that says what holds if it passes.
type check struct {
	name string
	run  func(e *env)
}

// suite runs checks.
type suite struct {
	open   func(t tb) (a, b beaker.Store) // b is a where there is one node
	sub    func(t tb, name string, f func(tb))
	nodes  bool
	rounds int

	patience time.Duration // between nodes: see env
	probed   beaker.Store
}

func (s *suite) run(t tb, promises []promise) []Row {
	t.Helper()
	s.probed, _ = s.open(t) // what it can do says which promises it makes
	rows := make([]Row, len(promises))
	for i, p := range promises {
		row := &rows[i]
		row.Promise, row.Checks = p.name, len(p.checks)
		if p.offered != nil && !p.offered(s.probed) {
			row.Status = NotOffered
			continue
		}
		ran := 0
		s.sub(t, p.name, func(t tb) {
			for _, c := range p.checks {
				s.sub(t, c.name, func(t tb) {
					ran++
					s.check(t, c, row)
				})
			}
		})
		switch {
		case len(row.Failed) > 0:
			row.Status = NotKept
		case ran < len(p.checks): // go test -run selected others
			row.Status = NotChecked
		default:
			row.Status = Kept
		}
	}
	return rows
}

func (s *suite) check(t tb, c check, row *Row) {
	e := newEnv(t, s)
	// The first cleanup runs last: a store that cannot be closed has failed too.
	t.Cleanup(func() {
		if t.Failed() {
			row.Failed = append(row.Failed, c.name)
		}
		row.Rounds += e.raced
		row.Overlapped += e.overlapped
		if e.raced > 0 && e.overlapped == 0 {
			row.Idle = append(row.Idle, c.name)
		}
	})
	e.a, e.b = s.open(t)
	c.run(e)
}

func canList(s beaker.Store) bool   { _, ok := s.(beaker.Lister); return ok }
func canPurge(s beaker.Store) bool  { _, ok := s.(beaker.Purger); return ok }
func canRevoke(s beaker.Store) bool { _, ok := s.(beaker.SubjectRevoker); return ok }
func canClose(s beaker.Store) bool  { _, ok := s.(io.Closer); return ok }

// storePromises are the promises of one store value, in the order of the report.
func storePromises() []promise {
	return []promise{
		{"Records are kept whole", nil, recordChecks()},
		{"Create never overwrites", nil, createChecks()},
		{"Apply merges in one step", nil, applyChecks()},
		{"Base is a hint", nil, baseChecks()},
		{"Limits are held", nil, limitChecks()},
		{"No lost update", nil, lostUpdateChecks()},
		{"No resurrection after delete", nil, deleteChecks()},
		{"Only the right proof changes a record", nil, proofChecks()},
		{"One winner of racing rotations", nil, rotationChecks()},
		{"A touch is not a write", nil, touchChecks()},
		{"Deadlines are checked with the caller's clock", nil, deadlineChecks()},
		{"Reads its own writes", nil, ownWriteChecks()},
		{"Shares no memory with its callers", nil, aliasChecks()},
		{"Hostile names and values are kept byte for byte", nil, hostileChecks()},
		{"A context that is done means that nothing happens", nil, contextChecks()},
		{"Refuses work after Close", canClose, closeChecks()},
		{"Lists sessions", canList, listChecks()},
		{"Lists a subject's sessions", canList, listSubjectChecks()},
		{"Revokes a subject", canRevoke, revokeChecks()},
		{"A sign-in cannot outrun a revocation", canRevoke, signInChecks()},
		{"Purges what is expired and nothing else", canPurge, purgeChecks()},
	}
}

// nodePromises are the promises between two store values over the same data.
func nodePromises() []promise {
	return []promise{
		{"Between nodes: writes are seen", nil, nodeChecks()},
		{"Between nodes: they are seen at once", noCopies, nodePromptChecks()},
		{"Between nodes: no lost update", nil, lostUpdateRaces()},
		{"Between nodes: no resurrection after delete", nil, append(nodeDeleteChecks(), deleteRaces()...)},
		{"Between nodes: one winner of racing rotations", nil, rotationRaces()},
		{"Between nodes: a touch is not a write", nil, touchRaces()},
		{"Between nodes: a sign-in cannot outrun a revocation", canRevoke, append(nodeRevokeChecks(), signInRaces()...)},
		{"Between nodes: purges what is expired and nothing else", canPurge, purgeRaces()},
		{"Between nodes: tells of sessions that end", canWatch, nodeWatchChecks()},
	}
}
