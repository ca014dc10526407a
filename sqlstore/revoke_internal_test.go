package sqlstore

// White box: a gap between two ranges would be a session that survives its revocation,
// and which keys are next to each other cannot be chosen from outside.

import (
	"bytes"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

func TestRangesLeaveOutTheExceptionsAndNothingElse(t *testing.T) {
	key := func(first, last byte) (k beaker.RecordKey) {
		k[0], k[31] = first, last
		return k
	}
	var top beaker.RecordKey
	for i := range top {
		top[i] = 0xff
	}
	carry := key(1, 0)
	points := []beaker.RecordKey{
		{}, key(0, 1), key(0, 2), key(0, 0xff), before(carry), carry, after(carry), key(1, 0xff), key(0x80, 0), key(0xff, 0), before(before(top)), before(top), top,
	}
	for _, except := range [][]beaker.RecordKey{
		nil,
		{{}},
		{top},
		{{}, top},
		{key(0, 1), key(0, 2)},
		{key(0, 2), key(0, 1), key(0, 2)},
		{carry},
		{before(carry), after(carry)},
		{before(carry), carry, after(carry)},
		{before(top), top},
		points,
	} {
		ranges := rangesWithout(except)
		for _, p := range points {
			in, out := 0, false
			for _, r := range ranges {
				if bytes.Compare(r.from[:], p[:]) <= 0 && bytes.Compare(p[:], r.to[:]) <= 0 {
					in++
				}
			}
			for _, e := range except {
				out = out || e == p
			}
			if in > 1 || (in == 1) == out {
				t.Errorf("except %x: key %x is in %d ranges, and an exception: %t", except, p, in, out)
			}
		}
		for _, r := range ranges {
			if bytes.Compare(r.from[:], r.to[:]) > 0 {
				t.Errorf("except %x: an empty range %x to %x", except, r.from, r.to)
			}
		}
	}
}
