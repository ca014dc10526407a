package memcachestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

var (
	_ beaker.Store          = (*Store)(nil)
	_ beaker.SubjectRevoker = (*Store)(nil)
	_ io.Closer             = (*Store)(nil)
)

// Store keeps sessions in memcached. It is made by [Open] or [New], is safe for
// concurrent use, and other processes may use the same servers at the same time. It
// must not be copied.
type Store struct {
	client *memcache.Client
	own    bool // made by Open, and closed with the store
	o      Options
	prefix string // of all keys
	dead   int    // how many dead connections the client can have at hand

	// Each method holds mu for reading, so that Close waits for those under way.
	mu     sync.RWMutex
	closed bool
	once   sync.Once

	// Writers of one session take turns after their first try.
	turns [64]turn
}

// New returns a store on the application's own client, which stays the application's:
// Close does not close it. It makes no connection.
//
// What the client's selector does cannot be seen from here. It must be the same on all
// nodes and must never choose another server for a key, whatever happens:
// memcache.ServerList, which memcache.New uses, is right as long as SetServers is not
// called again. Set the client's MaxIdleConns to the number of calls at once: its
// default of 2 makes a connection for nearly each of them. Set its DialContext where
// the servers want TLS.
//
// Prefer [Open] where there is a choice: its connections notice that the server has
// closed them before something is sent. With another client, the first sign-ins after a
// restart of a server may be answered with [beaker.ErrUncertain].
func New(client *memcache.Client, opts *Options) (*Store, error) {
	o, err := opts.checked()
	switch {
	case client == nil:
		err = errors.Join(errors.New("memcachestore: the client is nil: use memcache.New, or Open"), err)
	case noServers(client):
		err = errors.Join(fmt.Errorf("memcachestore: %w (%s)", memcache.ErrNoServers, remedyNoServers), err)
	}
	if o.Timeout > 0 || o.MaxIdleConns > 0 {
		err = errors.Join(err, errors.New("memcachestore: Options.Timeout and Options.MaxIdleConns are for Open: set the client's own"))
	}
	if err != nil {
		return nil, err
	}
	return newStore(client, o, nil), nil
}

// Open returns a store on servers, each named as host, host:port or the path of a Unix
// socket. It makes no connection, so that an application can start while one of its
// servers is away; [Store.Ping] tells whether they are there. Options must be given,
// for Options.Generation.
//
// The order of the list does not matter, but the spelling does: what a server is called
// is part of all keys, so nodes that call it by different names do not see each other's
// sessions. Names are looked up for each new connection.
func Open(list []string, opts *Options) (*Store, error) {
	o, err := opts.checked()
	s, serr := parseServers(list)
	if err = errors.Join(err, serr); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxIdleConns == 0 {
		o.MaxIdleConns = DefaultMaxIdleConns
	}
	client := memcache.NewFromSelector(s)
	client.Timeout, client.MaxIdleConns, client.DialContext = o.Timeout, o.MaxIdleConns, dial
	st := newStore(client, o, s)
	st.own = true
	return st, nil
}

// maxDead bounds how many dead connections one call passes over.
const maxDead = 64

// newStore makes a store. The list is nil where it is not known.
func newStore(client *memcache.Client, o Options, list servers) *Store {
	s := &Store{client: client, o: o, prefix: o.Prefix + ":" + o.Generation + ":", dead: client.MaxIdleConns}
	if list != nil {
		s.prefix += list.fingerprint() + ":"
	}
	if s.dead <= 0 {
		s.dead = memcache.DefaultMaxIdleConns
	}
	s.dead = min(s.dead, maxDead)
	for i := range s.turns {
		s.turns[i] = newTurn()
	}
	return s
}

// noServers reports whether the client has none, without asking any: memcache.New drops
// the whole list if one name in it cannot be looked up, and says nothing.
func noServers(client *memcache.Client) bool {
	// The second key is refused, after a server was chosen for the first.
	_, err := client.GetMulti([]string{"a", " "})
	return errors.Is(err, memcache.ErrNoServers)
}

// Ping asks each server for an answer, and returns the error of the first that gives
// none. It is for the start of an application, and for probes.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if err := s.read(ctx, s.client.Ping); err != nil {
		return s.failed(ctx, "ping", err)
	}
	return nil
}

// Close waits for the methods under way, and closes the connections that Open's client
// has. It may be called again.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true
		if s.own {
			err = s.client.Close()
		}
	})
	return err
}

// begin starts a method; if it returns nil, the method ends with s.mu.RUnlock.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return beaker.ErrClosed
	}
	return nil
}

// turn is a mutex whose wait ends with a context. Those who wait are served in order.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }
