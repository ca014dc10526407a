package memcachestore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// A session's item is the record's binary form and a mark of the write that last
// changed its data. Two writers can make the same record of the same base (both count
// from 1 to 2); by the mark, one whose answer was lost knows which of them it was.
const markBytes = 8

type mark [markBytes]byte

func newMark() (m mark) {
	_, _ = rand.Read(m[:]) // never fails
	return m
}

// hint is what a record remembers of the item that it was read from.
type hint struct {
	store *Store // others have other items under the same key
	cas   uint64
	mark  mark
}

// held is a record, and the item that it was read from.
type held struct {
	rec *beaker.Record
	hint
}

// hinted returns the record that a change was made on, if this store has loaded it.
func (s *Store) hinted(base *beaker.Record, key beaker.RecordKey) (h held, ok bool) {
	if base == nil || base.Key() != key {
		return held{}, false
	}
	p, ok := base.Hint().(*hint)
	if !ok || p.store != s {
		return held{}, false
	}
	return held{base, *p}, true
}

func (s *Store) sessionKey(key beaker.RecordKey) string { return s.itemKey('s', key) }

// itemKey returns the name of an item: only the prefix, which was checked, and digits.
func (s *Store) itemKey(kind byte, hash [32]byte) string {
	var buf [250]byte // the longest that there can be
	b := append(append(buf[:0], s.prefix...), kind, ':')
	return string(hex.AppendEncode(b, hash[:]))
}

// fetch reads a session. It is ErrNotFound if there is none.
func (s *Store) fetch(ctx context.Context, op string, key beaker.RecordKey) (held, error) {
	it, err := s.get(ctx, op, s.sessionKey(key))
	if err != nil {
		return held{}, err
	}
	return s.parse(it, key)
}

func (s *Store) parse(it *memcache.Item, key beaker.RecordKey) (held, error) {
	n := len(it.Value) - markBytes
	if n < 0 {
		if len(it.Value) == 0 {
			return held{}, beaker.ErrNotFound // see expire
		}
		return held{}, fmt.Errorf("%w: an item of %d bytes", beaker.ErrCorrupt, len(it.Value))
	}
	rec, err := beaker.ParseRecord(it.Value[:n])
	if err != nil {
		return held{}, err
	}
	if rec.Key() != key {
		// Whoever answered has mixed up two questions. A session is somebody's identity.
		return held{}, fmt.Errorf("%w: the record of another key", beaker.ErrCorrupt)
	}
	return held{rec, hint{s, it.CasID, mark(it.Value[n:])}}, nil
}

// get reads an item. It is ErrNotFound if there is none.
func (s *Store) get(ctx context.Context, op, name string) (*memcache.Item, error) {
	var it *memcache.Item
	err := s.read(ctx, func() (err error) {
		it, err = s.client.Get(name)
		return err
	})
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		return nil, beaker.ErrNotFound
	case err != nil:
		return nil, s.failed(ctx, op, err)
	case it.CasID == 0:
		return nil, s.failed(ctx, op, errNoCAS)
	}
	return it, nil
}

// item returns a record as an item.
func (s *Store) item(op string, rec *beaker.Record, m mark, now beaker.Millis) (*memcache.Item, error) {
	b, err := rec.AppendBinary(make([]byte, 0, rec.Size()+markBytes))
	if err != nil {
		return nil, err
	}
	it := &memcache.Item{
		Key: s.sessionKey(rec.Key()), Value: append(b, m[:]...), Expiration: expiration(rec.Expires(), now),
	}
	return it, s.checkSize(op, it)
}

const (
	// slack is how much longer than needed an item is kept: clocks differ.
	slack = time.Minute
	// relative is the longest time that memcached takes for a duration. One second more
	// is a date in January 1970.
	relative = 30 * 24 * time.Hour
)

// expiration returns when memcached may drop what ends at a time. That is garbage
// collection: whether something has ended is judged by the caller's clock, which may
// be far from memcached's, so what counts here is how long it is from the caller's now.
// Zero would mean never, which is nowhere what is wanted.
func expiration(end, now beaker.Millis) int32 {
	left := int64(end-now)/1000 + 1 + int64(slack/time.Second) // rounded up
	switch {
	case left <= 0:
		return -1 // at once
	case left <= int64(relative/time.Second):
		return int32(left)
	}
	today := time.Now().Unix() //nolint:forbidigo // the real time, for an engine that goes by it
	date := min(today+left, math.MaxInt32)
	if date-today <= int64(relative/time.Second) {
		return int32(relative / time.Second) // from 2038 on there are no dates that it could say
	}
	return int32(date)
}
