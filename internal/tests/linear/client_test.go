package linear_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// base is when the first call happens; histories are near it.
const base = beaker.Millis(1_700_000_000_000)

const idle = time.Minute

// client decides what to ask next. What it may draw depends on its seed only; which
// proof is "the current one" also on what the store has said so far.
type client struct {
	rng  *rand.Rand
	name string
	made int // values, proofs and touches, so that no two are alike

	key     beaker.RecordKey
	seen    *beaker.Record // the last that it loaded
	version beaker.Version // the last that it was told
	proof   beaker.Proof   // the last that it rotated to, or created with
	rotated *beaker.Change // its last rotation
	shared  *atomic.Pointer[beaker.Proof]
}

func (c *client) fresh() string {
	c.made++
	return fmt.Sprintf("%s.%d", c.name, c.made)
}

// next draws a call.
func (c *client) next() call {
	switch n := c.rng.IntN(100); {
	case n < 12:
		return c.create()
	case n < 34:
		return call{kind: load}
	case n < 41:
		return call{kind: remove}
	case n < 48:
		return call{kind: purge, now: c.now()}
	default:
		return call{kind: apply, ch: c.change()}
	}
}

func (c *client) create() call {
	rec, err := beaker.NewRecord(beaker.Meta{
		Key: c.key, Proof: proofOf(c.fresh()), Version: 1, Created: base, Touched: base, Idle: idle, Absolute: base.Add(time.Hour),
	}, []beaker.Value{{Name: "a", Data: []byte(c.fresh())}})
	if err != nil {
		panic(err) // the parts are constant
	}
	return call{kind: create, rec: rec}
}

// now is mostly before every deadline, sometimes at one, sometimes beyond all.
func (c *client) now() beaker.Millis {
	switch c.rng.IntN(10) {
	case 0:
		return base.Add(idle) - beaker.Millis(c.rng.IntN(2))
	case 1:
		return base.Add(2 * time.Hour)
	}
	return base + beaker.Millis(c.rng.IntN(1000))
}

func (c *client) change() *beaker.Change {
	if c.rotated != nil && c.rng.IntN(8) == 0 {
		return c.rotated // again, as after an answer that was lost
	}
	ch := &beaker.Change{Now: c.now(), Proof: c.asWhom()}
	ch.Began = ch.Now
	if c.rng.IntN(8) == 0 {
		ch.AnyProof, ch.Proof = true, beaker.Proof{}
	}
	if c.rng.IntN(2) == 0 {
		ch.Base = c.seen
	}
	if c.rng.IntN(4) == 0 {
		ch.IfVersion = max(c.version, 1)
	}
	if c.rng.IntN(3) == 0 {
		ch.Touch = base + beaker.Millis(c.rng.IntN(2000))
	}
	switch n := c.rng.IntN(12); {
	case n == 0:
		ch.Clear = true
	case n == 1:
		ch.Remove = []string{c.valueName()}
	case n == 2:
		ch.Clear, ch.Set = true, []beaker.Value{{Name: c.valueName(), Data: []byte(c.fresh())}}
	case n <= 6:
		ch.Set = []beaker.Value{{Name: c.valueName(), Data: []byte(c.fresh())}}
		ch.Limits.MaxKeys = c.rng.IntN(4) // 0: none
	case n == 7:
		ch.Idle = time.Duration(1+c.rng.IntN(3)) * idle
	case n == 8:
		subject := [...]string{"", "alice", "bob"}[c.rng.IntN(3)]
		ch.Subject = &subject
		if subject != "" {
			ch.AuthenticatedAt = ch.Began
		}
	case n == 9:
		ch.Touch = base + beaker.Millis(c.rng.IntN(2000))
	}
	if c.rng.IntN(4) == 0 {
		ch.Rotate = &beaker.Rotation{Next: proofOf(c.fresh()), Grace: time.Duration(c.rng.IntN(2)) * 500 * time.Millisecond}
	}
	return ch
}

func (c *client) valueName() string { return [...]string{"a", "b", "c", "d"}[c.rng.IntN(4)] }

// asWhom is mostly the holder, sometimes a former one, sometimes a stranger.
func (c *client) asWhom() beaker.Proof {
	switch c.rng.IntN(12) {
	case 0:
		return proofOf("a stranger")
	case 1, 2:
		if c.seen != nil {
			return c.seen.Meta().PrevProof
		}
	case 3, 4:
		return c.proof
	case 5, 6:
		if c.seen != nil {
			return c.seen.Meta().Proof
		}
	}
	if p := c.shared.Load(); p != nil {
		return *p
	}
	return c.proof
}

// learn remembers what the store said.
func (c *client) learn(in call, rec *beaker.Record, v beaker.Version, err error) {
	if err != nil {
		return
	}
	switch in.kind {
	case create:
		c.proof, c.version = in.rec.Meta().Proof, 1
		p := c.proof
		c.shared.Store(&p)
	case load:
		c.seen, c.version = rec, rec.Version()
		p := rec.Meta().Proof
		c.shared.Store(&p)
	case apply:
		c.version = v
		if in.ch.Rotate != nil {
			next := in.ch.Rotate.Next
			c.proof, c.rotated = next, in.ch
			c.shared.Store(&next)
		}
	}
}
