package memcachetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

// network is a way to a server that can be made bad.
type network struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
	p     *place
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, p: placeOn(sharedServers(t)[0])}
	n.open("127.0.0.1:0")
	t.Cleanup(func() { n.proxy.Stop() })
	return n
}

// evil is what a network does to one of its two streams: upstream (commands) or
// downstream (answers).
type evil struct {
	kind, stream string
	attributes   map[string]any
}

// open starts a proxy under an address, which suffers from some evils from the start.
func (n *network) open(addr string, evils ...evil) {
	n.t.Helper()
	control := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()) // it listens nowhere
	n.proxy = toxiproxy.NewProxy(control, "memcached", addr, n.p.servers[0].Addr)
	for _, e := range evils {
		n.suffer(e)
	}
	if err := n.proxy.Start(); err != nil {
		n.t.Fatal(err)
	}
}

// store returns a store that waits so long for an answer.
func (n *network) store(timeout time.Duration) *memcachestore.Store {
	n.t.Helper()
	o := n.p.opts
	o.Timeout = timeout
	s, err := memcachestore.Open([]string{n.proxy.Listen}, &o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			n.t.Error(err)
		}
	})
	return s
}

// suffer makes all connections suffer from something, those that are open too. None of
// them may be in use: toxiproxy 2.5.0 waits forever when it changes what a connection
// suffers from while that connection dies.
func (n *network) suffer(e evil) {
	n.t.Helper()
	b, err := json.Marshal(map[string]any{"name": e.kind + e.stream, "type": e.kind, "stream": e.stream, "toxicity": 1.0, "attributes": e.attributes})
	if err == nil {
		_, err = n.proxy.Toxics.AddToxicJson(strings.NewReader(string(b)))
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// become cuts all connections; those that follow suffer from these evils and no others.
// It may be called at any time, since the old proxy is left as it is (see suffer) and a
// new one takes its address.
func (n *network) become(evils ...evil) {
	n.t.Helper()
	n.proxy.Stop()
	n.open(n.proxy.Listen, evils...)
}

// calls does one of each thing that a store does, each on a session of its own.
type calls struct {
	load, apply, remove, revoke, create *beaker.Record
	store                               *memcachestore.Store
}

func newCalls(t *testing.T, s *memcachestore.Store) *calls {
	subject := fmt.Sprintf("user-%x", unique("user"))
	c := &calls{
		load: created(t, s, newMeta(), "k", "v"), remove: created(t, s, newMeta()), revoke: created(t, s, metaOf(subject)),
		create: newRecord(t, newMeta(), "k", "v"), store: s,
	}
	c.apply = loaded(t, s, created(t, s, newMeta(), "k", "v").Key())
	return c
}

func (c *calls) all(t *testing.T) map[string]error {
	ctx := t.Context()
	_, load := c.store.Load(ctx, c.load.Key())
	_, apply := c.store.Apply(ctx, c.apply.Key(), setting(c.apply, "k", "w"))
	_, revoke := c.store.RevokeSubject(ctx, c.revoke.Subject(), epoch+minute)
	return map[string]error{
		"Load": load, "Apply": apply, "Delete": c.store.Delete(ctx, c.remove.Key()), "RevokeSubject": revoke, "Create": c.store.Create(ctx, c.create),
	}
}

// A network that swallows commands, or answers, or breaks, or cuts off: what changes
// nothing fails, what changes something is unknown, and is one of the two. When it is
// well again, so is everything.
func TestBadNetworks(t *testing.T) {
	for _, tc := range []struct {
		name, kind, stream string
		attributes         map[string]any
	}{
		{"commands are swallowed", "timeout", "upstream", map[string]any{"timeout": 0}},
		{"answers are swallowed", "timeout", "downstream", map[string]any{"timeout": 0}},
		{"connections are reset", "reset_peer", "upstream", map[string]any{"timeout": 0}},
		{"answers meet a reset", "reset_peer", "downstream", map[string]any{"timeout": 0}},
		{"commands are cut off", "limit_data", "upstream", map[string]any{"bytes": 40}},
		{"answers are cut off", "limit_data", "downstream", map[string]any{"bytes": 3}},
		{"commands come too late", "latency", "upstream", map[string]any{"latency": 2000}},
		{"answers come too late", "latency", "downstream", map[string]any{"latency": 2000}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			s := n.store(100 * time.Millisecond)
			// So long as the network is well, this machine may be slow.
			c := newCalls(t, n.store(30*time.Second))
			c.store = s
			c.apply = loadedWithin(t, s, c.apply.Key())
			n.suffer(evil{tc.kind, tc.stream, tc.attributes})
			for what, err := range c.all(t) {
				switch {
				case err == nil, errors.Is(err, beaker.ErrNotFound), errors.Is(err, beaker.ErrConflict), errors.Is(err, beaker.ErrCorrupt):
					t.Errorf("%s: %v", what, err)
				case what != "Load" && what != "RevokeSubject" && !errors.Is(err, beaker.ErrUncertain) && tc.kind != "limit_data" && tc.kind != "reset_peer":
					t.Errorf("%s: %v, want ErrUncertain", what, err)
				case !strings.Contains(err.Error(), "memcachestore: ") || !strings.HasSuffix(err.Error(), ")"):
					t.Errorf("%s: the error does not say what to do: %v", what, err)
				}
			}
			n.become()
			well := n.store(30 * time.Second)
			if !sameRecord(c.load, loaded(t, well, c.load.Key())) {
				t.Error("a session that was only read is another one")
			}
			for name, key := range map[string]beaker.RecordKey{"apply": c.apply.Key(), "revoke": c.revoke.Key(), "delete": c.remove.Key(), "create": c.create.Key()} {
				got, err := well.Load(t.Context(), key)
				if err != nil && (!errors.Is(err, beaker.ErrNotFound) || name == "apply") {
					t.Errorf("%s: %v", name, err)
				}
				if name == "apply" && err == nil && value(got, "k") != "v" && value(got, "k") != "w" {
					t.Errorf("k is %s", value(got, "k"))
				}
			}
			// The store that went through it goes on, with the connections that it has.
			again := newCalls(t, well)
			again.store = s
			again.apply = loadedWithin(t, s, again.apply.Key())
			for what, err := range again.all(t) {
				if err != nil && !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "no answer in time") {
					t.Errorf("%s when the network is well again: %v", what, err)
				}
			}
		})
	}
}

// loadedWithin is loaded for a store whose timeout is so short that this machine may be
// too slow for it.
func loadedWithin(t *testing.T, s *memcachestore.Store, key beaker.RecordKey) *beaker.Record {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		rec, err := s.Load(t.Context(), key)
		if err == nil {
			return rec
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Many users at once over a network that gets worse and better all the time: nobody sees
// another's session, no acknowledged count is lost, and none is counted twice.
func TestStorm(t *testing.T) {
	n := newNetwork(t)
	rounds, users := 15, 40
	if soak() {
		rounds = 1500
	}
	s := n.store(50 * time.Millisecond)
	well := n.store(30 * time.Second)
	type user struct {
		rec                  *beaker.Record
		acked, uncertain, no int
	}
	all := make([]*user, users)
	for i := range all {
		m := newMeta()
		if i%2 == 0 {
			m = metaOf(fmt.Sprintf("storm-%d-%x", i, unique("user")))
		}
		all[i] = &user{rec: created(t, well, m, "who", strconv.Itoa(i), "n", "0")}
	}
	calls := make(chan struct{}, rounds*users) // the weather changes with what happens, and not with the time
	var weather, crowd sync.WaitGroup
	weather.Go(func() {
		rnd := rand.New(rand.NewPCG(1, 2))
		kinds := []func() evil{
			func() evil { return evil{"latency", "downstream", map[string]any{"latency": 20, "jitter": 40}} },
			func() evil { return evil{"limit_data", "downstream", map[string]any{"bytes": 300 + rnd.IntN(1000)}} },
			func() evil { return evil{"limit_data", "upstream", map[string]any{"bytes": 300 + rnd.IntN(1000)}} },
			func() evil { return evil{"reset_peer", "downstream", map[string]any{"timeout": rnd.IntN(20)}} },
			func() evil {
				return evil{"slicer", "downstream", map[string]any{"average_size": 5, "size_variation": 3, "delay": 10}}
			},
		}
		for i := 0; ; i++ {
			for range 50 {
				if _, ok := <-calls; !ok {
					return
				}
			}
			if i%3 == 0 {
				n.become()
			} else {
				n.become(kinds[rnd.IntN(len(kinds))]())
			}
		}
	})
	for i, u := range all {
		crowd.Go(func() {
			for range rounds {
				calls <- struct{}{}
				got, err := s.Load(t.Context(), u.rec.Key())
				if err != nil {
					if errors.Is(err, beaker.ErrNotFound) || errors.Is(err, beaker.ErrCorrupt) {
						t.Errorf("user %d: Load: %v", i, err)
					}
					u.no++
					continue
				}
				if value(got, "who") != strconv.Itoa(i) || got.Subject() != u.rec.Subject() || got.Key() != u.rec.Key() {
					t.Errorf("user %d has the session of %s", i, value(got, "who"))
				}
				count, _ := strconv.Atoi(value(got, "n"))
				ch := changeOf(got)
				ch.Set, ch.IfVersion = values("n", strconv.Itoa(count+1)), got.Version()
				switch _, err := s.Apply(t.Context(), u.rec.Key(), ch); {
				case err == nil:
					u.acked++
				case errors.Is(err, beaker.ErrUncertain):
					u.uncertain++
				case errors.Is(err, beaker.ErrNotFound), errors.Is(err, beaker.ErrCorrupt):
					t.Errorf("user %d: Apply: %v", i, err)
				default:
					u.no++ // a conflict with its own earlier write, which came late, too
				}
			}
		})
	}
	crowd.Wait()
	close(calls)
	weather.Wait()
	n.become()
	var acked, uncertain, no, sum int
	for i, u := range all {
		got := loaded(t, well, u.rec.Key())
		count, _ := strconv.Atoi(value(got, "n"))
		if count < u.acked || count > u.acked+u.uncertain || value(got, "who") != strconv.Itoa(i) {
			t.Errorf("user %d: %d, want %d to %d", i, count, u.acked, u.acked+u.uncertain)
		}
		acked, uncertain, no, sum = acked+u.acked, uncertain+u.uncertain, no+u.no, sum+count
	}
	t.Logf("report: %d acknowledged, %d unknown, %d failed; they count %d", acked, uncertain, no, sum)
	if acked == 0 || no+uncertain == 0 {
		t.Error("the storm has shown nothing")
	}
}
