package memstore

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// keepMarks is how long it is remembered that a subject was revoked. It bounds how
// long a request may take to sign somebody in with what was valid when it began.
const keepMarks = 24 * time.Hour

// sweepPause is the least time between two walks over the marks of a shard.
const sweepPause = time.Hour

// subjectShard holds a part of the index of subjects: which sessions a subject has,
// and when it was last revoked. That one lock covers both makes signing in and
// revoking exclude each other: either the new session is in the list when the
// revocation reads it, or the sign-in finds the mark.
//
// Its lock is taken while that of a session's shard is held, never the other way
// round; no other lock is taken while it is held.
type subjectShard struct {
	mu       sync.Mutex
	sessions map[string]keyList // no empty lists
	marks    map[string]beaker.Millis
	sweepAt  beaker.Millis // no mark is too old before then
}

func (s *Store) subjectOf(subject string) *subjectShard {
	return &s.subjects[maphash.String(s.seed, subject)&uint64(len(s.subjects)-1)]
}

// revoked reports whether a sign-in that began at a time comes too late.
func (u *subjectShard) revoked(subject string, began beaker.Millis) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.revokedLocked(subject, began)
}

func (u *subjectShard) revokedLocked(subject string, began beaker.Millis) bool {
	at, ok := u.marks[subject]
	return ok && began <= at
}

// add lists a session under its subject, unless the subject was revoked at or after
// began; it reports whether it did. A session that is listed already stays so.
func (u *subjectShard) add(subject string, key *beaker.RecordKey, began beaker.Millis) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.revokedLocked(subject, began) {
		return false
	}
	if u.sessions == nil {
		u.sessions = make(map[string]keyList)
	}
	u.sessions[subject] = u.sessions[subject].with(*key)
	return true
}

// remove takes a session off the list of its subject.
func (u *subjectShard) remove(subject string, key *beaker.RecordKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if keys := u.sessions[subject].without(*key); len(keys) > 0 {
		u.sessions[subject] = keys
		return
	}
	delete(u.sessions, subject)
	if len(u.sessions) == 0 {
		u.sessions = nil // a map keeps the size that it once had
	}
}

// count returns how many sessions a subject has.
func (u *subjectShard) count(subject string) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, keys := range u.sessions[subject] {
		n += len(keys)
	}
	return n
}

// page returns up to limit sessions of a subject, in order, that come after a key.
func (u *subjectShard) page(subject string, after beaker.RecordKey, limit int) []beaker.RecordKey {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sessions[subject].after(after, limit)
}

// mark notes that the subject was revoked and returns its sessions.
func (u *subjectShard) mark(subject string, at beaker.Millis) []beaker.RecordKey {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.marks == nil {
		u.marks = make(map[string]beaker.Millis)
		u.sweepAt = never
	}
	if old, ok := u.marks[subject]; !ok || old < at {
		u.marks[subject] = at
	}
	u.sweepAt = min(u.sweepAt, markEnd(at))
	return slices.Concat(u.sessions[subject]...)
}

// markEnd returns when a mark may be dropped. Who says "revoked for ever" by the
// largest time there is gets that, and not an overflow.
func markEnd(at beaker.Millis) beaker.Millis {
	if end := at.Add(keepMarks); end > at {
		return end
	}
	return never
}

// sweep drops the marks that are too old. It walks over all marks of the shard, so
// it is done seldom.
func (u *subjectShard) sweep(now beaker.Millis) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.marks == nil || now < u.sweepAt {
		return
	}
	next := beaker.Millis(never)
	for subject, at := range u.marks {
		if end := markEnd(at); end <= now {
			delete(u.marks, subject)
		} else {
			next = min(next, end)
		}
	}
	if len(u.marks) == 0 {
		u.marks = nil
	}
	u.sweepAt = max(next, now.Add(sweepPause))
}

func (u *subjectShard) clear() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sessions, u.marks = nil, nil
}
