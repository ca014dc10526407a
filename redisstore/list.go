package redisstore

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

const (
	defaultPage = 256
	maxPage     = 1000
)

// leastScan is how many keys SCAN goes through for the smallest of pages: a trip for each
// would take all day where sessions are few among many other keys.
const leastScan = 16

var errCursor = errors.New("redisstore: list: the cursor is not one that List returned")

// List implements [beaker.Lister]. A page has at most 1,000 records, and 256 where the
// limit is zero. Hashes that do not decode, and those of a newer format, are left out:
// they must not keep the others from being listed. Load reports them.
//
// A subject's sessions are found by its index: a page takes two round trips, and one
// more if there are entries of sessions that have expired, which it removes. All
// sessions are found with SCAN: that goes through all keys that the server has, and many
// pages of it may be empty where it has many others. In a cluster, sessions of slots
// that move meanwhile may be left out.
func (s *Store) List(ctx context.Context, q beaker.ListQuery) (page []*beaker.Record, next string, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.RUnlock()
	if !validSubject(q.Subject) {
		return nil, "", beaker.ErrInvalidSubject
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	if q.Subject != "" {
		return s.listSubject(ctx, q.Subject, q.Cursor, limit)
	}
	return s.listAll(ctx, q.Cursor, limit)
}

// listSubject lists in the order of keys. A page reads all of the index, which is right
// for what a subject has, and has no place in it that could be lost.
func (s *Store) listSubject(ctx context.Context, subject, cursor string, limit int) (page []*beaker.Record, next string, err error) {
	var after beaker.RecordKey
	if cursor != "" {
		if len(cursor) != keyDigits || strings.ContainsFunc(cursor, notLowerHex) {
			return nil, "", errCursor
		}
		if _, err := hex.Decode(after[:], []byte(cursor)); err != nil {
			return nil, "", errCursor
		}
	}
	index := s.indexKey(subject)
	members, err := s.do(ctx, s.client, s.client.B().Zrange().Key(index).Min("0").Max("-1").Build()).strings()
	if err != nil {
		return nil, "", s.failed(ctx, "list", err)
	}
	keys := make([]beaker.RecordKey, 0, len(members))
	for _, m := range members {
		if key, ok := memberKey(m); ok && (cursor == "" || bytes.Compare(key[:], after[:]) > 0) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b beaker.RecordKey) int { return bytes.Compare(a[:], b[:]) })
	if len(keys) > limit {
		keys = keys[:limit]
		next = keys[limit-1].String()
	}
	var gone []string
	for i, r := range s.loadAll(ctx, keys) {
		switch {
		case errors.Is(r.err, beaker.ErrNotFound):
			gone = append(gone, string(keys[i][:]))
		case errors.Is(r.err, beaker.ErrCorrupt), errors.Is(r.err, beaker.ErrNewerFormat):
		case r.err != nil:
			return nil, "", r.err
		case r.rec.Subject() == subject:
			page = append(page, r.rec)
		}
	}
	s.forget(ctx, index, gone...)
	return page, next, nil
}

type loaded struct {
	rec *beaker.Record
	err error
}

// loadAll loads many records, past the cache.
func (s *Store) loadAll(ctx context.Context, keys []beaker.RecordKey) []loaded {
	results := make([]loaded, 0, len(keys))
	cmds := make(rueidis.Commands, len(keys))
	for i := range keys {
		cmds[i] = s.client.B().Hgetall().Key(s.sessionKey(&keys[i])).Build()
	}
	for i, a := range s.doAll(ctx, cmds) {
		if a.err != nil {
			results = append(results, loaded{nil, s.failed(ctx, "list", a.err)})
			continue
		}
		rec, err := recordOf(&keys[i], &a.msg)
		results = append(results, loaded{rec, err})
	}
	return results
}

// listAll goes through the keyspace. SCAN may return more keys than it was asked for;
// what does not fit the page goes into the cursor.
func (s *Store) listAll(ctx context.Context, cursor string, limit int) (page []*beaker.Record, next string, err error) {
	at, surplus, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	keys := surplus
	if len(keys) == 0 && !at.end {
		k, err := s.keyspace(ctx)
		if err != nil {
			return nil, "", err
		}
		names, err := s.scan(ctx, k, &at, max(limit, leastScan))
		if err != nil {
			return nil, "", err
		}
		for _, name := range names {
			if key, ok := s.keyOf(name); ok {
				keys = append(keys, key)
			}
		}
	}
	n := min(len(keys), limit)
	for _, r := range s.loadAll(ctx, keys[:n]) {
		switch {
		case errors.Is(r.err, beaker.ErrNotFound), errors.Is(r.err, beaker.ErrCorrupt), errors.Is(r.err, beaker.ErrNewerFormat):
		case r.err != nil:
			return nil, "", r.err
		default:
			page = append(page, r.rec)
		}
	}
	if at.end && n == len(keys) {
		return page, "", nil
	}
	return page, at.String() + encodeKeys(keys[n:]), nil
}

func encodeKeys(keys []beaker.RecordKey) string {
	var b strings.Builder
	for i := range keys {
		b.WriteString("," + base64.RawURLEncoding.EncodeToString(keys[i][:]))
	}
	return b.String()
}

// maxSurplus is more than a cursor of ours ever holds.
const maxSurplus = 1 << 16

func parseCursor(cursor string) (at position, surplus []beaker.RecordKey, err error) {
	if cursor == "" {
		return position{}, nil, nil
	}
	fields := strings.Split(cursor, ",")
	if at, err = parsePosition(fields[0]); err != nil || len(fields) > maxSurplus {
		return position{}, nil, errCursor
	}
	for _, f := range fields[1:] {
		b, err := base64.RawURLEncoding.Strict().DecodeString(f)
		if err != nil || len(b) != len(beaker.RecordKey{}) {
			return position{}, nil, errCursor
		}
		surplus = append(surplus, beaker.RecordKey(b))
	}
	return at, surplus, nil
}
