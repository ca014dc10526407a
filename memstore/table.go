package memstore

import (
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/seed12c5fab1/beaker"
)

// A ref is an entry of a shard's hash table. It says in which heap of the shard a
// record is and at which position, and carries eight bits of the key's hash, so that
// a probe that is not the right one is nearly always seen without touching a record.
// The zero ref is a free slot.
//
// A table of four-byte refs into the heaps is what makes a session cheap: the
// heap is the only place that points to the record, the key is only in the record,
// and nothing is allocated for an entry. A Go map with a pointer to an entry that
// knows its place in the heap takes three times as much.
type ref uint32

const (
	posBits  = 23
	kindBit  = 1 << posBits
	tagShift = posBits + 1
	maxPos   = 1<<posBits - 2 // because positions are counted from one here
)

func makeRef(tag uint8, k kind, pos int) ref {
	if pos > maxPos {
		// The number of shards is chosen so that a shard with so many sessions would
		// mean that the hash is broken.
		panic("memstore: internal error: too many sessions in one shard")
	}
	return ref(tag)<<tagShift | ref(k)<<posBits | ref(pos+1)
}

func (r ref) tag() uint8 { return uint8(r >> tagShift) }
func (r ref) kind() kind { return kind(r >> posBits & 1) }
func (r ref) pos() int   { return int(r&(kindBit-1)) - 1 }

// The bits of a hash have three uses that must not overlap much: the low ones choose
// the shard, these the tag, and the high ones the slot.
func tagOf(hash uint64) uint8 { return uint8(hash >> 16) }

// homeOf maps a hash to one of n slots, for any n: tables grow by an eighth and
// not by doubling, which would leave nearly half of them empty on average.
func homeOf(hash uint64, n int) int {
	hi, _ := bits.Mul64(hash, uint64(n))
	return int(hi)
}

const minTable = 8

// lookup finds the record under key and the slot that refers to it; nil if there is
// none.
func (sh *shard) lookup(hash uint64, key *beaker.RecordKey) (slot int, rec *beaker.Record) {
	n := len(sh.table)
	if n == 0 {
		return -1, nil
	}
	tag := tagOf(hash)
	// Ends because a table is never full.
	for i := homeOf(hash, n); ; {
		r := sh.table[i]
		if r == 0 {
			return -1, nil
		}
		if r.tag() == tag {
			if rec := sh.at(r); rec.Key() == *key {
				return i, rec
			}
		}
		if i++; i == n {
			i = 0
		}
	}
}

// slotOf finds the slot that holds r, which must be there. No record is touched.
func (sh *shard) slotOf(hash uint64, r ref) int {
	n := len(sh.table)
	for i := homeOf(hash, n); ; {
		if sh.table[i] == r {
			return i
		}
		if i++; i == n {
			i = 0
		}
	}
}

// link puts a ref into the table, which must have a size that fits.
func (sh *shard) link(hash uint64, r ref) {
	n := len(sh.table)
	i := homeOf(hash, n)
	for sh.table[i] != 0 {
		if i++; i == n {
			i = 0
		}
	}
	sh.table[i] = r
}

// unlink frees a slot and moves later refs of the same run up, so that lookups need
// no tombstones.
func (sh *shard) unlink(slot int) {
	n := len(sh.table)
	hole := slot
	for i := slot; ; {
		if i++; i == n {
			i = 0
		}
		r := sh.table[i]
		if r == 0 {
			sh.table[hole] = 0
			return
		}
		// r may move to the hole unless its home lies after the hole, up to where it is.
		home := homeOf(sh.hashOf(sh.at(r)), n)
		between := hole < home && home <= i
		if i < hole {
			between = hole < home || home <= i
		}
		if !between {
			sh.table[hole] = r
			hole = i
		}
	}
}

// fit gives the table a size that suits count records: at most four fifths full,
// at least a third.
func (sh *shard) fit(count int) {
	n := len(sh.table)
	switch {
	case count*5 > n*4:
		sh.rebuild(max(minTable, n+n/8+1, count*5/4+1))
	case n > minTable && count*3 < n:
		sh.rebuild(max(minTable, count+count/2))
	}
}

func (sh *shard) rebuild(n int) {
	t := slices.Grow([]ref(nil), n)
	t = t[:cap(t)] // what the allocator has to give for that size anyway
	clear(t)
	sh.table = t
	for k := range kinds {
		for pos, rec := range sh.heaps[k] {
			hash := sh.hashOf(rec)
			sh.link(hash, makeRef(tagOf(hash), k, pos))
		}
	}
}

func (sh *shard) hashOf(rec *beaker.Record) uint64 {
	key := rec.Key()
	return maphash.Bytes(sh.seed, key[:])
}
