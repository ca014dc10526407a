package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

var (
	_ beaker.Store          = (*Store)(nil)
	_ beaker.Lister         = (*Store)(nil)
	_ beaker.Purger         = (*Store)(nil)
	_ beaker.SubjectRevoker = (*Store)(nil)
	_ beaker.Watcher        = (*Store)(nil)
	_ io.Closer             = (*Store)(nil)
)

// Options are the choices of a store. The zero value is the default. All stores over
// the same sessions must have the same Prefix.
type Options struct {
	// Prefix begins the names of all keys, so that applications can share a server;
	// empty means [DefaultPrefix]. Letters, digits and _ . : / -, at most 100.
	Prefix string

	// WaitReplicas is how many replicas must have taken a Delete, a rotation, a sign-in
	// or a revocation before it is acknowledged. Redis replicates after it has answered:
	// when a master dies, what its successor has not got is undone, and a logout is the
	// worst to lose. With fewer replicas than that in WaitTimeout, the error is
	// beaker.ErrUncertain, although the master has done it: repeat it.
	//
	// Zero does not wait. It is no consensus: with two replicas, one of which has got
	// the Delete, the other may become master. Ask for all that could.
	WaitReplicas int
	// WaitTimeout is how long replicas are waited for; zero means [DefaultWaitTimeout].
	// Redis looks at its clock ten times a second, so short ones are not exact.
	WaitTimeout time.Duration

	// Cache keeps sessions that were loaded in the memory of this process, until Redis
	// says that they changed: loading one again takes no round trip. They are in the cache
	// of the client, and those in use once more in decoded form, in up to 32 MB. A change by another
	// node is seen when Redis's message has come, a moment later; at the latest after
	// CacheTTL. So for that long a revoked session can still be read on other nodes;
	// nothing can be written with it. What this store has done itself, it sees.
	//
	// The client must not have DisableCache, and its ConnWriteTimeout should be short:
	// it is what finds out that Redis has fallen silent. Open sees to both.
	Cache bool
	// CacheTTL is how long a copy is used if Redis says nothing. For up to twice that and a
	// minute this process also remembers which sessions it has written, at about 100 bytes
	// each; zero means
	// [DefaultCacheTTL].
	CacheTTL time.Duration

	// Logger is told what somebody should change on the server (see [New]); nil means
	// slog.Default().
	Logger *slog.Logger
}

// Defaults of [Options].
const (
	DefaultWaitTimeout = 500 * time.Millisecond
	DefaultCacheTTL    = 10 * time.Second
)

// Store keeps sessions in Redis. It is made by [New] or [Open], is safe for concurrent
// use, and other processes may use the same sessions at the same time. It must not be
// copied.
type Store struct {
	client rueidis.Client
	owned  bool // made by Open
	limits limits
	o      Options
	cache  *cache // nil: none
	probe  *beaker.Record

	createScript, applyScript, deleteScript, revokeScript, purgeScript, indexScript, markScript script

	purged place // how far Purge came

	// Each method but Watch holds mu for reading, so that Close waits for those under way.
	mu     sync.RWMutex
	closed bool
	done   chan struct{} // closed by Close
}

// New returns a store on a client, which stays the caller's: Close does not close it.
// It fails if something is wrong with the options, or if the server cannot be reached
// or refuses what the store needs, and says what to do. If the server may evict keys
// when its memory is full, it warns Options.Logger: the index of a subject may go before
// its sessions, which RevokeAll then does not find.
//
// The client should have [DialTCP] as its DialCtxFn: without it, a server that has too
// many clients ends this process. It must not send reads to replicas, which may be
// behind, and should not have a ConnLifetime: when it has passed, rueidis sends commands
// again that may have been performed.
func New(ctx context.Context, client rueidis.Client, opts *Options) (*Store, error) {
	o, err := checkOptions(opts)
	if client == nil {
		err = errors.Join(errors.New("redisstore: the client is nil: use rueidis.NewClient, or Open"), err)
	}
	if err != nil {
		return nil, err
	}
	s := &Store{client: client, o: o, done: make(chan struct{})}
	if o.Cache {
		s.cache = newCache(o.CacheTTL, reuses(client))
	}
	if s.probe, err = newProbe(); err != nil {
		return nil, err
	}
	if err := s.checkWithin(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func checkOptions(opts *Options) (Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	var errs []error
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	errs = append(errs, checkPrefix(o.Prefix))
	if o.WaitReplicas < 0 {
		errs = append(errs, fmt.Errorf("redisstore: Options.WaitReplicas is %d: use 0 or more", o.WaitReplicas))
	}
	duration := func(field string, d *time.Duration, standard, least time.Duration) {
		switch {
		case *d == 0:
			*d = standard
		case *d < least:
			errs = append(errs, fmt.Errorf("redisstore: Options.%s is %v: use %v or more, or 0 for %v", field, *d, least, standard))
		}
	}
	duration("WaitTimeout", &o.WaitTimeout, DefaultWaitTimeout, time.Millisecond)
	duration("CacheTTL", &o.CacheTTL, DefaultCacheTTL, time.Millisecond)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, errors.Join(errs...)
}

// Close waits for the methods under way and ends Watch. If Open made the client, it is closed. Close
// may be called again.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.done)
	if s.owned {
		s.client.Close()
	}
	return nil
}

// Staleness returns for how long Load may return what another process has changed since:
// zero without Options.Cache. It is mostly a round trip; this is what bounds it if
// Redis says nothing.
func (s *Store) Staleness() time.Duration {
	if s.cache == nil {
		return 0
	}
	return s.cache.ttl
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
