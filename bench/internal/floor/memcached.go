package floor

import (
	"context"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/wire"
)

// items keeps each record in an item of memcached, with plain get and set.
type items struct {
	client *memcache.Client
	prefix string
}

// Memcached keeps sessions in memcached.
func Memcached(address, prefix string) *contest.Site {
	var trips wire.Counter
	client := OpenMemcached(address, &trips)
	s := site(&items{client, prefix}, binaryForm)
	s.Trips, s.Close = trips.Trips, client.Close
	return s
}

// OpenMemcached opens a client whose round trips are counted.
func OpenMemcached(address string, trips *wire.Counter) *memcache.Client {
	client := memcache.New(address)
	client.DialContext = trips.Dial
	return client
}

func (t *items) get(_ context.Context, id string) (string, error) {
	item, err := t.client.Get(t.prefix + id)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return "", errNoSession
	}
	if err != nil {
		return "", err
	}
	return string(item.Value), nil
}

func (t *items) create(_ context.Context, id, rec string) error {
	return t.client.Set(&memcache.Item{Key: t.prefix + id, Value: []byte(rec), Expiration: int32(time.Now().Add(lifetime).Unix())})
}

func (t *items) replace(ctx context.Context, id, _, rec string) error { return t.create(ctx, id, rec) }

func (t *items) rename(ctx context.Context, old, id, rec string) error {
	if err := t.create(ctx, id, rec); err != nil {
		return err
	}
	return t.client.Delete(t.prefix + old)
}
