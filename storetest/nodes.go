package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// on returns the same record as another node has it.
func (h *held) on(s beaker.Store) *held {
	other := *h
	other.store = s
	return &other
}

// seenOn waits until a node loads the record as it should be.
func (h *held) seenOn(s beaker.Store, when string) {
	h.Helper()
	if err := h.soon(func() error {
		got, err := s.Load(h.ctx(), h.key())
		if err != nil {
			return fmt.Errorf("Load: %w", err)
		}
		if d := diff(h.rec, got); d != "" {
			return fmt.Errorf("the node holds another record:\n%s", d)
		}
		return nil
	}); err != nil {
		h.Fatalf("%s: %v", when, err)
	}
}

func nodeChecks() []check {
	return []check{
		{"a record that one node creates is there for the other", func(e *env) {
			h := e.holdRecord(e.full())
			h.seenOn(e.b, "after Create on the other node")
			again := e.record(metaWith(e, h.key()), pairs("k", "second")...)
			if err := e.b.Create(e.ctx(), again); !errors.Is(err, beaker.ErrExists) {
				e.Errorf("Create on the other node: %s, want ErrExists", outcome(0, err))
			}
			h.same("after the second Create")
		}},
		{"nodes that change a record in turn see each other's changes", func(e *env) {
			h := e.hold("k", "0")
			for i := range 10 {
				s := []beaker.Store{e.a, e.b}[i%2]
				// The other node may still serve an older copy, but must not build on it.
				h = h.on(s)
				ch := h.set(fmt.Sprintf("k%d", i), "v")
				if base, err := s.Load(e.ctx(), h.key()); err != nil {
					e.Fatalf("Load: %v", err)
				} else {
					ch.Base = base
				}
				h.apply(ch)
				h.apply(h.touch(h.rec.Touched() + 10))
			}
			h.seenOn(e.a, "at the end")
			h.seenOn(e.b, "at the end")
		}},
		{"a rotation on one node kills the old proof on the other", func(e *env) {
			h := e.hold("k", "0")
			h.seenOn(e.b, "before")
			old, base := h.rec.Meta().Proof, h.on(e.b).loaded()
			h.apply(h.rotate(e.proof(), 0))
			for _, ch := range []*beaker.Change{h.set("k", "stolen"), h.touch(e.base + minute), h.rotate(e.proof(), 0)} {
				ch.Proof, ch.Base = old, base
				if _, err := e.b.Apply(e.ctx(), h.key(), ch); !errors.Is(err, beaker.ErrNotFound) {
					e.Errorf("Apply on the other node with the old proof: %s, want ErrNotFound", outcome(0, err))
				}
			}
			h.same("after refused changes on the other node")
			h.seenOn(e.b, "after the rotation")
		}},
		{"IfVersion holds over both nodes", func(e *env) {
			h := e.hold("k", "0")
			h.seenOn(e.b, "before")
			ch := h.set("k", "late")
			ch.Base, ch.IfVersion = h.on(e.b).loaded(), h.rec.Version()
			h.apply(h.set("k", "1"))
			if _, err := e.b.Apply(e.ctx(), h.key(), ch); !errors.Is(err, beaker.ErrConflict) {
				e.Errorf("Apply on the other node: %s, want ErrConflict", outcome(0, err))
			}
			h.same("after the conflict")
		}},
		{"one node lists and purges what the other created", func(e *env) {
			h := e.holdSubject("user-1")
			other := *e
			other.a = e.b
			if canList(e.b) {
				other.wantListed(beaker.ListQuery{Subject: "user-1"}, h)
			}
			if canPurge(e.b) {
				other.wantPurged(1, h.rec.Expires(), 10)
				e.absent(e.a, h.key(), "after Purge on the other node")
			}
		}},
		{"racing Creates of one key on two nodes have one winner", func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				key := e.key()
				left, right := e.record(metaWith(e, key), pairs("k", "left")...), e.record(metaWith(e, key), pairs("k", "right")...)
				return nil, key, e.createOp("left", left), e.createOp("right", right)
			})
		}},
	}
}

// noCopies reports whether a store never serves what another node has outdated. A store
// that keeps copies says for how long, by a method that is no part of the contract.
func noCopies(s beaker.Store) bool {
	c, ok := s.(interface{ Staleness() time.Duration })
	return !ok || c.Staleness() == 0
}

// promptRounds is enough to meet a copy that is there for a moment only.
const promptRounds = 100

func nodePromptChecks() []check {
	return []check{
		{"Load on one node returns nothing that was outdated on the other before", func(e *env) {
			for i := range promptRounds {
				h := e.hold("k", "0")
				h.on(e.b).loaded()
				h.apply(h.set("k", fmt.Sprint(i)))
				h.on(e.b).same("at once after a change on the other node")
				h.apply(h.rotate(e.proof(), 0))
				h.on(e.b).same("at once after a rotation on the other node")
				h.delete()
				if _, err := e.b.Load(e.ctx(), h.key()); !errors.Is(err, beaker.ErrNotFound) {
					e.Fatalf("Load at once after Delete on the other node: %s, want ErrNotFound", outcome(0, err))
				}
			}
		}},
	}
}

func nodeDeleteChecks() []check {
	return []check{
		{"Delete on one node is final on the other", func(e *env) {
			h := e.holdRecord(e.full())
			h.seenOn(e.b, "before Delete")
			base := h.on(e.b).loaded()
			h.delete()
			for why, ch := range h.everyChange() {
				ch.Base = base
				if _, err := e.b.Apply(e.ctx(), h.key(), ch); !errors.Is(err, beaker.ErrNotFound) {
					e.Errorf("%s on the other node: Apply: %s, want ErrNotFound", why, outcome(0, err))
				}
			}
			for _, s := range e.stores() {
				e.absent(s, h.key(), "after Delete on one node")
			}
		}},
	}
}

func nodeRevokeChecks() []check {
	return []check{
		{"RevokeSubject on one node ends the sessions of the other and refuses its late sign-ins", func(e *env) {
			mine := e.holdSubject("user-1")
			mine.seenOn(e.b, "before RevokeSubject")
			late := e.hold("k", "v").on(e.b)
			late.seenOn(e.b, "before RevokeSubject")
			n, err := e.a.(beaker.SubjectRevoker).RevokeSubject(e.ctx(), "user-1", e.base+minute)
			if err != nil || n != 1 {
				e.Fatalf("RevokeSubject: %d, %v; want 1 session", n, err)
			}
			e.absent(e.b, mine.key(), "after RevokeSubject on the other node")
			late.wantSignInRefused(late.signIn("user-1", e.base+minute), "a late sign-in on the other node")
			e.wantCreateRefused(e.b, "user-1", e.base+minute, "a late new record on the other node")
			later := e.hold("k", "v").on(e.b)
			later.apply(later.signIn("user-1", e.base+minute+1))
		}},
	}
}
