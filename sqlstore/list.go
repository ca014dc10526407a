package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"

	"github.com/seed12c5fab1/beaker"
)

const (
	defaultPage = 256
	maxPage     = 1000
)

var errCursor = errors.New("sqlstore: list: the cursor is not one that List returned")

// List implements [beaker.Lister]. A page takes one round trip and has at most 1,000
// records, and 256 where the limit is zero. Records are listed in the order of their
// keys. Rows that do not decode, and those of a newer format, are left out: they must
// not keep the others from being listed. Load reports them.
func (s *Store) List(ctx context.Context, q beaker.ListQuery) (page []*beaker.Record, next string, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.RUnlock()
	if !validSubject(q.Subject) {
		return nil, "", beaker.ErrInvalidSubject
	}
	after, err := parseCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)

	query, args := s.q.listAll, []any{after, int64(limit)}
	if q.Subject != "" {
		query, args = s.q.listSubject, []any{s.subjectArg(q.Subject), after, int64(limit)}
	}
	n := 0
	var last []byte
	err = s.read(ctx, query, func(rows *sql.Rows) error {
		var r row
		if err := r.scan(rows); err != nil {
			return err
		}
		n++
		last = r.hash
		if r.subject.String != q.Subject && q.Subject != "" {
			return errForeignRow
		}
		if rec, err := r.record(); err == nil {
			page = append(page, rec)
		}
		return nil
	}, args...)
	if err != nil {
		return nil, "", s.failed(ctx, query.op, err)
	}
	if n == limit {
		next = hex.EncodeToString(last)
	}
	return page, next, nil
}

// parseCursor returns the key after which the page begins.
func parseCursor(cursor string) ([]byte, error) {
	if cursor == "" {
		return make([]byte, len(beaker.RecordKey{})), nil // below every key
	}
	key, err := hex.DecodeString(cursor)
	if err != nil || len(key) != len(beaker.RecordKey{}) || hex.EncodeToString(key) != cursor {
		return nil, errCursor
	}
	return key, nil
}
