package redisstore

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// cache is what a store must know to use rueidis's client-side cache, which holds the
// sessions themselves. Redis tells the connection that a session was read over when it
// changes; but that message may come after the answer to the change, which came over
// another connection. So for each session that this store has changed it is noted how
// new a copy must be.
//
// A nil *cache is one that is off.
type cache struct {
	ttl time.Duration

	mu     sync.Mutex
	floors map[beaker.RecordKey]floor
	before map[beaker.RecordKey]floor // those of the time before
	turn   time.Time                  // when floors become before
}

// floor is the oldest state of a session that may be served from memory.
type floor struct {
	version beaker.Version
	touched beaker.Millis
}

const (
	// never is a version that no copy has: the session is gone, or nobody knows.
	never = beaker.Version(math.MaxUint64)

	// late is how long after a change a copy from before it may still arrive: rueidis
	// gives up a connection that is silent for so long, unless ConnWriteTimeout is very
	// long.
	late = 30 * time.Second
)

func newCache(ttl time.Duration) *cache {
	return &cache{ttl: ttl, floors: map[beaker.RecordKey]floor{}}
}

// wrote notes that the session has, or had, this version and time of use. Floors only
// rise: a key whose record is gone is not used again.
func (c *cache) wrote(key *beaker.RecordKey, version beaker.Version, touched beaker.Millis) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); !now.Before(c.turn) { //nolint:forbidigo // how long copies live, not sessions
		// Twice at most, as nothing was noted in between.
		if c.before = c.floors; now.Sub(c.turn) > c.ttl+late {
			c.before = nil
		}
		c.floors, c.turn = map[beaker.RecordKey]floor{}, now.Add(c.ttl+late)
	}
	f := c.get(key)
	c.floors[*key] = floor{max(f.version, version), max(f.touched, touched)}
}

// doubt notes that no copy of the session is good enough.
func (c *cache) doubt(key *beaker.RecordKey) { c.wrote(key, never, 0) }

func (c *cache) floor(key *beaker.RecordKey) floor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.get(key)
}

func (c *cache) get(key *beaker.RecordKey) floor {
	if f, ok := c.floors[*key]; ok {
		return f
	}
	return c.before[*key]
}

func (s *Store) loadCached(ctx context.Context, key *beaker.RecordKey, name string) (*beaker.Record, error) {
	f := s.cache.floor(key)
	if f.version != never {
		// With a static TTL a miss takes two commands instead of five. It ignores the
		// key's own TTL, which only removes garbage: beaker checks deadlines.
		cmd := s.client.B().Hgetall().Key(name).Cache().ToStaticTTL()
		a := s.doCached(ctx, cmd, s.cache.ttl)
		err := a.err
		var answer *rueidis.RedisError
		switch {
		case err == nil:
			rec, err := recordOf(key, &a.msg)
			if f == (floor{}) || rec != nil && rec.Version() >= f.version && rec.Touched() >= f.touched {
				return rec, err
			}
		case errors.As(err, &answer) || ended(ctx) != nil:
			return nil, s.failed(ctx, "load", err)
		}
		// A copy from before a change, or a connection that broke: rueidis repeats plain
		// reads only.
	}
	rec, err := s.load(ctx, key, name)
	switch {
	case err == nil:
		s.cache.wrote(key, rec.Version(), rec.Touched()) // nor must the next read be older than this one
	case errors.Is(err, beaker.ErrNotFound):
		s.cache.doubt(key)
	}
	return rec, err
}
