package redisstore

import (
	"context"
	"encoding/hex"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// channelSuffix, after the prefix, names the channel on which scripts publish the
// handles of sessions that are deleted or become another subject's. The scripts have it
// too.
const channelSuffix = "ended"

// Watch implements [beaker.Watcher] by SUBSCRIBE. What is published while the connection
// is broken is missed; it is made anew by itself.
func (s *Store) Watch(ctx context.Context, ended func(beaker.RecordKey)) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.mu.RUnlock() // Close does not wait: this goes on for as long as the caller likes
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.done:
			cancel()
		case <-inner.Done():
		}
	}()
	for {
		subscribe := s.client.B().Subscribe().Channel(s.o.Prefix + channelSuffix).Build()
		err := s.client.Receive(inner, subscribe, func(msg rueidis.PubSubMessage) {
			var key beaker.RecordKey
			if len(msg.Message) != keyDigits {
				return // somebody else's
			}
			if _, err := hex.Decode(key[:], []byte(msg.Message)); err != nil {
				return
			}
			// Whoever is told looks, and must not see a copy.
			s.cache.doubt(&key)
			ended(key)
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case s.isClosed():
			return beaker.ErrClosed
		case err != nil:
			return s.failed(ctx, "watch", err)
		}
	}
}

func (s *Store) isClosed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
