package ours

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/floor"
	"github.com/seed12c5fab1/beaker/bench/internal/wire"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// Redis is redisstore; with cached, sessions are read from this process's memory until
// Redis says that they have changed.
func Redis(name string, cached bool, reference string) *contest.Contender {
	return on("redis", name, reference, func(ctx context.Context, env contest.Env) (opened, error) {
		var trips wire.Counter
		client, store, err := openRedis(ctx, env, &trips, cached)
		if err != nil {
			return opened{}, err
		}
		return opened{store: store, trips: trips.Trips, close: func() error { client.Close(); return nil }}, nil
	})
}

func openRedis(ctx context.Context, env contest.Env, trips *wire.Counter, cached bool) (rueidis.Client, *redisstore.Store, error) {
	address, err := env.Address(ctx, "redis")
	if err != nil {
		return nil, nil, err
	}
	client, err := floor.OpenRedis(address, trips, cached)
	if err != nil {
		return nil, nil, err
	}
	store, err := redisstore.New(ctx, client, &redisstore.Options{Prefix: "beaker:" + env.Unique() + ":", Cache: cached})
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, store, nil
}

// RedisCommands returns what redisstore sends when a session begins and when its number
// is increased, as it is on the wire.
func RedisCommands(ctx context.Context, env contest.Env) (c floor.Commands, err error) {
	var mu sync.Mutex
	var sent strings.Builder
	trips := &wire.Counter{Sent: func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		sent.Write(b)
	}}
	client, store, err := openRedis(ctx, env, trips, false)
	if err != nil {
		return c, err
	}
	defer client.Close()
	s, err := Site(beaker.Config{Store: store})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, s.Close(), store.Close()) }()
	k := contest.NewClient()
	for range 2 { // the first time a script may be sent by its text
		k.Cookie = ""
		if err := k.Begin(s.Create); err != nil {
			return c, err
		}
		if err := k.Do(s.Increment); err != nil {
			return c, err
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for rest := sent.String(); rest != ""; {
		var args []string
		if args, rest, err = cutCommand(rest); err != nil {
			return c, err
		}
		switch {
		case args[0] != "EVALSHA":
		case slices.Contains(args, ":"+contest.KeyData):
			c.Create = args
		case slices.Contains(args, ":"+contest.KeyN):
			c.Apply = args
		}
	}
	if c.Create == nil || c.Apply == nil {
		return c, errors.New("redisstore sends no scripts by name")
	}
	return c, nil
}

var errRESP = errors.New("what redisstore sends is not a list of strings")

// cutCommand cuts a command off what a client has sent: *2\r\n$3\r\nGET\r\n$1\r\nk\r\n.
func cutCommand(s string) (args []string, rest string, err error) {
	number := func(mark byte) (int, error) {
		line, tail, ok := strings.Cut(s, "\r\n")
		if !ok || line == "" || line[0] != mark {
			return 0, errRESP
		}
		s = tail
		return strconv.Atoi(line[1:])
	}
	n, err := number('*')
	if err != nil {
		return nil, "", err
	}
	for range n {
		size, err := number('$')
		if err != nil {
			return nil, "", err
		}
		if len(s) < size+2 {
			return nil, "", errRESP
		}
		args, s = append(args, s[:size]), s[size+2:]
	}
	if len(args) == 0 {
		return nil, "", errRESP
	}
	return args, s, nil
}
