package floor

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/wire"
)

// keys keeps each record under a key of Redis, with plain GET and SET.
type keys struct {
	client rueidis.Client
	prefix string
	cached bool
}

// Redis keeps sessions in Redis. With cached, reads are served from the client's own
// memory until Redis says that they have changed.
func Redis(address, prefix string, cached bool) (*contest.Site, error) {
	var trips wire.Counter
	client, err := OpenRedis(address, &trips, cached)
	if err != nil {
		return nil, err
	}
	s := site(&keys{client, prefix, cached}, binaryForm)
	s.Trips, s.Close = trips.Trips, func() error { client.Close(); return nil }
	return s, nil
}

// OpenRedis opens a client whose round trips are counted.
func OpenRedis(address string, trips *wire.Counter, cached bool) (rueidis.Client, error) {
	return rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: !cached,
		DialCtxFn: func(ctx context.Context, address string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return trips.Dial(ctx, "tcp", address)
		},
	})
}

const cacheFor = time.Minute

// alone is a request's context for rueidis. One that may end, but has no deadline, makes
// rueidis start two goroutines for the connection, and from then on every command goes by
// way of one that writes and one that reads; otherwise that begins when two commands
// meet, which these scenarios, one request at a time, never do. The library's contexts
// have deadlines, and a floor is no floor if it takes the longer way.
func alone(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

func (t *keys) get(ctx context.Context, id string) (string, error) {
	var res rueidis.RedisResult
	if t.cached {
		res = t.client.DoCache(ctx, t.client.B().Get().Key(t.prefix+id).Cache(), cacheFor)
	} else {
		res = t.client.Do(alone(ctx), t.client.B().Get().Key(t.prefix+id).Build())
	}
	rec, err := res.ToString()
	if rueidis.IsRedisNil(err) {
		return "", errNoSession
	}
	return rec, err
}

func (t *keys) create(ctx context.Context, id, rec string) error {
	return t.client.Do(alone(ctx), t.client.B().Set().Key(t.prefix+id).Value(rec).Ex(lifetime).Build()).Error()
}

func (t *keys) replace(ctx context.Context, id, _, rec string) error {
	return t.client.Do(alone(ctx), t.client.B().Set().Key(t.prefix+id).Value(rec).Keepttl().Build()).Error()
}

func (t *keys) rename(ctx context.Context, old, id, rec string) error {
	for _, res := range t.client.DoMulti(alone(ctx),
		t.client.B().Set().Key(t.prefix+id).Value(rec).Ex(lifetime).Build(),
		t.client.B().Del().Key(t.prefix+old).Build()) {
		if err := res.Error(); err != nil {
			return err
		}
	}
	return nil
}
