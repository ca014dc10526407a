package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
)

// mover moves slots between masters while clients are at work.
type mover struct {
	tb    testing.TB
	c     *engines.RedisCluster
	moved int
}

// whileMoving begins to move the slots of keys to another master, and returns a
// function that waits until they are there.
func (m *mover) whileMoving(keys ...string) (wait func()) {
	m.tb.Helper()
	ctx := context.WithoutCancel(m.tb.Context())
	seen := map[int]bool{}
	var moves []*engines.SlotMove
	for _, key := range keys {
		slot := m.c.Slot(key)
		if seen[slot] {
			continue
		}
		seen[slot] = true
		moves = append(moves, m.begin(ctx, slot))
	}
	done := make(chan error, 1)
	go func() { done <- finish(ctx, moves) }()
	return func() {
		if err := <-done; err != nil {
			m.tb.Errorf("moving slots: %v", err)
		}
		m.moved += len(moves)
	}
}

func (m *mover) begin(ctx context.Context, slot int) *engines.SlotMove {
	m.tb.Helper()
	owner := m.c.Owner(slot)
	move := m.c.Move(slot, owner, (owner+1)%3)
	if err := move.Begin(ctx); err != nil {
		m.tb.Fatal(err)
	}
	return move
}

// finish moves one key at a time, so that others see a slot of which one half is here
// and the other there.
func finish(ctx context.Context, moves []*engines.SlotMove) error {
	for _, move := range moves {
		for {
			n, err := move.Keys(ctx, 1)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
		if err := move.Finish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// The race set, with the slots of what is raced moving to another master meanwhile.
func TestTwoProcessesWhileSlotsMove(t *testing.T) {
	many, some := 100, 30 // each moves two slots, which takes the servers some time to agree on
	if soak() {
		many, some = 1000, 300
	}
	c, s := sharedCluster.get(t)
	p := newPlace(t, s)
	m := &mover{tb: t, c: c}
	asked, moved := s.sum(t, "errorstat_ASK"), s.sum(t, "errorstat_MOVED")
	raceSet(t, p, many, some, func(key beaker.RecordKey) func() {
		return m.whileMoving(p.sessionKey(key), p.indexKey(subjectOf(key)))
	})
	asked, moved = s.sum(t, "errorstat_ASK")-asked, s.sum(t, "errorstat_MOVED")-moved
	t.Logf("report: %d slots moved; %d times ASK, %d times MOVED", m.moved, asked, moved)
	if asked == 0 || moved == 0 {
		t.Errorf("clients were told ASK %d times and MOVED %d times: nothing was shown", asked, moved)
	}
}

// Everything a store does works in a slot that is half moved, and stays half moved: what
// is there already and what is not, with and without a subject, also where it waits for
// replicas.
func TestHalfMovedSlot(t *testing.T) {
	c, s := sharedCluster.get(t)
	for _, wait := range []int{0, 1} {
		for _, keysMoved := range []int{0, 1, 2, 100} {
			t.Run(fmt.Sprintf("WaitReplicas %d, %d keys moved", wait, keysMoved), func(t *testing.T) {
				p := newPlace(t, s)
				p.opts.WaitReplicas = wait
				store := p.store(t)
				ctx := t.Context()
				subject := fmt.Sprintf("user-%x", unique("subject"))
				signed := created(t, store, metaOf(subject), "k", "v")
				anonymous, ending := created(t, store, newMeta(), "k", "v"), created(t, store, newMeta(), "k", "v")
				fresh := newRecord(t, metaOf(subject), "k", "new")
				m := &mover{tb: t, c: c}
				seen := map[int]bool{}
				for _, key := range []string{
					p.sessionKey(signed.Key()), p.sessionKey(anonymous.Key()), p.sessionKey(ending.Key()),
					p.sessionKey(fresh.Key()), p.indexKey(subject),
				} {
					slot := c.Slot(key)
					if seen[slot] {
						continue
					}
					seen[slot] = true
					move := m.begin(ctx, slot)
					t.Cleanup(func() {
						if err := move.Finish(context.Background()); err != nil {
							t.Error(err)
						}
					})
					if _, err := move.Keys(ctx, keysMoved); keysMoved > 0 && err != nil {
						t.Fatal(err)
					}
				}
				if err := store.Create(ctx, fresh); err != nil {
					t.Errorf("Create: %v", err)
				}
				ch := setting(anonymous, "k", "w")
				if v, err := store.Apply(ctx, anonymous.Key(), ch); err != nil || v != 2 {
					t.Errorf("Apply: version %d, %v", v, err)
				}
				if k, _ := loaded(t, store, anonymous.Key()).Lookup("k"); k != "w" {
					t.Errorf("Load after Apply: %q", k)
				}
				if _, err := store.Apply(ctx, anonymous.Key(), signingIn(anonymous, subject)); err != nil {
					t.Errorf("Apply of a sign-in: %v", err)
				}
				if err := store.Delete(ctx, ending.Key()); err != nil {
					t.Errorf("Delete: %v", err)
				}
				wantGone(t, store, ending.Key(), "after Delete")
				page, _, err := store.List(ctx, beaker.ListQuery{Subject: subject})
				if err != nil || len(page) != 3 {
					t.Errorf("List: %d sessions, %v; want 3", len(page), err)
				}
				n, err := store.RevokeSubject(ctx, subject, epoch.Add(hour), signed.Key())
				if err != nil || n != 2 {
					t.Errorf("RevokeSubject: %d sessions, %v; want 2", n, err)
				}
				wantGone(t, store, anonymous.Key(), "after RevokeSubject")
				wantGone(t, store, fresh.Key(), "after RevokeSubject")
				if late := newRecord(t, metaOf(subject)); !errors.Is(store.Create(ctx, late), beaker.ErrRevoked) {
					t.Error("a late sign-in is not refused")
				}
				loaded(t, store, signed.Key())
			})
		}
	}
}

// Users are at work while slots move for a while: nobody gets an error.
func TestNoErrorWhileSlotsMove(t *testing.T) {
	slots := 30
	if soak() {
		slots = 1500
	}
	c, s := sharedCluster.get(t)
	p := newPlace(t, s)
	stores := []beaker.Store{p.store(t), p.store(t)}
	const users = 8
	recs := make([]*beaker.Record, users)
	for u := range recs {
		recs[u] = created(t, stores[0], newMeta(), "n", "0")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tallies := make([]tally, users)
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			for ctx.Err() == nil {
				n, err := increment(t.Context(), stores[u%2], recs[u].Key(), "n")
				if err != nil {
					t.Errorf("user %d, count %d: %v", u, n, err)
				}
				tallies[u].add(n, err)
				// A session of a moment, with a subject: two slots.
				short := newRecord(t, metaOf(fmt.Sprintf("user-%d", u)), "k", strings.Repeat("v", 100))
				if err := stores[u%2].Create(t.Context(), short); err != nil {
					t.Errorf("Create: %v", err)
				}
				if err := stores[(u+1)%2].Delete(t.Context(), short.Key()); err != nil {
					t.Errorf("Delete: %v", err)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
	m := &mover{tb: t, c: c}
	for i := 0; i < slots && !t.Failed(); i++ {
		keys := []string{p.sessionKey(recs[i%users].Key()), p.indexKey(fmt.Sprintf("user-%d", i%users))}
		m.whileMoving(keys...)()
	}
	cancel()
	wg.Wait()
	total := 0
	for u, rec := range recs {
		total += tallies[u].acked
		if n := number(loaded(t, stores[1], rec.Key()), "n"); n != tallies[u].acked {
			t.Errorf("user %d: counted %d, acknowledged %d", u, n, tallies[u].acked)
		}
	}
	t.Logf("report: %d slots moved, %d counts", m.moved, total)
}
