package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/seed12c5fab1/beaker"
)

const defaultPage = 256

// List returns a page of records in the order of their keys; see [beaker.Lister]. The
// cursor is the last key. It takes no lock and writes nothing.
//
// Records that this release cannot read are left out: there is nothing to show, and
// one of them must not hide the others. Load names the reason.
func (s *Store) List(ctx context.Context, q beaker.ListQuery) (page []*beaker.Record, next string, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.RUnlock()
	if _, ok := parseKey(q.Cursor); q.Cursor != "" && !ok {
		return nil, "", fmt.Errorf("filestore: list: invalid cursor %q: pass the one that List returned", q.Cursor)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	if q.Subject != "" {
		keys, err := s.marked(subjectHash(q.Subject), q.Cursor)
		if err != nil {
			return nil, "", failed("list", err)
		}
		return s.appendPage(ctx, nil, keys, limit, func(r *beaker.Record) bool { return r.Subject() == q.Subject })
	}
	first := 0
	if q.Cursor != "" {
		first = int(firstByte(q.Cursor))
	}
	for i := first; i < len(s.stripes); i++ {
		keys, _, err := s.keysIn(byte(i), q.Cursor)
		if err != nil {
			return nil, "", failed("list", err)
		}
		page, next, err = s.appendPage(ctx, page, keys, limit, func(*beaker.Record) bool { return true })
		if err != nil || next != "" {
			return page, next, err
		}
	}
	return page, "", nil
}

// appendPage loads records until the page is full; then next is not empty.
func (s *Store) appendPage(ctx context.Context, page []*beaker.Record, keys []beaker.RecordKey, limit int, want func(*beaker.Record) bool) (_ []*beaker.Record, next string, _ error) {
	for _, key := range keys {
		if err := s.interrupted(ctx); err != nil {
			return nil, "", err
		}
		rec, err := s.read(key)
		switch {
		case errors.Is(err, beaker.ErrNotFound), errors.Is(err, beaker.ErrCorrupt), errors.Is(err, beaker.ErrNewerFormat):
			continue
		case err != nil:
			return nil, "", err
		case !want(rec):
			continue
		}
		page = append(page, rec)
		if len(page) >= limit {
			return page, key.String(), nil
		}
	}
	return page, "", nil
}

// keysIn returns the sessions in a folder after the cursor, in ascending order, and
// the temporary files that lie there.
func (s *Store) keysIn(i byte, cursor string) (keys []beaker.RecordKey, temps []string, err error) {
	names, err := s.fs.names(folderName(i))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	for _, name := range names {
		if key, ok := parseKey(name); ok && key[0] == i && name > cursor {
			keys = append(keys, key)
		} else if isTemp(name) {
			temps = append(temps, name)
		}
	}
	return keys, temps, nil
}
