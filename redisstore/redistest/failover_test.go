package redistest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/redisstore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// failing is a site whose first master a test kills, so that its replica takes over.
type failing struct {
	*site
	master, replica *engines.RedisNode
	takenOver       func(ctx context.Context) error
	rejoin          func(ctx context.Context) error // the old master comes back as a replica
}

// How long a master is silent before it is given up. It must be long enough for a
// machine that does much else, and is what the tests wait for.
const givenUpAfter = 1500 * time.Millisecond

func failingCluster(tb testing.TB) *failing {
	tb.Helper()
	var c *engines.RedisCluster
	s := own(tb, func(ctx context.Context) (*site, error) {
		var err error
		if c, err = engines.StartRedisCluster(ctx, givenUpAfter); err != nil {
			return nil, err
		}
		return clusterSite(c), nil
	})
	return &failing{
		s, c.Nodes[0], c.Replica(0),
		func(ctx context.Context) error { return c.TakenOver(ctx, c.Replica(0)) },
		func(ctx context.Context) error { return c.Nodes[0].Again(ctx) },
	}
}

func failingSentinel(tb testing.TB) *failing {
	tb.Helper()
	var c *engines.RedisSentinel
	s := own(tb, func(ctx context.Context) (*site, error) {
		var err error
		if c, err = engines.StartRedisSentinel(ctx, givenUpAfter); err != nil {
			return nil, err
		}
		return sentinelSite(c), nil
	})
	return &failing{
		s, c.Nodes[0], c.Nodes[1],
		func(ctx context.Context) error { return c.TakenOver(ctx, c.Nodes[1]) },
		func(ctx context.Context) error {
			if err := c.Nodes[0].Again(ctx); err != nil {
				return err
			}
			// The sentinels would do it too, after eight seconds.
			_, err := c.Nodes[0].Do(ctx, "REPLICAOF", "127.0.0.1", c.Nodes[1].Addr[len("127.0.0.1:"):])
			return err
		},
	}
}

// on reports which of the names lie on the master that dies.
func (f *failing) on(tb testing.TB, names ...string) bool {
	tb.Helper()
	if f.masterSet != "" {
		return true
	}
	for _, name := range names {
		if _, err := f.master.Do(tb.Context(), "EXISTS", name); err != nil {
			if strings.HasPrefix(err.Error(), "MOVED") {
				return false
			}
			tb.Fatal(err)
		}
	}
	return true
}

// synced waits until the replica has what the master has.
func (f *failing) synced(tb testing.TB) {
	tb.Helper()
	c, err := engines.DialRedis(tb.Context(), f.master.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	// WAIT is about what its own connection wrote, and before.
	if _, err := c.Do(tb.Context(), "EVAL", "return redis.call('SET',KEYS[1],'','PX',1000)", "1", f.padding(tb)); err != nil {
		tb.Fatal(err)
	}
	if n, err := c.Do(tb.Context(), "WAIT", "1", "60000"); err != nil || n != int64(1) {
		tb.Fatalf("the replica does not follow: %v, %v", n, err)
	}
}

// padding is the name of a key that lies on the master.
func (f *failing) padding(tb testing.TB) string {
	tb.Helper()
	for i := range 1000 {
		if name := fmt.Sprintf("padding-%d", i); f.on(tb, name) {
			return name
		}
	}
	tb.Fatal("no name lies on the master")
	return ""
}

// subjects of one kind of operation, all of whose keys lie on the master.
func (f *failing) sessions(tb testing.TB, p *place, s *redisstore.Store, n int) []*beaker.Record {
	tb.Helper()
	var recs []*beaker.Record
	for len(recs) < n {
		m := metaOf(fmt.Sprintf("user-%x", unique("subject")))
		if f.on(tb, p.sessionKey(m.Key), p.indexKey(m.Subject)) {
			recs = append(recs, created(tb, s, m, "k", "v"))
		}
	}
	return recs
}

// ending is a way to make a cookie worthless for good.
type ending struct {
	name string
	do   func(ctx context.Context, s *redisstore.Store, rec *beaker.Record) error
	// back says whether what was ended is open again.
	back func(tb testing.TB, s *redisstore.Store, rec *beaker.Record) bool
}

func alive(tb testing.TB, s *redisstore.Store, rec *beaker.Record) bool {
	tb.Helper()
	got, err := s.Load(tb.Context(), rec.Key())
	if err != nil && !errors.Is(err, beaker.ErrNotFound) {
		tb.Fatalf("Load after the failover: %v", err)
	}
	return err == nil && got.CheckProof(rec.Meta().Proof, epoch+2000) == beaker.ProofCurrent
}

var endings = []ending{
	{"Delete", func(ctx context.Context, s *redisstore.Store, rec *beaker.Record) error {
		return s.Delete(ctx, rec.Key())
	}, alive},
	{"rotation", func(ctx context.Context, s *redisstore.Store, rec *beaker.Record) error {
		_, err := s.Apply(ctx, rec.Key(), rotating(rec))
		return err
	}, alive},
	{"RevokeSubject", func(ctx context.Context, s *redisstore.Store, rec *beaker.Record) error {
		n, err := s.RevokeSubject(ctx, rec.Subject(), epoch+1000)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d sessions were ended", n)
		}
		return err
	}, alive},
	{"late login after RevokeSubject", func(ctx context.Context, s *redisstore.Store, rec *beaker.Record) error {
		_, err := s.RevokeSubject(ctx, rec.Subject(), epoch+1000)
		return err
	}, func(tb testing.TB, s *redisstore.Store, rec *beaker.Record) bool {
		tb.Helper()
		m := metaOf(rec.Subject())
		m.AuthenticatedAt = epoch + 1000
		late, err := beaker.NewRecord(m, nil)
		if err == nil {
			err = s.Create(tb.Context(), late)
		}
		if err != nil && !errors.Is(err, beaker.ErrRevoked) {
			tb.Fatalf("a late login after the failover: %v", err)
		}
		return err == nil
	}},
}

// A master dies whose replica is behind. What had been acknowledged without waiting for
// the replica comes back, which is shown here to happen; with WaitReplicas nothing that
// was acknowledged does.
//
// Meanwhile users get 503 and keep their cookies, and afterwards nobody has to restart
// anything.
func failover(t *testing.T, f *failing) {
	each := 25
	if soak() {
		each = 200
	}
	p := newPlace(t, f.site)
	hasty := p.store(t)
	careful := *p
	careful.opts.WaitReplicas, careful.opts.WaitTimeout = 1, 50*time.Millisecond
	waiting := careful.store(t)

	type group struct{ hasty, before, behind []*beaker.Record }
	groups := make([]group, len(endings))
	for i := range endings {
		groups[i] = group{f.sessions(t, p, hasty, each), f.sessions(t, p, hasty, each), f.sessions(t, p, hasty, each)}
	}
	nodes := newApp(t, func(c *beaker.Config) { c.StoreTimeout = 500 * time.Millisecond }, hasty, p.store(t))
	var users []*sessiontest.Browser
	for len(users) < 4 {
		b := nodes.browser()
		mustAsk(t, b, 0, fmt.Sprintf("/login?who=fred-%d", len(users)))
		if f.on(t, p.sessionKey(beaker.RecordKey(handleOf(t, nodes, b)))) {
			users = append(users, b)
		}
	}
	f.synced(t)

	// While the replica follows, waiting for it succeeds.
	for i, e := range endings {
		for _, rec := range groups[i].before {
			if err := e.do(t.Context(), waiting, rec); err != nil {
				t.Fatalf("%s with a replica that follows: %v", e.name, err)
			}
		}
	}
	if err := f.master.Fall(t.Context(), f.replica, f.padding(t), 60<<20); err != nil {
		t.Fatal(err)
	}
	for i, e := range endings {
		for _, rec := range groups[i].hasty {
			if err := e.do(t.Context(), hasty, rec); err != nil {
				t.Fatalf("%s without waiting: %v", e.name, err)
			}
		}
	}
	// Each of them has a connection of its own, and a server takes some hundreds at once.
	atOnce := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for i, e := range endings {
		for _, rec := range groups[i].behind {
			atOnce <- struct{}{}
			wg.Go(func() {
				defer func() { <-atOnce }()
				// It is done on the master, but may be lost: that is not known.
				if err := e.do(t.Context(), waiting, rec); !errors.Is(err, beaker.ErrUncertain) {
					t.Errorf("%s with a replica that is behind: %v, want ErrUncertain", e.name, err)
				}
			})
		}
	}
	wg.Wait()
	if t.Failed() {
		return
	}

	f.master.Kill()
	f.replica.Resume()
	over := make(chan error, 1)
	go func() { over <- f.takenOver(t.Context()) }()
	refused := 0
	for waiting := true; waiting; {
		select {
		case err := <-over:
			if err != nil {
				t.Fatal(err)
			}
			waiting = false
		default:
		}
		for i, b := range users {
			if r := ask(b, i%2, "/read"); r.Status != http.StatusOK {
				wantUnavailable(t, r)
				refused++
			} else if want := fmt.Sprintf("fred-%d 0", i); r.Body != want {
				t.Errorf("during the outage, a user is %q, want %q", r.Body, want)
			}
		}
	}
	if refused == 0 {
		t.Error("nobody noticed the outage: it has shown nothing")
	}
	for i, b := range users {
		for n := range 2 {
			until(t, "service on every node after the failover, by itself", func() bool {
				r := ask(b, n, "/read")
				if r.Status != http.StatusOK {
					wantUnavailable(t, r)
					return false
				}
				if want := fmt.Sprintf("fred-%d 0", i); r.Body != want {
					t.Errorf("after the outage, a user is %q, want %q", r.Body, want)
				}
				return true
			})
		}
	}
	t.Logf("report: %d requests were answered 503 during the outage", refused)

	// Both stores have found the new master.
	for _, s := range []*redisstore.Store{hasty, waiting} {
		until(t, "a store that finds the new master", func() bool {
			_, err := s.Load(t.Context(), groups[0].hasty[0].Key())
			return err == nil || errors.Is(err, beaker.ErrNotFound)
		})
	}
	for i, e := range endings {
		back := func(recs []*beaker.Record) (n int) {
			for _, rec := range recs {
				if e.back(t, hasty, rec) {
					n++
				}
			}
			return n
		}
		lost, kept, unknown := back(groups[i].hasty), back(groups[i].before), back(groups[i].behind)
		t.Logf("report: %s: acknowledged without waiting: %d of %d came back; acknowledged with WaitReplicas: %d of %d; ErrUncertain with WaitReplicas: %d of %d",
			e.name, lost, each, kept, each, unknown, each)
		if lost == 0 {
			t.Errorf("%s: nothing came back that did not wait for the replica: the replica was not behind, and nothing was shown", e.name)
		}
		if kept != 0 {
			t.Errorf("%s: %d came back that had been acknowledged with WaitReplicas", e.name, kept)
		}
	}
	// Who was told ErrUncertain asks again, and is told that nobody is there to wait for:
	// the old master is dead, and the new one has no replica.
	for _, rec := range groups[0].behind[:3] {
		if err := waiting.Delete(t.Context(), rec.Key()); !errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("Delete with WaitReplicas where there is no replica: %v, want ErrUncertain", err)
		}
	}
	if err := f.rejoin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, rec := range groups[0].behind {
		until(t, "Delete again, once there is a replica", func() bool {
			err := waiting.Delete(t.Context(), rec.Key())
			if err != nil && !errors.Is(err, beaker.ErrUncertain) {
				t.Errorf("Delete again: %v", err)
			}
			return err == nil
		})
		wantGone(t, hasty, rec.Key(), "after Delete was repeated until it was acknowledged")
	}
}

func TestClusterFailover(t *testing.T)  { failover(t, failingCluster(t)) }
func TestSentinelFailover(t *testing.T) { failover(t, failingSentinel(t)) }
