package memstore

import (
	"cmp"
	"slices"

	"github.com/seed12c5fab1/beaker"
)

// The heaps are ordered by Record.Expires. A record that moves has its ref rewritten,
// so its place is always known: touching a session is a short sift (most records have
// no children) and not a new entry beside a stale one, whose cleaning up would one
// day hold a lock for long.

// arity is how many children a record has. A comparison is cheaper than a move, which
// goes through the table; four children mean as many comparisons as two and half as
// many moves.
const arity = 4

func parentOf(pos int) int { return (pos - 1) / arity }

// childrenOf returns where the children of pos begin and end in a heap of n.
func childrenOf(pos, n int) (from, to int) {
	from = arity*pos + 1
	return min(from, n), min(from+arity, n)
}

// push adds a record at the end.
func (sh *shard) push(k kind, rec *beaker.Record) {
	h := sh.heaps[k]
	if n := len(h); n == cap(h) {
		// By about an eighth, where append would take a quarter and more. Grow takes
		// what the allocator has to give for that size anyway.
		h = append(slices.Grow([]*beaker.Record(nil), n+n/8+4), h...)
	}
	sh.heaps[k] = append(h, rec)
}

// siftUp moves the record at pos towards the root as far as it must go and reports
// whether it moved.
func (sh *shard) siftUp(k kind, pos int) bool {
	h := sh.heaps[k]
	rec, expires, from := h[pos], h[pos].Expires(), pos
	var own slot
	for pos > 0 {
		parent := parentOf(pos)
		if h[parent].Expires() <= expires {
			break
		}
		own.find(sh, rec, k, from)
		sh.move(k, parent, pos)
		pos = parent
	}
	own.set(sh, rec, k, pos)
	return pos != from
}

// siftDown moves the record at pos away from the root as far as it must go.
func (sh *shard) siftDown(k kind, pos int) {
	h := sh.heaps[k]
	rec, expires, from := h[pos], h[pos].Expires(), pos
	var own slot
	for {
		child, soonest := -1, expires
		for c, to := childrenOf(pos, len(h)); c < to; c++ {
			if t := h[c].Expires(); t < soonest {
				child, soonest = c, t
			}
		}
		if child < 0 {
			break
		}
		own.find(sh, rec, k, from)
		sh.move(k, child, pos)
		pos = child
	}
	own.set(sh, rec, k, pos)
}

// cut removes the record at pos, whose ref is gone already.
func (sh *shard) cut(k kind, pos int) {
	h := sh.heaps[k]
	last := len(h) - 1
	if pos != last {
		sh.move(k, last, pos)
	}
	h[last] = nil // for the garbage collector
	h = h[:last]
	if c := cap(h); c > 64 && len(h) < c/3 {
		// Give the memory back after a wave of sessions has gone.
		h = append(make([]*beaker.Record, 0, c/2), h...)
	}
	sh.heaps[k] = h
	if pos != last && !sh.siftUp(k, pos) {
		sh.siftDown(k, pos)
	}
}

// move copies the record at from to pos and tells the table.
func (sh *shard) move(k kind, from, pos int) {
	rec := sh.heaps[k][from]
	hash := sh.hashOf(rec)
	tag := tagOf(hash)
	sh.table[sh.slotOf(hash, makeRef(tag, k, from))] = makeRef(tag, k, pos)
	sh.heaps[k][pos] = rec
}

// slot is the place in the table of the record that is being sifted. It is looked up
// before the first other record moves, because after that its ref is no longer the
// only one with its position; and only if a record moves at all.
type slot struct {
	known bool
	i     int
	tag   uint8
}

func (s *slot) find(sh *shard, rec *beaker.Record, k kind, pos int) {
	if s.known {
		return
	}
	hash := sh.hashOf(rec)
	s.tag = tagOf(hash)
	s.i = sh.slotOf(hash, makeRef(s.tag, k, pos))
	s.known = true
}

func (s *slot) set(sh *shard, rec *beaker.Record, k kind, pos int) {
	if !s.known {
		return
	}
	sh.table[s.i] = makeRef(s.tag, k, pos)
	sh.heaps[k][pos] = rec
}

// first returns the record of a heap that expires soonest, other than the one under
// except (nil: none is excepted).
func (sh *shard) first(k kind, except *beaker.RecordKey) *beaker.Record {
	h := sh.heaps[k]
	if len(h) == 0 {
		return nil
	}
	if except == nil || h[0].Key() != *except {
		return h[0]
	}
	from, to := childrenOf(0, len(h))
	children := h[from:to]
	if len(children) == 0 {
		return nil
	}
	return slices.MinFunc(children, func(a, b *beaker.Record) int { return cmp.Compare(a.Expires(), b.Expires()) })
}
