package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// Op names an operation of a store.
type Op string

// The operations. OpAny stands for each of them.
const (
	OpAny    Op = "any"
	OpCreate Op = "create"
	OpLoad   Op = "load"
	OpApply  Op = "apply"
	OpDelete Op = "delete"
	OpList   Op = "list"
	OpPurge  Op = "purge"
	OpRevoke Op = "revoke"
)

// Which operation a fault hits is counted from when the fault is set: 1 is the next
// one of its kind, 2 the one after it.
const (
	Next  = 1
	Every = -1 // each one, until Clear
)

// When says at which side of an operation it is held.
type When bool

// Before holds an operation that has not begun, After one that is done and of which
// the caller does not know yet.
const (
	Before When = false
	After  When = true
)

// ErrInjected is in the chain of each error that a Faults made up.
var ErrInjected = errors.New("sessiontest: injected failure")

// Call is one operation that was recorded.
type Call struct {
	Op     Op
	Key    beaker.RecordKey // zero for OpList, OpPurge and OpRevoke
	Change *beaker.Change   // for OpApply; it must not be changed
	Err    error            // what the caller was told
}

// Faults decides what goes wrong in the store that [NewFaultStore] returned with it.
// Of several faults that are due at one operation, the one that was set first happens.
// It is safe for concurrent use.
type Faults struct {
	mu        sync.Mutex
	down      error
	faults    []*fault
	counts    map[Op]int
	recording bool
	calls     []Call
}

type fault struct {
	op  Op
	n   int // how many operations from now, or Every
	act action
}

// action does an operation, or what happens in its place.
type action func(ctx context.Context, do func(context.Context) error) error

// Fail makes an operation return err, or ErrInjected if err is nil, without having
// happened.
func (f *Faults) Fail(op Op, n int, err error) {
	if err == nil {
		err = fmt.Errorf("%w of %s", ErrInjected, op)
	}
	f.add(op, n, func(context.Context, func(context.Context) error) error { return err })
}

// LoseAck lets an operation happen and loses the answer, whatever it was: the caller
// is told that the outcome is unknown (beaker.ErrUncertain), or for a load or a listing
// that the connection broke.
func (f *Faults) LoseAck(op Op, n int) {
	f.add(op, n, func(ctx context.Context, do func(context.Context) error) error {
		_ = do(ctx) // the answer is what is lost
		return errLost
	})
}

// errLost is turned into ErrUncertain where something was to be changed.
var errLost = fmt.Errorf("%w: the answer was lost", ErrInjected)

// Hang holds an operation that has not happened, until its context ends, whose error
// it then returns, or until it is released and goes on.
func (f *Faults) Hang(op Op, n int) *Held {
	h := newHeld("hang of " + string(op))
	f.add(op, n, func(ctx context.Context, do func(context.Context) error) error {
		h.arrive()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-h.released:
			return do(ctx)
		}
	})
	return h
}

// Park holds an operation before or after it happens, until it is released: to force
// what happens meanwhile. The time that it is held does not count: its context does
// not end.
func (f *Faults) Park(op Op, n int, when When) *Held {
	h := newHeld("park of " + string(op))
	f.add(op, n, func(ctx context.Context, do func(context.Context) error) error {
		ctx = context.WithoutCancel(ctx)
		if when == Before {
			h.arrive()
			<-h.released
			return do(ctx)
		}
		err := do(ctx)
		h.arrive()
		<-h.released
		return err
	})
	return h
}

// Down makes all operations fail with err, or ErrInjected if err is nil, until Up.
func (f *Faults) Down(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down = err; err == nil {
		f.down = fmt.Errorf("%w: the store is down", ErrInjected)
	}
}

// Up ends Down.
func (f *Faults) Up() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = nil
}

// Clear drops the faults that have not happened. Operations that are held stay so.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Pending returns how many faults have not happened yet. A test whose fault was not
// reached has shown nothing.
func (f *Faults) Pending() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(f.faults), func(x *fault) bool { return x.n == Every }))
}

// Count returns how many operations of a kind have begun, those that failed included;
// for OpAny all.
func (f *Faults) Count(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if op != OpAny {
		return f.counts[op]
	}
	n := 0
	for _, count := range f.counts {
		n += count
	}
	return n
}

// Reset sets the counts to zero and forgets recorded calls.
func (f *Faults) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.counts)
	f.calls = nil
}

// Record makes Calls remember operations from now on.
func (f *Faults) Record() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recording = true
}

// Calls returns the recorded operations in the order in which they ended.
func (f *Faults) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *Faults) add(op Op, n int, act action) {
	if n < 1 && n != Every {
		panic(fmt.Sprintf("sessiontest: fault at operation %d: give Next, a larger number, or Every", n))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, &fault{op, n, act})
}

// begin counts an operation and returns what happens in its place, if anything.
func (f *Faults) begin(op Op) action {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[op]++
	var due action
	f.faults = slices.DeleteFunc(f.faults, func(x *fault) bool {
		if x.op != op && x.op != OpAny {
			return false
		}
		if x.n > 1 {
			x.n--
			return false
		}
		if due != nil {
			return false // it happens at the next operation
		}
		due = x.act
		return x.n == 1
	})
	if err := f.down; err != nil {
		due = func(context.Context, func(context.Context) error) error { return err }
	}
	return due
}

// run does an operation and what goes wrong with it.
func (f *Faults) run(ctx context.Context, call Call, do func(context.Context) error) error {
	act := f.begin(call.Op)
	var err error
	switch {
	case act == nil:
		err = do(ctx)
	case ctx.Err() != nil:
		err = ctx.Err() // the contract: nothing happens
	default:
		err = act(ctx, do)
	}
	if errors.Is(err, errLost) && call.Op != OpLoad && call.Op != OpList {
		err = fmt.Errorf("%s: %w: %w", call.Op, beaker.ErrUncertain, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.recording {
		call.Err = err
		f.calls = append(f.calls, call)
	}
	return err
}

// Held is an operation that is held, or will be.
type Held struct {
	what     string
	reached  chan struct{}
	released chan struct{}
	arrived  sync.Once
	once     sync.Once
}

func newHeld(what string) *Held {
	return &Held{what: what, reached: make(chan struct{}), released: make(chan struct{})}
}

func (h *Held) arrive() { h.arrived.Do(func() { close(h.reached) }) }

// Reached is closed when an operation is being held.
func (h *Held) Reached() <-chan struct{} { return h.reached }

// Wait waits until an operation is being held, and ends the test if none is after a
// generous time. It releases the operation when the test is over.
func (h *Held) Wait(t testing.TB) {
	t.Helper()
	t.Cleanup(h.Release)
	ctx, cancel := context.WithTimeout(context.Background(), guard)
	defer cancel()
	select {
	case <-h.reached:
	case <-ctx.Done():
		t.Fatalf("sessiontest: %s: no such operation came within %v", h.what, guard)
	}
}

// Release lets the operation go on, also one that comes later. It may be called more
// than once.
func (h *Held) Release() { h.once.Do(func() { close(h.released) }) }
