package contest

import (
	"context"
	"fmt"
	"time"
)

// Kind says what a contender is there for.
type Kind int

// The kinds.
const (
	Ours  Kind = iota // this library
	Floor             // hand-written: does only what any correct library must
	Peer              // another library
)

// String returns a word for tables.
func (k Kind) String() string { return [...]string{"beaker", "floor", "peer"}[k] }

// Contender is one way to keep sessions.
type Contender struct {
	Store string // where sessions are kept; only contenders of one store are compared
	Name  string
	Kind  Kind

	// Floor is the name of the floor that the contender's ratios refer to; empty: the
	// store's first floor.
	Floor string
	// Note says what a reader must know to compare fairly.
	Note string
	// Lacks are the scenarios that it cannot do, and why.
	Lacks map[Scenario]string
	// Fresh makes a new player for each measurement of what adds sessions, so that a
	// store in memory does not grow over the run.
	Fresh bool

	Open func(ctx context.Context, env Env) (Player, error)
	// Counting is Open with something between that counts the calls of the store, where
	// Open's own player does not count. Only numbers are taken from it. Nil: there is none.
	Counting func(ctx context.Context, env Env) (Player, error)
}

// ID names the contender in results.
func (c *Contender) ID() string { return c.Store + "/" + c.Name }

// Env is where contenders find servers and folders.
type Env interface {
	// Dir makes an empty folder that lives as long as the run.
	Dir() (string, error)
	// Address returns where a server listens: an address or a DSN. It starts the
	// server when it is first asked for. An error that is a MissingError means that the
	// contender is left out.
	Address(ctx context.Context, server string) (string, error)
	// Unique returns a name that no other contender has: letters and digits.
	Unique() string
}

// MissingError means that something is not installed, so that a contender cannot be measured.
type MissingError struct {
	What string
	Err  error
}

func (m *MissingError) Error() string { return fmt.Sprintf("%s is missing: %v", m.What, m.Err) }

// Unwrap returns the cause.
func (m *MissingError) Unwrap() error { return m.Err }

// Player is an open contender. It is used by one goroutine.
type Player interface {
	// Case makes a scenario ready.
	Case(s Scenario) (Case, error)
	// Close ends it; its cases must not be used any more.
	Close() error
}

// Took is what a run took.
type Took struct {
	Wall time.Duration
	CPU  time.Duration // zero: of this process
}

// Case is one contender in one scenario.
type Case interface {
	// Prepare makes n requests ready; that is not measured.
	Prepare(n int) error
	// Run does the n requests and looks at each answer. It returns how long they took, and
	// how much processor time if that is not this process's.
	Run(n int) (Took, error)
	// Verify looks at what the n requests have left behind.
	Verify(n int) error
	// Trips returns how often the store, or its server, was asked so far; false if
	// that is not known.
	Trips() (int64, bool)
	// Native reports whether the requests are done by this process, so that their
	// allocations can be counted.
	Native() bool
}
