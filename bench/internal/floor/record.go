package floor

import (
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// A record is the session as bytes, for all floors but those that keep values: for each
// key the length of the name, the name, the length of the value, the value. One value
// is found by skipping over the others. Integers are decimal.

type pair struct{ name, value string }

func encode(pairs []pair) string {
	n := 0
	for _, p := range pairs {
		n += len(p.name) + len(p.value) + 4
	}
	b := make([]byte, 0, n)
	for _, p := range pairs {
		b = append(binary.AppendUvarint(b, uint64(len(p.name))), p.name...)
		b = append(binary.AppendUvarint(b, uint64(len(p.value))), p.value...)
	}
	return string(b)
}

var errRecord = errors.New("a record does not decode")

// field finds a value and where it lies.
func field[T string | []byte](rec T, name string) (from, to int, err error) {
	for at := 0; at < len(rec); {
		k, kend := cut(rec, at)
		v, vend := cut(rec, kend)
		if kend < 0 || vend < 0 {
			return 0, 0, errRecord
		}
		if string(rec[k:kend]) == name {
			return v, vend, nil
		}
		at = vend
	}
	return 0, 0, errNoSession
}

// cut returns where the string at a position begins and ends; -1 if it does not.
func cut[T string | []byte](rec T, at int) (from, to int) {
	n, shift := 0, 0
	for at >= 0 && at < len(rec) && shift < 28 {
		b := rec[at]
		at++
		n |= int(b&0x7f) << shift
		shift += 7
		if b < 0x80 {
			if at+n > len(rec) {
				return -1, -1
			}
			return at, at + n
		}
	}
	return -1, -1
}

// with returns the record with another value for a name that is there.
func with[T string | []byte](rec T, name, value string) (string, error) {
	from, to, err := field(rec, name)
	if err != nil {
		return "", err
	}
	// The length before the value is one or two bytes; find where it begins.
	head := from - len(binary.AppendUvarint(nil, uint64(to-from)))
	b := make([]byte, 0, len(rec)+len(value)+4)
	b = append(b, rec[:head]...)
	b = append(binary.AppendUvarint(b, uint64(len(value))), value...)
	b = append(b, rec[to:]...)
	return string(b), nil
}

// incremented returns the record with KeyN one higher.
func incremented[T string | []byte](rec T) (string, error) {
	from, to, err := field(rec, contest.KeyN)
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(string(rec[from:to]))
	if err != nil {
		return "", errRecord
	}
	return with(rec, contest.KeyN, strconv.Itoa(n+1))
}

// signedIn returns the record with KeyUID before what it holds.
func signedIn(rec string) string {
	return encode([]pair{{contest.KeyUID, contest.UID}}) + rec
}

// pairs are what a session holds: signed in, large, or neither.
func pairs(signedIn, large bool) []pair {
	var all []pair
	if signedIn {
		all = append(all, pair{contest.KeyUID, contest.UID})
	}
	all = append(all, pair{contest.KeyN, strconv.Itoa(contest.First)}, pair{contest.KeyData, contest.Data})
	if large {
		for _, k := range contest.More {
			all = append(all, pair{k, contest.MoreValue})
		}
	}
	return all
}
