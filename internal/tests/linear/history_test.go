package linear_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/seed12c5fab1/beaker"
)

const (
	clients = 4
	rounds  = 3
	each    = 3 // calls of a client in a round; the first is the one at which all meet
)

// A round's first calls are let go when all clients are inside a method of the store:
// the context is what every method looks at before it does anything, and this one
// makes it wait there. The later calls run free, so that a client's call also follows
// upon its own and upon others'.
type inside struct {
	context.Context
	met  *meeting // nil: a free call
	once sync.Once
	was  bool
}

func (c *inside) look() {
	if c.met == nil {
		runtime.Gosched()
		return
	}
	c.once.Do(func() { c.was = c.met.meet() })
}

func (c *inside) Err() error {
	c.look()
	return c.Context.Err()
}

func (c *inside) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

// meeting is where all clients of a round wait for each other.
type meeting struct {
	arrived atomic.Int32
	open    chan struct{}
}

func (m *meeting) arrive() {
	if m.arrived.Add(1) == clients {
		close(m.open)
	}
}

// meet reports whether all came. That one does not come is a defect of the store, and
// must be reported rather than waited for.
func (m *meeting) meet() bool {
	const patience = 30 * time.Second
	m.arrive()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-m.open:
		return true
	case <-timer.C:
		return false
	}
}

// history is what some clients asked one key of some stores, and what they were told.
type history struct {
	seed   uint64
	ops    []porcupine.Operation
	missed int // first calls of a round that did not meet the others inside the store
}

// record makes a history. The stores are values of one store, which the clients share
// out among themselves.
func record(seed uint64, stores []beaker.Store) history {
	var key beaker.RecordKey
	binary.BigEndian.PutUint64(key[:], seed*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(key[24:], seed+1)
	var (
		clock    atomic.Int64
		late     atomic.Int32
		shared   atomic.Pointer[beaker.Proof]
		meetings [rounds]meeting
		ops      [clients][]porcupine.Operation
		group    sync.WaitGroup
	)
	for i := range meetings {
		meetings[i].open = make(chan struct{})
	}
	for i := range clients {
		c := &client{rng: rand.New(rand.NewPCG(seed, uint64(i))), name: string(rune('p' + i)), key: key, shared: &shared}
		c.proof = proofOf("unborn")
		s := stores[i%len(stores)]
		group.Go(func() {
			for n := range rounds * each {
				ctx := &inside{Context: context.Background()}
				if n%each == 0 {
					ctx.met = &meetings[n/each]
				}
				in := c.next()
				if n == 0 && i == 0 {
					in = c.create() // otherwise many histories are about nothing
				}
				called := clock.Add(1)
				out := c.ask(ctx, s, in)
				returned := clock.Add(1)
				if ctx.met != nil {
					ctx.once.Do(ctx.met.arrive) // it never looked: the others must not wait
					if !ctx.was {
						late.Add(1)
					}
				}
				ops[i] = append(ops[i], porcupine.Operation{ClientId: i, Input: in, Output: out, Call: called, Return: returned})
			}
		})
	}
	group.Wait()
	h := history{seed: seed, ops: slices.Concat(ops[:]...), missed: int(late.Load())}
	// What is left, as each value of the store sees it.
	for i, s := range stores {
		c := &client{key: key, shared: &shared}
		in := call{kind: load}
		called := clock.Add(1)
		out := c.ask(context.Background(), s, in)
		h.ops = append(h.ops, porcupine.Operation{ClientId: clients + i, Input: in, Output: out, Call: called, Return: clock.Add(1)})
	}
	_ = stores[0].Delete(context.Background(), key) // so that the next Purge has nothing to do with this key
	return h
}

func (c *client) ask(ctx context.Context, s beaker.Store, in call) answer {
	var (
		out answer
		rec *beaker.Record
		err error
	)
	switch in.kind {
	case create:
		err = s.Create(ctx, in.rec)
	case load:
		if rec, err = s.Load(ctx, c.key); err == nil {
			out.record = encoded(rec)
		}
	case apply:
		out.version, err = s.Apply(ctx, c.key, in.ch)
	case remove:
		err = s.Delete(ctx, c.key)
	case purge:
		if p, ok := s.(beaker.Purger); ok {
			out.purged, err = p.Purge(ctx, in.now, 10)
		} else {
			err = fmt.Errorf("%T is no Purger", s)
		}
	}
	out.result = resultOf(err)
	c.learn(in, rec, out.version, err)
	return out
}

// overlaps counts the pairs of calls of two clients that were under way at once.
func (h history) overlaps() (n int) {
	for i, a := range h.ops {
		for _, b := range h.ops[:i] {
			if a.ClientId != b.ClientId && a.Call < b.Return && b.Call < a.Return {
				n++
			}
		}
	}
	return n
}

// check returns what is wrong with the history.
func (h history) check() error {
	const (
		patience = time.Minute
		pairs    = rounds * clients * (clients - 1) / 2
	)
	if n := h.overlaps(); h.missed > 0 || n < pairs {
		return fmt.Errorf("seed %d: the calls did not overlap: %d pairs, want at least %d; %d calls missed the meeting", h.seed, n, pairs, h.missed)
	}
	for _, op := range h.ops {
		if out := op.Output.(answer); !out.expected() {
			return fmt.Errorf("seed %d: %v: %s", h.seed, op.Input, out.result)
		}
	}
	switch res := porcupine.CheckOperationsTimeout(model, h.ops, patience); res {
	case porcupine.Ok:
		return nil
	case porcupine.Illegal:
		return fmt.Errorf("seed %d: no order of these calls explains what they returned:\n%s", h.seed, h)
	default:
		return fmt.Errorf("seed %d: the checker did not come to an end (%s):\n%s", h.seed, res, h)
	}
}

func (h history) String() string {
	ops := slices.SortedFunc(slices.Values(h.ops), func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "  [%3d,%3d] client %d: %v -> %v\n", op.Call, op.Return, op.ClientId, op.Input, op.Output)
	}
	return b.String()
}
