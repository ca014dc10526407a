package floor

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/wire"
)

// Commands are what this library's Redis store sends for a session: all arguments of
// the command that creates one, and of the one that changes KeyN.
type Commands struct{ Create, Apply []string }

// evalKey is where the session's key is in EVALSHA.
const evalKey = 3

// valueField is the prefix of the fields that hold values.
const valueField = ":"

// scripts runs the same commands by hand: the second floor for Redis, of what the
// library does around its scripts.
type scripts struct {
	client  rueidis.Client
	prefix  string
	c       Commands
	numberA int // where the new number is in Apply
}

// Scripts keeps sessions in Redis with the scripts of this library's store, which the
// server knows already.
func Scripts(address, prefix string, c Commands) (*contest.Site, error) {
	var trips wire.Counter
	client, err := OpenRedis(address, &trips, false)
	if err != nil {
		return nil, err
	}
	t := &scripts{client: client, prefix: prefix, c: c, numberA: slices.Index(c.Apply, valueField+contest.KeyN) + 1}
	read := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			m, err := t.get(r.Context(), idOf(r))
			if err != nil {
				fail(w, err)
				return
			}
			answer(w, strings.Trim(m[valueField+name], `"`))
		})
	}
	s := &contest.Site{
		Untouched: http.HandlerFunc(untouched),
		Read:      read(contest.KeyUID),
		Number:    read(contest.KeyN),
		Increment: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			if err := t.increment(r.Context(), idOf(r)); err != nil {
				fail(w, err)
				return
			}
			answer(w, contest.OK)
		}),
		Create: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			idOf(r)
			id := newID()
			if err := t.run(r.Context(), t.c.Create, id).Error(); err != nil {
				fail(w, err)
				return
			}
			setCookie(w, id)
			answer(w, contest.OK)
		}),
	}
	s.Trips, s.Close = trips.Trips, func() error { client.Close(); return nil }
	return s, nil
}

func (t *scripts) get(ctx context.Context, id string) (map[string]string, error) {
	return t.client.Do(alone(ctx), t.client.B().Hgetall().Key(t.prefix+id).Build()).AsStrMap()
}

func (t *scripts) increment(ctx context.Context, id string) error {
	m, err := t.get(ctx, id)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(m[valueField+contest.KeyN])
	if err != nil {
		return errNoSession
	}
	args := slices.Clone(t.c.Apply)
	args[t.numberA] = strconv.Itoa(n + 1)
	v, err := t.run(ctx, args, id).ToInt64()
	if err == nil && v == 0 {
		err = errNoSession
	}
	return err
}

// run runs a command on a session's key.
func (t *scripts) run(ctx context.Context, args []string, id string) rueidis.RedisResult {
	return t.client.Do(alone(ctx), t.client.B().Evalsha().Sha1(args[1]).Numkeys(1).Key(t.prefix+id).Arg(args[evalKey+1:]...).Build())
}
