package redistest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// site is what a client connects to: servers that run.
type site struct {
	name      string   // as README's table of guarantees has it
	addrs     []string // what a client is given
	masterSet string   // what the sentinels at addrs watch; empty: addrs are not sentinels
	nodes     []*engines.RedisNode
	close     func() error
}

// calm is longer than any machine is too busy to answer: where nothing is to fail,
// nothing must be given up.
const calm = 30 * time.Second

func startSingle(ctx context.Context, args ...string) (*site, error) {
	n, err := engines.StartRedisNode(ctx, args...)
	if err != nil {
		return nil, err
	}
	return &site{"redisstore", []string{n.Addr}, "", []*engines.RedisNode{n}, n.Close}, nil
}

func clusterSite(c *engines.RedisCluster) *site {
	return &site{"redisstore cluster", c.Addrs(), "", c.Nodes, c.Close}
}

func sentinelSite(s *engines.RedisSentinel) *site {
	return &site{"redisstore sentinel", s.Addrs(), s.Name, s.Nodes, s.Close}
}

// shared is a site that several tests use, none of which harms it. It is started when
// the first of them needs it.
type shared[T any] struct {
	start func(ctx context.Context) (T, *site, error)

	once   sync.Once
	engine T
	site   *site
	err    error
}

func (s *shared[T]) get(tb testing.TB) (T, *site) {
	tb.Helper()
	// The servers outlive the test, and so must not end with its context.
	s.once.Do(func() { s.engine, s.site, s.err = s.start(context.Background()) })
	if s.err != nil {
		tb.Fatal(s.err)
	}
	return s.engine, s.site
}

func (s *shared[T]) stop() {
	if s.site != nil {
		_ = s.site.close() // it holds nothing
	}
}

var (
	sharedSingle = &shared[struct{}]{start: func(ctx context.Context) (_ struct{}, s *site, err error) {
		s, err = startSingle(ctx)
		return
	}}
	sharedCluster = &shared[*engines.RedisCluster]{start: func(ctx context.Context) (*engines.RedisCluster, *site, error) {
		c, err := engines.StartRedisCluster(ctx, calm)
		if err != nil {
			return nil, nil, err
		}
		return c, clusterSite(c), nil
	}}
	sharedSentinel = &shared[*engines.RedisSentinel]{start: func(ctx context.Context) (*engines.RedisSentinel, *site, error) {
		c, err := engines.StartRedisSentinel(ctx, calm)
		if err != nil {
			return nil, nil, err
		}
		return c, sentinelSite(c), nil
	}}
)

func single(tb testing.TB) *site   { tb.Helper(); _, s := sharedSingle.get(tb); return s }
func cluster(tb testing.TB) *site  { tb.Helper(); _, s := sharedCluster.get(tb); return s }
func sentinel(tb testing.TB) *site { tb.Helper(); _, s := sharedSentinel.get(tb); return s }

// own starts servers for one test, which may do to them what it likes.
func own(tb testing.TB, start func(ctx context.Context) (*site, error)) *site {
	tb.Helper()
	s, err := start(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.close(); err != nil {
			tb.Errorf("ending the servers: %v", err)
		}
	})
	return s
}

func ownSingle(tb testing.TB, args ...string) *site {
	tb.Helper()
	return own(tb, func(ctx context.Context) (*site, error) { return startSingle(ctx, args...) })
}

func TestMain(m *testing.M) {
	if run := os.Getenv(childVariable); run != "" {
		os.Exit(child(run))
	}
	code := m.Run()
	sharedSingle.stop()
	sharedCluster.stop()
	sharedSentinel.stop()
	os.Exit(code)
}

func soak() bool { return os.Getenv("BEAKER_SOAK") == "1" }

// place is where stores are made: a site, and a prefix of its own there.
type place struct {
	*site
	opts redisstore.Options
}

var prefixes atomic.Int64

// newPlace returns a place in which, when the test is through, no key is found that
// would never expire.
func newPlace(tb testing.TB, s *site) *place {
	tb.Helper()
	p := &place{s, redisstore.Options{Prefix: fmt.Sprintf("t%d-%d:", os.Getpid(), prefixes.Add(1)), Logger: quiet}}
	tb.Cleanup(func() { noEternalKeys(tb, s) })
	return p
}

// option is how clients of the site are made.
func (s *site) option() rueidis.ClientOption {
	return rueidis.ClientOption{
		InitAddress: s.addrs, Sentinel: rueidis.SentinelOption{MasterSet: s.masterSet}, DialCtxFn: redisstore.DialTCP,
	}
}

func (s *site) client(tb testing.TB, changes ...func(o *rueidis.ClientOption)) rueidis.Client {
	tb.Helper()
	o := s.option()
	for _, change := range changes {
		change(&o)
	}
	c, err := rueidis.NewClient(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// store returns a store with a client of its own, as another process has it.
func (p *place) store(tb testing.TB, changes ...func(o *rueidis.ClientOption)) *redisstore.Store {
	tb.Helper()
	return p.storeOn(tb, p.client(tb, changes...))
}

func (p *place) storeOn(tb testing.TB, c rueidis.Client) *redisstore.Store {
	tb.Helper()
	s, err := redisstore.New(tb.Context(), c, &p.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

// keysOf is a script that goes through a part of a server's keys. It returns the next
// cursor, and name and remaining time of each.
const keysOf = `local r=redis.call('SCAN',ARGV[1],'COUNT',1000) local out={r[1]} ` +
	`for _,k in ipairs(r[2]) do out[#out+1]=k out[#out+1]=redis.call('PTTL',k) end return out`

// eachKey goes through all keys of all masters. ttl is in milliseconds, -1 for never.
func (s *site) eachKey(tb testing.TB, f func(n *engines.RedisNode, key string, ttl int64)) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, n := range s.nodes {
		select {
		case <-n.Done():
			continue // the test has ended it
		default:
		}
		if !n.IsMaster(ctx) {
			continue
		}
		c, err := engines.DialRedis(ctx, n.Addr)
		if err != nil {
			tb.Fatal(err)
		}
		for cursor := ""; cursor != "0"; {
			if cursor == "" {
				cursor = "0"
			}
			v, err := c.Do(ctx, "EVAL", keysOf, "0", cursor)
			if err != nil {
				tb.Fatalf("going through the keys: %v", err)
			}
			list, _ := v.([]any)
			for i := 1; i+1 < len(list); i += 2 {
				name, _ := list[i].(string)
				ttl, _ := list[i+1].(int64)
				f(n, name, ttl)
			}
			cursor, _ = list[0].(string)
		}
		_ = c.Close()
	}
}

// noEternalKeys is run after every test: a key that never expires would stay for good
// if nobody deletes it.
func noEternalKeys(tb testing.TB, s *site) {
	tb.Helper()
	s.eachKey(tb, func(_ *engines.RedisNode, key string, ttl int64) {
		if ttl == -1 {
			tb.Errorf("the key %q never expires", key)
		}
	})
}

// keys returns the place's keys.
func (p *place) keys(tb testing.TB) []string {
	tb.Helper()
	var all []string
	p.eachKey(tb, func(_ *engines.RedisNode, key string, _ int64) {
		if strings.HasPrefix(key, p.opts.Prefix) {
			all = append(all, key)
		}
	})
	return all
}

// sum adds up a number in the INFO of all nodes that are up.
func (s *site) sum(tb testing.TB, field string) int {
	tb.Helper()
	total := 0
	for _, n := range s.nodes {
		text, err := n.Info(tb.Context(), field)
		if err != nil {
			tb.Fatal(err)
		}
		text, _, _ = strings.Cut(strings.TrimPrefix(text, "count="), ",") // errorstat_X:count=N
		if text == "" {
			continue
		}
		v, err := strconv.Atoi(text)
		if err != nil {
			tb.Fatalf("%s: %v", field, err)
		}
		total += v
	}
	return total
}
