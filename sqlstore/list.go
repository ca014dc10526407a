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

var (
	errHash   = errors.New("a key of another length")
	errCursor = errors.New("sqlstore: list: the cursor is not one that List returned")
)

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
	var last beaker.RecordKey
	var hash sql.RawBytes
	var r row
	n, err := s.read(ctx, query, func(i int, rows *sql.Rows) error {
		if i == 0 {
			page = page[:0]
		}
		if err := rows.Scan(&hash, &r.accessed, &r.data); err != nil {
			return err
		}
		if copy(last[:], hash) != len(last) || len(hash) != len(last) {
			return errHash
		}
		rec, err := r.record()
		if err != nil {
			return nil //nolint:nilerr // such a row is left out
		}
		if rec.Key() != last || q.Subject != "" && rec.Subject() != q.Subject {
			return errForeignRow
		}
		page = append(page, rec)
		return nil
	}, args...)
	if err != nil {
		return nil, "", s.failed(ctx, query.op, err)
	}
	if n == 0 {
		page = nil // it may hold what an earlier try found
	}
	if n == limit {
		next = last.String()
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
