package redisstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// limits keeps calls within their contexts. rueidis does that for a command that waits
// for its answer, but not for one that waits for a place in the queue of a connection,
// which has 1,024, nor for one that waits until somebody else has made a connection. If
// the server has fallen silent, either takes until ConnWriteTimeout or Dialer.Timeout,
// with every request of the application waiting there.
//
// So a call is made by a goroutine that can be left behind, once there may be no place:
// when many calls are under way, or a call was given up a moment ago and still has its
// place. While all is well that costs two additions. Those that were under way at the
// moment when a server fell silent may still take until the client's own limits.
type limits struct {
	running atomic.Int64
	wary    atomic.Int64 // until when calls are not trusted to end, in milliseconds since 1970
}

const (
	// trusted is how many calls may be under way that cannot be left behind.
	trusted = 512
	// wariness is longer than a silent connection lasts, unless ConnWriteTimeout is very
	// long.
	wariness = time.Minute
)

func (l *limits) doubt() {
	l.wary.Store(time.Now().Add(wariness).UnixMilli()) //nolint:forbidigo // a real wait, not session time
}

func (l *limits) trust(running int64) bool {
	until := l.wary.Load()
	return running <= trusted && (until == 0 || time.Now().UnixMilli() >= until) //nolint:forbidigo // the same
}

// enter counts a call in, and reports whether it can be trusted to end. alone is for
// calls that make a connection, which are never trusted.
func (l *limits) enter(ctx context.Context, alone bool) bool {
	running := l.running.Add(1)
	return !alone && l.trust(running) || ctx.Done() == nil
}

// left is what a trusted call does when it has ended.
func (l *limits) left(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil {
		l.doubt()
	}
}

// within makes a call, and returns an error if the context ends before it. The call may
// then still be under way: it must not touch what the caller uses.
func within[T any](ctx context.Context, l *limits, alone bool, call func() T) (out T, err error) {
	if l.enter(ctx, alone) {
		defer l.running.Add(-1)
		out = call()
		if ctx.Err() != nil {
			l.doubt()
		}
		return out, nil
	}
	return apart(ctx, l, call)
}

// apart is within for a call that was counted in and is not trusted.
func apart[T any](ctx context.Context, l *limits, call func() T) (out T, err error) {
	done := make(chan T, 1)
	go func() {
		defer l.running.Add(-1)
		done <- call()
	}()
	select {
	case out = <-done:
		return out, nil
	case <-ctx.Done():
		l.doubt()
		return out, ctx.Err()
	}
}

type answer struct {
	msg rueidis.RedisMessage
	err error
}

func answerOf(r rueidis.RedisResult) (a answer) {
	a.msg, a.err = r.ToMessage()
	return a
}

func (a answer) strings() ([]string, error) {
	if a.err != nil {
		return nil, a.err
	}
	return a.msg.AsStrSlice()
}

func (a answer) text() (string, error) {
	if a.err != nil {
		return "", a.err
	}
	return a.msg.ToString()
}

func (a answer) number() (int64, error) {
	if a.err != nil {
		return 0, a.err
	}
	return a.msg.ToInt64()
}

// do sends a command. Like doCached, it is within without a closure where there is none
// to be left behind, which is nearly always.
func (s *Store) do(ctx context.Context, to rueidis.Client, cmd rueidis.Completed) answer {
	if s.limits.enter(ctx, false) {
		defer s.limits.running.Add(-1)
		a := answerOf(to.Do(ctx, cmd))
		s.limits.left(ctx, a.err)
		return a
	}
	a, err := apart(ctx, &s.limits, func() answer { return answerOf(to.Do(ctx, cmd)) })
	if err != nil {
		return answer{err: err}
	}
	return a
}

// doCached is do for a read that may be answered from memory.
func (s *Store) doCached(ctx context.Context, cmd rueidis.Cacheable, ttl time.Duration) answer {
	if s.limits.enter(ctx, false) {
		defer s.limits.running.Add(-1)
		a := answerOf(s.client.DoCache(ctx, cmd, ttl))
		s.limits.left(ctx, a.err)
		return a
	}
	a, err := apart(ctx, &s.limits, func() answer { return answerOf(s.client.DoCache(ctx, cmd, ttl)) })
	if err != nil {
		return answer{err: err}
	}
	return a
}

// doAll sends commands, at most batch of them at once, and returns an answer to each.
func (s *Store) doAll(ctx context.Context, cmds rueidis.Commands) []answer {
	answers := make([]answer, len(cmds))
	for from := 0; from < len(cmds); from += batch {
		some := cmds[from:min(from+batch, len(cmds))]
		results, err := within(ctx, &s.limits, false, func() []rueidis.RedisResult { return s.client.DoMulti(ctx, some...) })
		for i := range some {
			if answers[from+i].err = err; err == nil {
				answers[from+i] = answerOf(results[i])
			}
		}
	}
	return answers
}
