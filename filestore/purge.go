package filestore

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/seed12c5fab1/beaker"
)

const (
	// maxHeld is how many records are removed before waiting writers get a turn.
	maxHeld = 64
	// minIndexWork is how many index entries a Purge looks at even with a small limit.
	minIndexWork = 256
	// markLife is how long a revocation is remembered: no request that began before
	// it is still signing in then.
	markLife = 24 * time.Hour
)

// sweepPosition is where the next Purge goes on.
type sweepPosition struct {
	folder byte   // of sessions
	shard  byte   // of the index
	after  string // the last name in that shard that was looked at
}

// Purge removes expired records; see [beaker.Purger]. It also removes what crashed
// processes left behind, and, some at each call, index entries whose session is
// gone and revocations that are a day old.
//
// A call that removes limit records stops there, and the next goes on behind it; so
// all of them together read each record about once. The last one, which finds fewer,
// has read every record. Damaged records and those of a newer format stay.
//
// Where there are so many sessions that a call does not read all of them before its
// deadline, it says how many it has removed, which is no error as long as it got on, and
// the next goes on from there.
func (s *Store) Purge(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if limit <= 0 {
		return 0, nil
	}
	s.purgeMu.Lock()
	at := s.sweep
	s.purgeMu.Unlock()
	defer func() {
		s.purgeMu.Lock()
		s.sweep = at
		s.purgeMu.Unlock()
	}()

	// The index first: it takes little, and what comes after it may take all the time.
	if err := s.sweepIndex(ctx, &at, now, max(limit, minIndexWork)); err != nil {
		return 0, err
	}
	for folders := range len(s.stripes) {
		removed, err := s.purgeFolder(ctx, at.folder, now, limit-n)
		n += removed
		if folders > 0 && errors.Is(err, context.DeadlineExceeded) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if n >= limit {
			break // the folder may hold more: the next call begins with it
		}
		at.folder++ // from ff to 00
	}
	return n, nil
}

func (s *Store) purgeFolder(ctx context.Context, i byte, now beaker.Millis, limit int) (n int, err error) {
	keys, temps, err := s.keysIn(i, "")
	if err != nil {
		return 0, failed("purge", err)
	}
	var expired []beaker.RecordKey
	for _, key := range keys {
		if err := s.interrupted(ctx); err != nil {
			return 0, err
		}
		if rec, err := s.read(key); err != nil && !unreadable(err) {
			return 0, err
		} else if err == nil && rec.Expired(now) {
			if expired = append(expired, key); len(expired) == limit {
				break
			}
		}
	}
	if err := s.removeTemps(ctx, i, folderName(i), temps); err != nil {
		return 0, err
	}
	for len(expired) > 0 && err == nil {
		batch := expired[:min(maxHeld, len(expired))]
		expired = expired[len(batch):]
		var removed int
		removed, err = s.removeExpired(ctx, i, batch, now)
		n += removed
	}
	return n, err
}

// removeExpired reads each record again, now that nobody can change it: it may have
// been used meanwhile.
func (s *Store) removeExpired(ctx context.Context, i byte, keys []beaker.RecordKey, now beaker.Millis) (n int, err error) {
	if err := s.lock(ctx, i); err != nil {
		return 0, err
	}
	defer s.unlock(i)
	var gone []*beaker.Record
	for _, key := range keys {
		rec, rerr := s.read(key)
		if rerr != nil || !rec.Expired(now) {
			continue // what cannot be read is for others to report
		}
		existed, rerr := s.remove(key)
		if rerr != nil {
			err = rerr
			break
		}
		if existed {
			gone = append(gone, rec)
		}
	}
	if len(gone) == 0 {
		return 0, err
	}
	// Once for all of them, before the index forgets them.
	if serr := s.syncDir(folderName(i)); serr != nil {
		return len(gone), errors.Join(err, uncertain("purge: sync folder", serr))
	}
	for _, rec := range gone {
		if subject := rec.Subject(); subject != "" {
			s.dropMarker(subjectHash(subject), rec.Key())
		}
	}
	return len(gone), err
}

func unreadable(err error) bool {
	return errors.Is(err, beaker.ErrNotFound) || errors.Is(err, beaker.ErrCorrupt) || errors.Is(err, beaker.ErrNewerFormat)
}

// removeTemps removes what writers left behind that were killed. A writer's file has
// a temporary name only while it holds the stripe, so whatever is seen by the holder
// is nobody's: no guessing by age, no asking which process lives.
func (s *Store) removeTemps(ctx context.Context, stripe byte, dir string, temps []string) error {
	if len(temps) == 0 {
		return nil
	}
	if err := s.lock(ctx, stripe); err != nil {
		return err
	}
	defer s.unlock(stripe)
	for _, name := range temps {
		if err := s.fs.remove(dir + "/" + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("purge: remove temporary file", err)
		}
	}
	return nil
}

// sweepIndex looks at some entries of the index, at most once at each.
func (s *Store) sweepIndex(ctx context.Context, at *sweepPosition, now beaker.Millis, budget int) error {
	for range len(s.stripes) + 1 { // one more, for the first half of the shard where it began
		dir := shardName(at.shard)
		names, err := s.fs.names(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("purge: read index", err)
		}
		var temps []string
		for _, name := range names {
			if name <= at.after {
				continue
			}
			if err := s.interrupted(ctx); err != nil {
				return err
			}
			if budget == 0 {
				return s.removeTemps(ctx, at.shard, dir, temps)
			}
			budget--
			at.after = name
			if isTemp(name) {
				temps = append(temps, name)
			} else if err := s.sweepEntry(ctx, name, now); err != nil {
				return err
			}
		}
		if err := s.removeTemps(ctx, at.shard, dir, temps); err != nil {
			return err
		}
		at.shard++
		at.after = ""
	}
	return nil
}

func (s *Store) sweepEntry(ctx context.Context, name string, now beaker.Millis) error {
	if hash, ok := parseMark(name); ok {
		return s.dropOldMark(ctx, hash, now)
	}
	hash, key, ok := parseMarker(name)
	if !ok {
		return nil
	}
	if alive, err := s.fs.exists(recordName(key)); err != nil || alive {
		return err
	}
	// A sign-in makes the entry before the session, and holds the stripe until both
	// are there.
	if err := s.lock(ctx, key[0]); err != nil {
		return err
	}
	defer s.unlock(key[0])
	if alive, err := s.fs.exists(recordName(key)); err != nil || alive {
		return err
	}
	s.dropMarker(hash, key)
	return nil
}

func (s *Store) dropOldMark(ctx context.Context, hash string, now beaker.Millis) error {
	old := func() bool {
		at, marked, err := s.readMark(hash)
		return err == nil && marked && now > at.Add(markLife) // a damaged one stays: see readMark
	}
	if !old() {
		return nil
	}
	shard := firstByte(hash)
	if err := s.lock(ctx, shard); err != nil {
		return err
	}
	defer s.unlock(shard)
	if !old() { // revoked again, between the two
		return nil
	}
	if err := s.fs.remove(markName(hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("purge: remove revocation mark", err)
	}
	return nil
}
