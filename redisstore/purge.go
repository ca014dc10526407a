package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// purgeKeys is how many keys a call of Purge looks at.
const purgeKeys = 50_000

// Purge implements [beaker.Purger]. Redis removes expired sessions by itself, a minute
// after their end, so that little is left to do here: what is expired on the caller's
// clock, and entries in the indexes of subjects whose sessions are gone.
//
// It goes through the keys of the server with SCAN. A call looks at about 50,000 of
// them, and at fewer if that takes half of the time that the context leaves; the next
// call of the same store goes on from there. That fewer than limit means that none are
// left is true of those keys.
func (s *Store) Purge(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if limit <= 0 {
		return 0, nil
	}
	if now < 0 || int64(now) > maxMillis {
		return 0, errTimes
	}
	k, err := s.keyspace(ctx)
	if err != nil {
		return 0, err
	}
	at := s.purged.get()
	if at.masters != k.sum {
		at = position{}
	}
	defer func() { s.purged.set(at) }()
	again := at != position{} // from the beginning, once the end is reached
	enough := halfOf(ctx)
	for seen := 0; seen < purgeKeys && !enough(); seen += batch {
		next := at
		names, err := s.scan(ctx, k, &next, batch)
		if err != nil {
			return n, err
		}
		removed, err := s.purgeSome(ctx, names, now, limit-n)
		n += removed
		if err != nil || n >= limit {
			return n, err // at stays where it is: there may be more here
		}
		if at = next; at.end {
			at = position{}
			if !again {
				return n, nil
			}
			again = false
		}
	}
	return n, nil
}

// halfOf returns what tells whether half of the time is over that the context leaves.
func halfOf(ctx context.Context) func() bool {
	end, limited := ctx.Deadline()
	if !limited {
		return func() bool { return false }
	}
	left := time.Until(end)                                //nolint:forbidigo // a real wait, not session time
	return func() bool { return time.Until(end) < left/2 } //nolint:forbidigo // the same
}

// purgeSome removes at most limit of the named sessions, and cleans the named indexes.
func (s *Store) purgeSome(ctx context.Context, names []string, now beaker.Millis, limit int) (n int, err error) {
	var sessions rueidis.Commands
	var keys []beaker.RecordKey
	for _, name := range names {
		if key, ok := s.keyOf(name); ok {
			keys = append(keys, key)
			sessions = append(sessions, s.client.B().Hget().Key(name).Field(fieldMeta).Build())
		} else if s.isIndex(name) {
			if err := s.cleanIndex(ctx, name); err != nil {
				return 0, err
			}
		}
	}
	var calls []call
	for i, a := range s.doAll(ctx, sessions) {
		meta, err := a.text()
		switch {
		case isCode(err, "WRONGTYPE"), rueidis.IsRedisNil(err):
			continue // not a session
		case err != nil:
			return 0, s.failed(ctx, "purge", err)
		}
		var f [6]int64
		if len(calls) < limit && numbers(meta, f[:]) && f[0] == format && int64(now) >= min(f[3]+f[4], f[5]) {
			s.cache.doubt(&keys[i])
			calls = append(calls, call{
				script: &s.purgeScript, key: s.sessionKey(&keys[i]), args: []string{strconv.FormatInt(int64(now), 10), string(keys[i][:])},
			})
		}
	}
	for i, a := range s.runAll(ctx, calls) {
		if a.err != nil {
			if err == nil {
				err = a.err
			}
			continue
		}
		removed, lerr := a.msg.ToArray()
		if lerr != nil || len(removed) != 2 {
			continue // it was used meanwhile
		}
		n++
		if whose, err := removed[1].ToString(); err == nil {
			s.forgetOne(ctx, whose, calls[i].args[1])
		}
	}
	return n, err
}

// cleanIndex removes the entries of sessions that are gone.
func (s *Store) cleanIndex(ctx context.Context, index string) error {
	members, err := s.do(ctx, s.client, s.client.B().Zrange().Key(index).Min("0").Max("-1").Build()).strings()
	if isCode(err, "WRONGTYPE") {
		return nil // somebody else's, as above
	}
	if err != nil {
		return s.failed(ctx, "purge", err)
	}
	var cmds rueidis.Commands
	var sessions, gone []string
	for _, m := range members {
		if key, ok := memberKey(m); ok {
			sessions = append(sessions, m)
			cmds = append(cmds, s.client.B().Exists().Key(s.sessionKey(&key)).Build())
		}
	}
	for i, a := range s.doAll(ctx, cmds) {
		n, err := a.number()
		if err != nil {
			return s.failed(ctx, "purge", err)
		}
		if n == 0 {
			gone = append(gone, sessions[i])
		}
	}
	s.forget(ctx, index, gone...)
	return nil
}
