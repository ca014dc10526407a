package memstore

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/seed12c5fab1/beaker"
)

const (
	// crowd is how many sessions a subject may have without losing any: more than
	// anybody has devices. Revocations, which package beaker keeps as sessions of a
	// subject each, are never of a crowd.
	crowd = 16

	// samples is how many sessions are looked at to find a crowd. Of a crowd that has a
	// tenth of all sessions one is among them with a probability of 96 %, and of one that
	// keeps everybody else out, with certainty. To know the largest crowd would take an
	// order of subjects by size, kept up to date by each sign-in; it is needed when the
	// store is full of sessions that nobody may lose, and then only.
	samples = 32

	// looked is how many sessions of the crowd are compared.
	looked = 64
)

// evictFromCrowd removes the session that expires soonest, of those that it looks at, of
// a subject that has too many, and reports whether there was one.
func (s *Store) evictFromCrowd(keep *beaker.RecordKey) bool {
	var random [samples * 8]byte
	_, _ = rand.Read(random[:]) // it never fails
	for i := range samples {
		subject := s.someSubject(binary.LittleEndian.Uint64(random[8*i:]))
		if subject == "" || s.subjectOf(subject).count(subject) <= crowd {
			continue
		}
		if s.evictOneOf(subject, keep) {
			s.evicted.Add(1)
			return true
		}
	}
	return false
}

// someSubject returns the subject of a session with one, chosen by a random number, from
// the shard that the number names or the next one that has any.
func (s *Store) someSubject(random uint64) string {
	for i := range s.shards {
		sh := &s.shards[(uint64(i)+random)%uint64(len(s.shards))]
		sh.mu.RLock()
		h := sh.heaps[signedIn]
		var subject string
		if len(h) > 0 {
			subject = h[(random>>32)%uint64(len(h))].Subject()
		}
		sh.mu.RUnlock()
		if subject != "" {
			return subject
		}
	}
	return ""
}

func (s *Store) evictOneOf(subject string, keep *beaker.RecordKey) bool {
	var victim *beaker.Record
	for _, key := range s.subjectOf(subject).page(subject, beaker.RecordKey{}, looked) {
		if keep != nil && key == *keep {
			continue
		}
		hash := s.hash(&key)
		sh := &s.shards[s.shardOf(hash)]
		sh.mu.RLock()
		_, rec := sh.lookup(hash, &key)
		sh.mu.RUnlock()
		if rec != nil && (victim == nil || rec.Expires() < victim.Expires()) {
			victim = rec
		}
	}
	if victim == nil {
		return false
	}
	key := victim.Key()
	hash := s.hash(&key)
	sh := &s.shards[s.shardOf(hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	at, rec := sh.lookup(hash, &key)
	if rec == nil || rec.Subject() != subject {
		return false // it has gone meanwhile, or is another's
	}
	s.removeAt(sh, at)
	return true
}
