package redisstore

import (
	"context"
	"errors"
	"fmt"
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
	ttl  time.Duration
	pins bool // see reuses

	mu     sync.Mutex
	floors map[beaker.RecordKey]floor
	before map[beaker.RecordKey]floor // those of the time before
	turn   time.Time                  // when floors become before

	young, old map[beaker.RecordKey]decoded // see remember
	size       int                          // of young, about
}

// decoded is a copy that rueidis holds with the record that is in it, so that a session
// that is served from memory is not decoded each time. Whether it is the same copy is
// for rueidis to say: messages are equal if they are the same memory, which is not
// written to, and as long as it is remembered here not used for another.
type decoded struct {
	msg rueidis.RedisMessage
	rec *beaker.Record
	// read is the command whose answer it is, which rueidis finds the copy by; see
	// cache.pins. Making it takes as long as the rest of such a read: the key's name in
	// hexadecimal, and the slot of a cluster that this is in, which rueidis works out also
	// where there is no cluster.
	read rueidis.Cacheable
}

// readSize is about what a command to read takes: its two words and the key's name.
const readSize = 160

// mostDecoded bounds what young takes, and so does old: it keeps copies that rueidis has
// dropped.
const mostDecoded = 16 << 20

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

// reuses reports whether a client is known to leave pinned commands alone, so that they
// can be sent again. Not all do: one with Standalone.EnableRedirect hands them to whoever
// makes the next command, and that may be for another session. Its Mode is that of
// those that do, and so there is only the name of its type to tell it by.
func reuses(client rueidis.Client) bool {
	switch fmt.Sprintf("%T", client) {
	case "*rueidis.singleClient", "*rueidis.sentinelClient", "*rueidis.clusterClient":
		return true
	}
	return false
}

func newCache(ttl time.Duration, pins bool) *cache {
	return &cache{ttl: ttl, pins: pins, floors: map[beaker.RecordKey]floor{}, young: map[beaker.RecordKey]decoded{}}
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
		c.age()
	}
	// The copy from before is no use any more.
	delete(c.young, *key)
	delete(c.old, *key)
	f := c.get(key)
	c.floors[*key] = floor{max(f.version, version), max(f.touched, touched)}
}

// doubt notes that no copy of the session is good enough.
func (c *cache) doubt(key *beaker.RecordKey) { c.wrote(key, never, 0) }

// find returns how new a copy must be, and the last one that was decoded.
func (c *cache) find(key *beaker.RecordKey) (floor, decoded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.young[*key]
	if !ok {
		if d, ok = c.old[*key]; ok { // it is in use: it stays
			delete(c.old, *key)
			c.keep(key, d)
		}
	}
	return c.get(key), d
}

// remember notes what is in a copy.
func (c *cache) remember(key *beaker.RecordKey, d decoded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(key, d)
}

func (c *cache) keep(key *beaker.RecordKey, d decoded) {
	if c.size > mostDecoded {
		c.age()
	}
	c.young[*key] = d
	c.size += 3*d.rec.Size() + 128*d.rec.Len() + readSize // the copy has two messages for each value
}

// age forgets what was not used since the last time.
func (c *cache) age() { c.old, c.young, c.size = c.young, map[beaker.RecordKey]decoded{}, 0 }

func (c *cache) get(key *beaker.RecordKey) floor {
	if f, ok := c.floors[*key]; ok {
		return f
	}
	return c.before[*key]
}

// cachedRead is the command that reads a session by way of the client's cache. With a
// static TTL a miss takes two commands instead of five. It ignores the key's own TTL,
// which only removes garbage: beaker checks deadlines.
func (s *Store) cachedRead(key *beaker.RecordKey) rueidis.Cacheable {
	return s.client.B().Hgetall().Key(s.sessionKey(key)).Cache().ToStaticTTL()
}

func (s *Store) loadCached(ctx context.Context, key *beaker.RecordKey) (*beaker.Record, error) {
	f, last := s.cache.find(key)
	if f.version != never {
		read := last.read
		if last.rec == nil || !s.cache.pins {
			read = s.cachedRead(key)
		}
		a := s.doCached(ctx, read, s.cache.ttl)
		err := a.err
		switch {
		case err == nil:
			rec := last.rec
			if a.msg != last.msg || rec == nil {
				if rec, err = recordOf(key, &a.msg); err == nil && a.msg.IsCacheHit() {
					s.remember(key, a.msg, rec)
				}
			}
			if f == (floor{}) || rec != nil && rec.Version() >= f.version && rec.Touched() >= f.touched {
				return rec, err
			}
		case isAnswer(err) || ended(ctx) != nil:
			return nil, s.failed(ctx, "load", err)
		}
		// A copy from before a change, or a connection that broke: rueidis repeats plain
		// reads only.
	}
	rec, err := s.load(ctx, key)
	switch {
	case err == nil:
		s.cache.wrote(key, rec.Version(), rec.Touched()) // nor must the next read be older than this one
	case errors.Is(err, beaker.ErrNotFound):
		s.cache.doubt(key)
	}
	return rec, err
}

func (s *Store) remember(key *beaker.RecordKey, msg rueidis.RedisMessage, rec *beaker.Record) {
	d := decoded{msg: msg, rec: rec}
	if s.cache.pins {
		d.read = s.cachedRead(key).Pin()
	}
	s.cache.remember(key, d)
}
