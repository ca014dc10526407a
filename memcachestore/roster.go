package memcachestore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// roster is the item that says which sessions are a subject's, and since when sign-ins
// are refused. There may be none: nobody has signed in as the subject, or memcached has
// forgotten it, and with it all that it named.
//
//	1 byte    format
//	32 bytes  SHA-256 of the subject, so that no mix-up of answers goes unnoticed
//	8 bytes   when the subject was last revoked; -1: never
//	8 bytes   from when on it knows that: when it was made
//	8 bytes   the mark of whoever wrote it
//	40 bytes  for each session, its key and its absolute deadline
//
// Times are milliseconds since 1970. Sessions stand in the order of their sign-ins.
// Those that have ended, or have left the subject in a hurry, may still be named.
type roster struct {
	raw []byte // nil: there is none
	cas uint64 // of what raw replaces; 0: nothing is there
}

const (
	rosterFormat = 1

	atSubject = 1
	atRevoked = atSubject + sha256.Size
	atSince   = atRevoked + 8
	atMark    = atSince + 8
	atEntries = atMark + markBytes

	keyBytes   = len(beaker.RecordKey{})
	entryBytes = keyBytes + 8
)

const (
	// maxSessions is how many sessions of a subject are kept track of. With one more, the
	// session that would end first is over: each Load reads the whole roster.
	maxSessions = 1000
	// lookBatch is how many of these are looked for before one is over: Delete leaves the
	// names of those that it has ended.
	lookBatch = 50
	// keepMark is how long it is remembered that a subject was revoked.
	keepMark = 24 * time.Hour
	// keepEntry is how long after its deadline a session stays: the clock of whoever
	// signs in may be ahead of the others', and must not end their sessions.
	keepEntry = time.Hour
	// longestSignIn is how long a sign-in may take that relies on memcached not having
	// forgotten a revocation since it began. It is what is called in flight elsewhere.
	longestSignIn = time.Minute
)

func (r roster) there() bool { return r.raw != nil }

func (r roster) revoked() beaker.Millis { return r.time(atRevoked) }
func (r roster) since() beaker.Millis   { return r.time(atSince) }

func (r roster) time(at int) beaker.Millis {
	return beaker.Millis(binary.BigEndian.Uint64(r.raw[at:]))
}

func setRevoked(b []byte, at beaker.Millis) {
	binary.BigEndian.PutUint64(b[atRevoked:], uint64(at))
}

func (r roster) mark() mark { return mark(r.raw[atMark:]) }

// entries returns the sessions; each is entryBytes long.
func (r roster) entries() []byte {
	if !r.there() {
		return nil
	}
	return r.raw[atEntries:]
}

func (r roster) has(key beaker.RecordKey) bool { return r.entry(key) != nil }

// entry returns a session's entry, or nil.
func (r roster) entry(key beaker.RecordKey) []byte {
	for e := r.entries(); len(e) > 0; e = e[entryBytes:] {
		if [keyBytes]byte(e) == key {
			return e[:entryBytes]
		}
	}
	return nil
}

func deadlineOf(entry []byte) beaker.Millis {
	return beaker.Millis(binary.BigEndian.Uint64(entry[keyBytes:]))
}

// refuses reports whether a sign-in that began at a time comes too late: because the
// subject was revoked since, or because nobody can tell and it took suspiciously long.
// Otherwise, who knows an old password could begin to sign in, wait until the revocation
// is forgotten, and go on.
func (r roster) refuses(began, now beaker.Millis) bool {
	if r.there() && began <= r.revoked() {
		return true
	}
	return (!r.there() || began < r.since()) && now > began.Add(longestSignIn)
}

// next returns what a roster of the subject begins with after a change: as it was, or as
// if it was made now.
func (r roster) next(subject string, now beaker.Millis, extra int) []byte {
	b := make([]byte, 0, atEntries+len(r.entries())+extra)
	if r.there() {
		b = append(b, r.raw[:atMark]...)
	} else {
		hash := sha256.Sum256([]byte(subject))
		b = append(append(b, rosterFormat), hash[:]...)
		b = binary.BigEndian.AppendUint64(b, never)
		b = binary.BigEndian.AppendUint64(b, uint64(now))
	}
	m := newMark()
	return append(b, m[:]...)
}

// never is a time before all others, -1.
const never = math.MaxUint64

// with returns the roster with one session more, or with another deadline of it.
func (r roster) with(subject string, key beaker.RecordKey, deadline, now beaker.Millis, most int) []byte {
	b := r.next(subject, now, entryBytes)
	for e := r.entries(); len(e) > 0; e = e[entryBytes:] {
		if [keyBytes]byte(e) != key && now < deadlineOf(e).Add(keepEntry) {
			b = append(b, e[:entryBytes]...)
		}
	}
	for (len(b)-atEntries)/entryBytes >= max(most, 1) {
		b = withoutFirstToEnd(b)
	}
	b = append(b, key[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(deadline))
}

// crowded reports whether there is no room for one session more.
func (r roster) crowded(key beaker.RecordKey, now beaker.Millis, most int) bool {
	n := 0
	for e := r.entries(); len(e) > 0; e = e[entryBytes:] {
		if [keyBytes]byte(e) != key && now < deadlineOf(e).Add(keepEntry) {
			n++
		}
	}
	return n >= max(most, 1)
}

// firstToEnd returns those n sessions that would end first.
func (r roster) firstToEnd(n int) []beaker.RecordKey {
	all := slices.Collect(slices.Chunk(r.entries(), entryBytes))
	slices.SortStableFunc(all, func(a, b []byte) int { return cmp.Compare(deadlineOf(a), deadlineOf(b)) })
	keys := make([]beaker.RecordKey, min(n, len(all)))
	for i := range keys {
		keys[i] = beaker.RecordKey(all[i][:keyBytes])
	}
	return keys
}

func withoutFirstToEnd(b []byte) []byte {
	first := atEntries
	for i := first; i < len(b); i += entryBytes {
		if deadlineOf(b[i:]) < deadlineOf(b[first:]) {
			first = i
		}
	}
	return append(b[:first], b[first+entryBytes:]...)
}

// without returns the roster without those sessions that drop names.
func (r roster) without(subject string, now beaker.Millis, drop func(beaker.RecordKey) bool) []byte {
	b := r.next(subject, now, 0)
	for e := r.entries(); len(e) > 0; e = e[entryBytes:] {
		if !drop(beaker.RecordKey(e[:keyBytes])) {
			b = append(b, e[:entryBytes]...)
		}
	}
	return b
}

// needed returns until when a roster must be kept.
func (r roster) needed(now beaker.Millis) beaker.Millis {
	end := max(now, r.revoked()).Add(keepMark)
	for e := r.entries(); len(e) > 0; e = e[entryBytes:] {
		end = max(end, deadlineOf(e))
	}
	return end
}

// roster reads a subject's roster. That there is none is no error.
func (s *Store) roster(ctx context.Context, op, subject string) (roster, error) {
	hash := sha256.Sum256([]byte(subject))
	it, err := s.get(ctx, op, s.itemKey('u', hash))
	switch {
	case errors.Is(err, beaker.ErrNotFound):
		return roster{}, nil
	case err != nil:
		return roster{}, err
	}
	b := it.Value
	switch {
	case len(b) > 0 && b[0] > rosterFormat && len(b) > atRevoked && bytes.Equal(b[atSubject:atRevoked], hash[:]):
		return roster{}, fmt.Errorf("%w: a roster of format %d, this release reads up to %d", beaker.ErrNewerFormat, b[0], rosterFormat)
	case len(b) < atEntries || (len(b)-atEntries)%entryBytes != 0 || b[0] != rosterFormat || !bytes.Equal(b[atSubject:atRevoked], hash[:]):
		return roster{cas: it.CasID}, fmt.Errorf("%w: the roster of a subject", beaker.ErrCorrupt)
	}
	return roster{b, it.CasID}, nil
}

// rosterToChange is roster for those who will write it: one that does not decode names
// nobody, and must not keep the subject from signing in.
func (s *Store) rosterToChange(ctx context.Context, op, subject string) (roster, error) {
	r, err := s.roster(ctx, op, subject)
	if errors.Is(err, beaker.ErrCorrupt) {
		return r, nil
	}
	return r, err
}

// changeRoster changes a roster in one atomic step. It begins with r, which was read
// before. Edit returns what is to be written in place of the roster that it is given, or
// nil; it may be asked again, and what it does must be as good done twice as once.
func (s *Store) changeRoster(ctx context.Context, op, subject string, r roster, now beaker.Millis, edit func(roster) ([]byte, error)) error {
	hash := sha256.Sum256([]byte(subject))
	name := s.itemKey('u', hash)
	for doubts := 0; ; {
		b, err := edit(r)
		if err != nil || b == nil {
			return err
		}
		it := &memcache.Item{Key: name, Value: b, CasID: r.cas, Expiration: expiration(roster{raw: b}.needed(now), now)}
		put := s.client.CompareAndSwap
		if r.cas == 0 {
			put = s.client.Add
		}
		err = s.write(ctx, func() error { return put(it) })
		switch {
		case err == nil:
			return nil
		case errors.Is(err, memcache.ErrCASConflict), errors.Is(err, memcache.ErrNotStored), errors.Is(err, memcache.ErrCacheMiss):
			// It is another one by now, or there is none.
		case judge(err) != unknown && doubts == 0:
			return s.failedWrite(ctx, op, it, err)
		default:
			if doubts++; doubts > maxDoubts {
				return s.uncertain(ctx, op, err)
			}
		}
		var rerr error
		if r, rerr = s.rosterToChange(ctx, op, subject); rerr != nil {
			if doubts > 0 {
				return s.uncertain(ctx, op, rerr)
			}
			return rerr
		}
		if r.there() && r.mark() == (roster{raw: b}).mark() {
			return nil // it was made, and its answer was lost
		}
	}
}

// maxDoubts is how often a change is made again whose outcome is not known.
const maxDoubts = 3
