package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/seed12c5fab1/beaker"
)

// The index says which sessions a subject may have. The record is the authority: an
// entry whose session is gone, or is another subject's, means nothing and may be
// removed by whoever holds the session's stripe. What must never be is a session
// without its entry, which a revocation would not find. Hence the order, all of it
// under the session's stripe:
//
//	sign-in:  entry on the disk, read the mark, session on the disk
//	the end:  session gone from the disk, remove the entry
//
// A revocation takes no stripe for the whole of it:
//
//	mark on the disk, list the entries, for each: lock its stripe, delete the session
//
// So no sign-in that began before the revocation outlives it. Either it reads the
// mark and is refused. Or it read before the mark was there: then its entry was made
// before the list began, the list has it, and the revocation waits at the stripe
// until the sign-in is over, and finds the session. The mark is read before the
// session is written, not after, because so a crash between the two leaves nothing
// behind; that is as good as after it, because the stripe is held over both.

// admit makes the index entry for a session that is about to be the subject's, and
// returns ErrRevoked, with the entry removed, if the sign-in is older than the
// subject's revocation. The session's stripe is locked.
func (s *Store) admit(subject string, key beaker.RecordKey, began beaker.Millis) error {
	hash := subjectHash(subject)
	if err := s.putMarker(hash, key); err != nil {
		return failed("index session", err)
	}
	at, marked, err := s.readMark(hash)
	if err != nil {
		return failed("read revocation mark", err)
	}
	if marked && began <= at {
		s.dropMarker(hash, key)
		return beaker.ErrRevoked
	}
	return nil
}

func (s *Store) putMarker(hash string, key beaker.RecordKey) error {
	shard, name := firstByte(hash), markerName(hash, key)
	f, err := s.inDir(&s.shardSynced[shard], shardName(shard), func() (file, error) {
		f, err := s.fs.create(name)
		if errors.Is(err, fs.ErrExist) {
			return nil, nil // the same subject signs in again
		}
		return f, err
	})
	if err != nil {
		return err
	}
	if f != nil {
		// The time first and the sync after it: a clean-up by age must not find the
		// entry while the session lives, not even after a power failure.
		err := s.fs.setTime(name, farFuture)
		if err == nil && !s.noSync {
			err = f.Sync()
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err // the entry alone does no harm
		}
	}
	// Also if it was there: whoever made it may have been killed before this.
	return s.syncDir(shardName(shard))
}

// dropMarker removes an index entry whose session is gone. An entry that stays does
// no harm and is removed by a later Purge, so its error is nobody's concern.
func (s *Store) dropMarker(hash string, key beaker.RecordKey) {
	_ = s.fs.remove(markerName(hash, key))
}

// readMark returns when the subject was last revoked.
func (s *Store) readMark(hash string) (at beaker.Millis, marked bool, err error) {
	name := markName(hash)
	b, err := s.fs.read(name, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if at, ok := parseMarkTime(b); ok {
		return at, true, nil
	}
	// Not to be taken for "never revoked".
	return 0, false, fmt.Errorf("damaged revocation mark %s: revoke the subject's sessions again, or remove the file", name)
}

// formatMarkTime is what a mark holds.
func formatMarkTime(at beaker.Millis) []byte {
	return append(strconv.AppendInt(nil, int64(at), 10), '\n')
}

// parseMarkTime reads what formatMarkTime wrote and refuses everything else: a time that
// a damage has moved into the past would let a session live that was revoked.
func parseMarkTime(b []byte) (at beaker.Millis, ok bool) {
	n, err := strconv.ParseInt(strings.TrimSuffix(string(b), "\n"), 10, 64)
	return beaker.Millis(n), err == nil && n >= 0 && string(formatMarkTime(beaker.Millis(n))) == string(b)
}

// writeMark notes that the subject was revoked, on the disk when it returns. Those
// who write and remove marks of one shard take turns at the stripe of its number.
func (s *Store) writeMark(ctx context.Context, hash string, at beaker.Millis) error {
	shard := firstByte(hash)
	if err := s.lock(ctx, shard); err != nil {
		return err
	}
	defer s.unlock(shard)
	// A damaged mark is replaced. An earlier revocation stays where it is later.
	if old, marked, err := s.readMark(hash); err == nil && marked {
		at = max(at, old)
	}
	return s.replace("revoke subject", &s.shardSynced[shard], shardName(shard), markName(hash), formatMarkTime(at), farFuture)
}

// RevokeSubject ends all sessions of a subject; see [beaker.SubjectRevoker]. Also
// those are ended whose files are damaged or of a newer format, because nobody can
// say that they are not the subject's.
//
// After an error some sessions may be left. The mark stands unless the error is that
// it could not be written, and the call may be repeated. An empty subject is
// [beaker.ErrInvalidSubject]: anonymous sessions have no common owner.
func (s *Store) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if subject == "" {
		return 0, fmt.Errorf("filestore: revoke subject: empty: %w", beaker.ErrInvalidSubject)
	}
	hash := subjectHash(subject)
	if err := s.writeMark(ctx, hash, at); err != nil {
		return 0, err
	}
	keys, err := s.marked(hash, "")
	if err != nil {
		return 0, failed("revoke subject", err)
	}
	var (
		n    int
		errs []error
	)
	for _, key := range keys {
		if slices.Contains(except, key) {
			continue
		}
		if err := s.interrupted(ctx); err != nil {
			errs = append(errs, err)
			break
		}
		ended, err := s.endFor(ctx, subject, hash, key)
		if ended {
			n++
		}
		if err != nil {
			errs = append(errs, err) // as many as possible are ended all the same
		}
	}
	return n, errors.Join(errs...)
}

func (s *Store) endFor(ctx context.Context, subject, hash string, key beaker.RecordKey) (ended bool, err error) {
	if err := s.lock(ctx, key[0]); err != nil {
		return false, err
	}
	defer s.unlock(key[0])
	rec, err := s.read(key)
	switch {
	case err == nil && rec.Subject() != subject:
		s.dropMarker(hash, key)
		return false, nil
	case errors.Is(err, beaker.ErrNotFound): // maybe not on the disk yet
	case err != nil && !errors.Is(err, beaker.ErrCorrupt) && !errors.Is(err, beaker.ErrNewerFormat):
		return false, err
	}
	existed := !errors.Is(err, beaker.ErrNotFound)
	if err := s.end(key, subject); err != nil {
		return false, err
	}
	return existed, nil
}

// marked returns the sessions after the cursor that the index has for a subject, in
// ascending order.
func (s *Store) marked(hash, cursor string) ([]beaker.RecordKey, error) {
	names, err := s.fs.names(shardName(firstByte(hash)))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	from, found := slices.BinarySearch(names, hash+"."+cursor)
	if found {
		from++
	}
	var keys []beaker.RecordKey
	for _, name := range names[from:] {
		if !strings.HasPrefix(name, hash) {
			break
		}
		if _, key, ok := parseMarker(name); ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
