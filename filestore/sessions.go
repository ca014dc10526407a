package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/seed12c5fab1/beaker"
)

var (
	errNilRecord = errors.New("filestore: create: nil record")
	errNilChange = errors.New("filestore: apply: nil change")
)

// Create stores a new record; see [beaker.Store]. If the disk is full or fails, the
// error says so, and nothing is stored unless it is [beaker.ErrUncertain].
func (s *Store) Create(ctx context.Context, rec *beaker.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if rec == nil {
		return errNilRecord
	}
	key := rec.Key()
	if err := s.lock(ctx, key[0]); err != nil {
		return err
	}
	defer s.unlock(key[0])

	taken, err := s.fs.exists(recordName(key))
	if err != nil {
		return failed("create session", err)
	}
	if taken {
		return beaker.ErrExists
	}
	if subject := rec.Subject(); subject != "" {
		if err := s.admit(subject, key, rec.AuthenticatedAt()); err != nil {
			return err
		}
	}
	return s.write("create session", rec)
}

// Load returns the record under key; see [beaker.Store]. It takes no lock. A file
// that is damaged, holds another record or is not a regular file is ErrCorrupt and
// left alone.
func (s *Store) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	return s.read(key)
}

// Apply merges a change into a record; see [beaker.Store]. After an error the old
// record stands, unless the error is [beaker.ErrUncertain].
func (s *Store) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if ch == nil {
		return 0, errNilChange
	}
	if err := s.lock(ctx, key[0]); err != nil {
		return 0, err
	}
	defer s.unlock(key[0])

	rec, err := s.read(key)
	if err != nil {
		return 0, err
	}
	next, err := beaker.Merge(rec, ch)
	if err != nil {
		return 0, err
	}
	if ch.Subject != nil && *ch.Subject != "" {
		err := s.admit(*ch.Subject, key, ch.Began)
		if errors.Is(err, beaker.ErrRevoked) {
			if err := s.end(key, rec.Subject()); err != nil {
				return 0, err
			}
		}
		if err != nil {
			return 0, err
		}
	}
	if next == rec {
		if ch.ChangesData() {
			// A rotation again. Whoever made it may have been killed before the folder
			// was synced, and we are about to acknowledge it.
			if err := s.syncDir(folderName(key[0])); err != nil {
				return 0, uncertain("sync folder", err)
			}
		}
		return rec.Version(), nil
	}
	if err := s.write("change session", next); err != nil {
		return 0, err
	}
	if old := rec.Subject(); old != "" && old != next.Subject() {
		s.dropMarker(subjectHash(old), key)
	}
	return next.Version(), nil
}

// Delete removes a record for good; see [beaker.Store]. It removes a damaged file
// too.
func (s *Store) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if err := s.lock(ctx, key[0]); err != nil {
		return err
	}
	defer s.unlock(key[0])
	var subject string
	if rec, err := s.read(key); err == nil {
		subject = rec.Subject()
	} // else there is none, or its index entry is left to Purge
	return s.end(key, subject)
}

// end removes a session's file, then its index entry. The stripe is locked.
func (s *Store) end(key beaker.RecordKey, subject string) error {
	if _, err := s.remove(key); err != nil {
		return err
	}
	// Also if there was no file: whoever removed it may have been killed before this.
	if err := s.syncDir(folderName(key[0])); err != nil {
		return uncertain("delete session: sync folder", err)
	}
	if subject != "" {
		s.dropMarker(subjectHash(subject), key)
	}
	return nil
}

// remove removes a session's file, which is not final before the folder is synced.
func (s *Store) remove(key beaker.RecordKey) (existed bool, err error) {
	err = s.fs.remove(recordName(key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, failed("delete session", err)
	}
	return true, nil
}

// buffers hold the bytes of records on their way; ParseRecord keeps none of them.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const maxPooled = 64 << 10

func putBuffer(p *[]byte, b []byte) {
	if cap(b) <= maxPooled {
		*p = b[:0]
		buffers.Put(p)
	}
}

func (s *Store) read(key beaker.RecordKey) (*beaker.Record, error) {
	p := buffers.Get().(*[]byte)
	b, err := s.fs.read(recordName(key), *p)
	if err != nil {
		buffers.Put(p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, beaker.ErrNotFound
		}
		return nil, failed("read session", err)
	}
	defer putBuffer(p, b)
	rec, err := beaker.ParseRecord(b)
	if err != nil {
		return nil, failed("read session", err)
	}
	if rec.Key() != key {
		return nil, failed("read session", fmt.Errorf("%w: the file holds another session", beaker.ErrCorrupt))
	}
	return rec, nil
}

// write makes rec the content of its file, on the disk, or leaves the file as it
// was. The stripe is locked.
//
// The order is the point: the bytes are on the disk before the name leads to them,
// and the name is before anybody is told.
func (s *Store) write(op string, rec *beaker.Record) error {
	p := buffers.Get().(*[]byte)
	b, err := rec.AppendBinary(*p)
	if err != nil {
		buffers.Put(p)
		return failed(op, err)
	}
	defer putBuffer(p, b)
	if len(b) > maxFile {
		return failed(op, fmt.Errorf("%w: %d bytes", beaker.ErrTooLarge, len(b)))
	}
	key := rec.Key()
	return s.replace(op, &s.folderSynced[key[0]], folderName(key[0]), recordName(key), b, fileTime(rec.Touched()))
}
