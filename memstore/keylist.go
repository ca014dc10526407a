package memstore

import (
	"bytes"
	"slices"

	"github.com/seed12c5fab1/beaker"
)

// keyList is the sorted list of a subject's sessions, in pieces. Nearly all subjects
// have one or two sessions and one piece; but an application may give a million
// sessions one subject, and closing a gap in one list of a million keys for each that
// expires would hold a lock for milliseconds.
type keyList [][]beaker.RecordKey // no piece is empty

const maxPiece = 256

func compareKeys(a, b beaker.RecordKey) int { return bytes.Compare(a[:], b[:]) }

// find returns where the key is, or where it belongs: the last piece that does not
// begin after it, or the first.
func (l keyList) find(key beaker.RecordKey) (piece, i int, found bool) {
	piece, found = slices.BinarySearchFunc(l, key, func(p []beaker.RecordKey, key beaker.RecordKey) int {
		return compareKeys(p[0], key)
	})
	if found {
		return piece, 0, true
	}
	if piece == 0 {
		return 0, 0, false
	}
	piece--
	i, found = slices.BinarySearchFunc(l[piece], key, compareKeys)
	return piece, i, found
}

// with returns the list with a key, which may be in it already.
func (l keyList) with(key beaker.RecordKey) keyList {
	if len(l) == 0 {
		return keyList{{key}}
	}
	piece, i, found := l.find(key)
	if found {
		return l
	}
	p := slices.Insert(l[piece], i, key)
	l[piece] = p
	if len(p) > maxPiece {
		half := len(p) / 2
		l[piece] = slices.Clone(p[:half])
		l = slices.Insert(l, piece+1, slices.Clone(p[half:]))
	}
	return l
}

// without returns the list without a key, which may be missing.
func (l keyList) without(key beaker.RecordKey) keyList {
	piece, i, found := l.find(key)
	if !found {
		return l
	}
	p := slices.Delete(l[piece], i, i+1)
	if len(p) == 0 {
		return slices.Delete(l, piece, piece+1)
	}
	if c := cap(p); c > 4 && len(p) < c/4 {
		p = slices.Clone(p)
	}
	l[piece] = p
	return l
}

// after returns up to limit keys, in order, that come after one.
func (l keyList) after(key beaker.RecordKey, limit int) (keys []beaker.RecordKey) {
	piece, i, found := l.find(key)
	if found {
		i++
	}
	for ; piece < len(l) && len(keys) < limit; piece, i = piece+1, 0 {
		p := l[piece][i:]
		keys = append(keys, p[:min(len(p), limit-len(keys))]...)
	}
	return keys
}
