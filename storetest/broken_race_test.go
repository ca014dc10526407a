package storetest

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/seed12c5fab1/beaker"
)

// gap is the time between a slow call's reading and its writing. A slow call waits in it
// until a fast one has happened, and a fast one waits before it for a slow call to be in
// its gap; both give up after a while. So the fast call falls into the gap for certain.
type gap struct {
	open atomic.Int64
	fast atomic.Int64
}

func (g *gap) slow(read, write func()) {
	was := g.fast.Load()
	read()
	g.open.Add(1)
	until(&g.fast, was)
	write()
	g.open.Add(-1)
}

func (g *gap) quick(call func()) {
	for i := 0; i < patientSpins && g.open.Load() == 0; i++ {
		runtime.Gosched()
	}
	call()
	g.fast.Add(1)
}

// slowApply makes the changes that are slow read, merge and write in three steps, and
// lets the other calls fall between.
func slowApply(slow func(ch *beaker.Change) bool) func(b *broken) {
	return func(b *broken) {
		g := new(gap)
		b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (v beaker.Version, err error) {
			if !slow(ch) {
				g.quick(func() { v, err = b.reference.Apply(ctx, key, ch) })
				return v, err
			}
			var out *beaker.Record
			g.slow(func() {
				var rec *beaker.Record
				if rec, err = b.reference.Load(ctx, key); err != nil {
					return
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				if out, err = beaker.Merge(rec, ch); err == nil && ch.Subject != nil && b.revoked(*ch.Subject, ch.Began) {
					delete(b.recs, key)
					err = beaker.ErrRevoked
				}
			}, func() {
				if err == nil {
					b.put(out)
				}
			})
			if err != nil {
				return 0, err
			}
			return out.Version(), nil
		}
		b.remove = func(ctx context.Context, key beaker.RecordKey) (err error) {
			g.quick(func() { err = b.reference.Delete(ctx, key) })
			return err
		}
		b.purge = func(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
			g.quick(func() { n, err = b.reference.Purge(ctx, now, limit) })
			return n, err
		}
		b.revoke = func(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (n int, err error) {
			g.quick(func() { n, err = b.reference.RevokeSubject(ctx, subject, at, except...) })
			return n, err
		}
	}
}

func (s *shared) put(rec *beaker.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recs[rec.Key()] = rec
}

// lastWriteWins reads, merges and writes in three steps, and two callers always meet
// between.
func lastWriteWins(b *broken) {
	m := new(meeting)
	b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
		rec, err := b.reference.Load(ctx, key)
		if err != nil {
			return 0, err
		}
		out, err := beaker.Merge(rec, ch)
		if err != nil {
			return 0, err
		}
		m.meet()
		b.put(out)
		return out.Version(), nil
	}
}

func raceDefects() []defect {
	return []defect{
		{name: "reads, merges and writes in three steps", with: lastWriteWins, fails: []string{
			"two writes of different values both survive",
			"two writes on the same Base both survive",
			"two writes on an outdated Base both survive, and so does what came between",
			"of two writes of one value the later one wins",
			"a write and a removal both happen",
			"a Clear takes all that was set before it and nothing after",
			"a write and a new deadline both survive",
			"a write and a new subject both survive",
			"of two conditional writes one is ErrConflict",
			"many writers lose nothing",
			"a counter raised with IfVersion is exact",
			"of two racing rotations exactly one wins",
			"of two racing rotations on one Base exactly one wins",
			"of many racing rotations exactly one wins",
		}},
		{name: "writes back what it read before a touch", with: slowApply(func(ch *beaker.Change) bool {
			return !ch.ChangesData() && ch.Touch <= ch.Now // of two racing touches, the earlier
		}), fails: []string{
			"of two racing touches the later time stays",
			"a touch and a write both happen",
			"a touch and a write on one Base both happen",
			"a touch and a new idle timeout both count",
			"a touch and a new absolute deadline both count",
			"a touch does not undo a rotation",
			"a touch does not make a conditional write fail",
			"Delete against a touch leaves nothing",
			"Purge does not take a record that is being touched",
		}},
		{name: "writes back what it read before a write", with: slowApply(func(ch *beaker.Change) bool {
			return len(ch.Set) > 0 && ch.Rotate == nil
		}), fails: []string{
			"Delete against a write leaves nothing",
			"Delete against a write with a Base leaves nothing",
			"Delete against a conditional write leaves nothing",
			"Delete against a write without a proof leaves nothing",
			"writers in full flight do not bring a deleted record back",
			"a write by the old proof comes before the rotation or is refused",
			"a write by the old proof in its grace survives next to the rotation",
			"a write does not bring a purged record back",
			"a write that races the revocation of its session does not bring it back",
		}},
		{name: "writes back what it read before a rotation", with: slowApply(func(ch *beaker.Change) bool {
			return ch.Rotate != nil
		}), fails: []string{
			"Delete against a rotation leaves nothing",
			"Delete against a sign-in leaves nothing",
			"a racing sign-in by Apply does not survive the revocation",
		}},
		{name: "looks first and creates then", with: func(b *broken) {
			m := new(meeting)
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				if _, err := b.reference.Load(ctx, rec.Key()); err == nil {
					return beaker.ErrExists
				}
				m.meet()
				b.put(rec)
				return nil
			}
		}, fails: []string{"racing Creates of one key have one winner"}},
	}
}
