package memstore

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/seed12c5fab1/beaker"
)

// kind tells the sessions that may be evicted from those that may not.
type kind uint32

const (
	anonymous kind = iota
	signedIn
	kinds
)

func kindOf(rec *beaker.Record) kind {
	if rec.Subject() == "" {
		return anonymous
	}
	return signedIn
}

// shard holds a part of the sessions: two heaps, ordered by when sessions expire,
// and a hash table of the positions in them. All methods need the lock; those that
// only read are content with the read lock.
type shard struct {
	mu    sync.RWMutex
	table []ref
	heaps [kinds][]*beaker.Record

	seed    maphash.Seed
	soonest [kinds]*atomic.Int64 // in Store.soonest
}

func (sh *shard) len() int { return len(sh.heaps[anonymous]) + len(sh.heaps[signedIn]) }

func (sh *shard) at(r ref) *beaker.Record { return sh.heaps[r.kind()][r.pos()] }

// insert adds a record whose key is not there.
func (sh *shard) insert(hash uint64, rec *beaker.Record) {
	k := kindOf(rec)
	sh.fit(sh.len() + 1)
	r := makeRef(tagOf(hash), k, len(sh.heaps[k]))
	sh.push(k, rec)
	sh.link(hash, r)
	sh.siftUp(k, r.pos())
	sh.publish(k)
}

// replace puts next in the place of the record at slot, which has the same key.
func (sh *shard) replace(slot int, hash uint64, next *beaker.Record) {
	r := sh.table[slot]
	k, pos := r.kind(), r.pos()
	if kindOf(next) != k {
		sh.remove(slot)
		sh.insert(hash, next)
		return
	}
	sh.heaps[k][pos] = next
	if !sh.siftUp(k, pos) {
		sh.siftDown(k, pos)
	}
	sh.publish(k)
}

// remove takes out the record at slot.
func (sh *shard) remove(slot int) {
	r := sh.table[slot]
	// First the table: it looks at the records that the refs lead to.
	sh.unlink(slot)
	sh.cut(r.kind(), r.pos())
	sh.fit(sh.len())
	sh.publish(r.kind())
}

// publish makes the first deadline of a heap known to those without the lock.
func (sh *shard) publish(k kind) {
	first := int64(never)
	if h := sh.heaps[k]; len(h) > 0 {
		first = int64(h[0].Expires())
	}
	// Most changes do not concern the first one; no need to take its cache line from
	// the other processors then.
	if sh.soonest[k].Load() != first {
		sh.soonest[k].Store(first)
	}
}
