package sqlstore

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed12c5fab1/beaker"
)

// keepMarks is how long it is remembered that a subject was revoked. It bounds how
// long a request may take to sign somebody in with what was valid when it began.
const keepMarks = 24 * time.Hour

// RevokeSubject implements [beaker.SubjectRevoker]. It takes two round trips, and one
// more for each session that stays. That a subject was revoked is remembered for 24
// hours, on the clock of those who call Purge.
//
// If it fails, the mark may have been made, and some of the sessions may have been
// ended. It may be repeated.
func (s *Store) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if subject == "" || !validSubject(subject) {
		// Anonymous sessions are nobody's, and a subject that is too long would be cut
		// to another one where the engine is not strict.
		return 0, beaker.ErrInvalidSubject
	}
	arg := s.subjectArg(subject)
	if _, err := s.exec(ctx, s.q.mark, arg, int64(at), int64(at)); err != nil {
		return 0, err
	}
	if len(except) == 0 {
		deleted, err := s.exec(ctx, s.q.deleteSubject, arg)
		return int(deleted), err
	}
	for _, r := range rangesWithout(except) {
		deleted, err := s.exec(ctx, s.q.deleteRange, arg, r.from[:], r.to[:])
		n += int(deleted)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// validSubject says what beaker says of subjects.
func validSubject(s string) bool {
	return len(s) <= 255 && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 })
}

// keyRange is all keys from one to another, both included.
type keyRange struct{ from, to beaker.RecordKey }

// rangesWithout returns the ranges between the keys that are left out, so that one
// statement of fixed text serves any number of them.
func rangesWithout(except []beaker.RecordKey) []keyRange {
	except = slices.Clone(except)
	slices.SortFunc(except, func(a, b beaker.RecordKey) int { return bytes.Compare(a[:], b[:]) })
	var last beaker.RecordKey
	for i := range last {
		last[i] = 0xff
	}
	var ranges []keyRange
	var from beaker.RecordKey
	for _, key := range slices.Compact(except) {
		if bytes.Compare(from[:], key[:]) < 0 {
			ranges = append(ranges, keyRange{from, before(key)})
		}
		if key == last {
			return ranges
		}
		from = after(key)
	}
	return append(ranges, keyRange{from, last})
}

// before and after take a key for a number.
func before(k beaker.RecordKey) beaker.RecordKey {
	for i := len(k) - 1; i >= 0; i-- {
		k[i]--
		if k[i] != 0xff {
			break
		}
	}
	return k
}

func after(k beaker.RecordKey) beaker.RecordKey {
	for i := len(k) - 1; i >= 0; i-- {
		k[i]++
		if k[i] != 0 {
			break
		}
	}
	return k
}
