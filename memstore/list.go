package memstore

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/seed12c5fab1/beaker"
)

const (
	defaultPage = 256
	maxPage     = 8192
)

var errCursor = errors.New("memstore: list: the cursor is not one of this store and query")

// List implements [beaker.Lister]. A page has at most 8192 records and 256 where the
// limit is zero. A cursor is only good for the store and the kind of query that it
// came from.
//
// Records are listed shard by shard and in a shard by key. Neither changes while a
// record exists, so one that exists all the time is passed exactly once.
func (s *Store) List(ctx context.Context, q beaker.ListQuery) (page []*beaker.Record, next string, err error) {
	if err := s.ready(ctx); err != nil {
		return nil, "", err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	from, err := s.parseCursor(q)
	if err != nil {
		return nil, "", err
	}
	if q.Subject != "" {
		page, next = s.listSubject(q.Subject, from, limit)
		return page, next, nil
	}
	return s.listAll(ctx, from, limit)
}

func (s *Store) listSubject(subject string, from cursor, limit int) (page []*beaker.Record, next string) {
	keys := s.subjectOf(subject).page(subject, from.after, limit)
	for _, key := range keys {
		hash := s.hash(&key)
		sh := &s.shards[s.shardOf(hash)]
		sh.mu.RLock()
		_, rec := sh.lookup(hash, &key)
		sh.mu.RUnlock()
		if rec != nil && rec.Subject() == subject {
			page = append(page, rec)
		}
	}
	if len(keys) == limit {
		from.after = keys[limit-1]
		next = s.formatCursor(from)
	}
	return page, next
}

func (s *Store) listAll(ctx context.Context, from cursor, limit int) (page []*beaker.Record, next string, err error) {
	var all []*beaker.Record
	for ; from.shard < len(s.shards); from.shard++ {
		if len(page) == limit {
			return page, s.formatCursor(from), nil
		}
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		// Only pointers are copied under the lock.
		sh := &s.shards[from.shard]
		sh.mu.RLock()
		all = append(append(all[:0], sh.heaps[anonymous]...), sh.heaps[signedIn]...)
		sh.mu.RUnlock()

		found, more := firstAfter(all, from.after, limit-len(page))
		page = append(page, found...)
		if more {
			from.after = page[len(page)-1].Key()
			return page, s.formatCursor(from), nil
		}
		from.after = beaker.RecordKey{} // below every key
	}
	return page, "", nil
}

// firstAfter returns the first n (at least one) records in the order of their keys that come after
// a key, and whether there are more. It does not sort what it is going to drop: a
// page is a small part of a shard.
func firstAfter(all []*beaker.Record, after beaker.RecordKey, n int) (found []*beaker.Record, more bool) {
	byKey := func(a, b *beaker.Record) int { return compareKeys(a.Key(), b.Key()) }
	found = make([]*beaker.Record, 0, min(len(all), 2*n+1))
	bound, bounded := beaker.RecordKey{}, false
	for _, rec := range all {
		key := rec.Key()
		if compareKeys(key, after) <= 0 {
			continue
		}
		if bounded && compareKeys(key, bound) >= 0 {
			more = true
			continue
		}
		found = append(found, rec)
		if len(found) == 2*n+1 {
			slices.SortFunc(found, byKey)
			found, more = found[:n], true
			bound, bounded = found[n-1].Key(), true
		}
	}
	slices.SortFunc(found, byKey)
	if len(found) > n {
		found, more = found[:n], true
	}
	return found, more
}

// cursor is where a listing goes on.
type cursor struct {
	subject bool             // it lists the sessions of one subject
	shard   int              // of sessions; zero for a subject
	after   beaker.RecordKey // the last key that was passed; zero: none
}

const cursorBytes = 8 + 1 + 4 + len(beaker.RecordKey{})

// id tells this store's cursors from those of another one, of a process that has
// ended for example, where the same sessions would lie in other shards.
func (s *Store) id() uint64 { return maphash.String(s.seed, "cursor") }

func (s *Store) formatCursor(c cursor) string {
	b := make([]byte, 0, cursorBytes)
	b = binary.BigEndian.AppendUint64(b, s.id())
	if c.subject {
		b = append(b, 's')
	} else {
		b = append(b, 'a')
	}
	b = binary.BigEndian.AppendUint32(b, uint32(c.shard))
	b = append(b, c.after[:]...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *Store) parseCursor(q beaker.ListQuery) (cursor, error) {
	c := cursor{subject: q.Subject != ""}
	if q.Cursor == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil || len(b) != cursorBytes {
		return cursor{}, errCursor
	}
	c.shard = int(binary.BigEndian.Uint32(b[9:]))
	copy(c.after[:], b[13:])
	// The other way round, so that there is only one list of what a cursor holds.
	if c.shard >= len(s.shards) || s.formatCursor(c) != q.Cursor {
		return cursor{}, errCursor
	}
	return c, nil
}
