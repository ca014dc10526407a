package redistest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/redis/rueidis"
	"github.com/rs/zerolog"

	"github.com/seed12c5fab1/beaker/redisstore"
)

// network stands between a client and servers, one proxy for each address that the
// client dials, so that it works for the nodes that a cluster or a sentinel names too.
type network struct {
	tb      testing.TB
	control *toxiproxy.ApiServer // its proxies are used in this process; it listens nowhere

	mu      sync.Mutex
	proxies map[string]*toxiproxy.Proxy
	listens map[string]string // where they listen
	toxics  []string          // what each proxy has, as JSON
	down    bool
}

func newNetwork(tb testing.TB) *network {
	n := &network{
		tb:      tb,
		control: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		proxies: map[string]*toxiproxy.Proxy{},
		listens: map[string]string{},
	}
	tb.Cleanup(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, p := range n.proxies {
			p.Stop()
		}
	})
	return n
}

// use makes a client go through the network.
func (n *network) use(o *rueidis.ClientOption) {
	// One connection, which the test has used before it breaks the network. Of several, a
	// key would choose one that is not there yet, and whose greeting would be lost.
	o.PipelineMultiplex = -1
	o.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		proxy, err := n.proxy(addr)
		if err != nil {
			return nil, err
		}
		return redisstore.DialTCP(ctx, proxy, d, nil)
	}
}

// proxy returns where the proxy for an address listens.
func (n *network) proxy(addr string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if listen := n.listens[addr]; listen != "" {
		return listen, nil
	}
	p := toxiproxy.NewProxy(n.control, addr, "127.0.0.1:0", addr)
	if n.down {
		return "", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if err := p.Start(); err != nil {
		return "", err
	}
	for _, toxic := range n.toxics {
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return "", err
		}
	}
	n.proxies[addr], n.listens[addr] = p, p.Listen
	return p.Listen, nil
}

// each runs f on every proxy there is.
func (n *network) each(f func(p *toxiproxy.Proxy) error) {
	n.tb.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for addr, p := range n.proxies {
		if err := f(p); err != nil {
			n.tb.Fatalf("the network to %s: %v", addr, err)
		}
	}
}

type direction string

const (
	requests direction = "upstream"
	answers  direction = "downstream"
)

// add makes all connections, those of later as well, suffer from something.
func (n *network) add(kind string, dir direction, attributes map[string]any) {
	n.tb.Helper()
	b, err := json.Marshal(map[string]any{
		"name": kind + " " + string(dir), "type": kind, "stream": dir, "toxicity": 1.0, "attributes": attributes,
	})
	if err != nil {
		n.tb.Fatal(err)
	}
	n.mu.Lock()
	n.toxics = append(n.toxics, string(b))
	n.mu.Unlock()
	n.each(func(p *toxiproxy.Proxy) error {
		_, err := p.Toxics.AddToxicJson(strings.NewReader(string(b)))
		return err
	})
}

// swallow drops all bytes of a direction from now on: a black hole, in which nothing is
// refused and nothing ends. heal then closes the connections that it was in.
func (n *network) swallow(dir direction) {
	n.tb.Helper()
	n.add("timeout", dir, map[string]any{"timeout": 0})
}

// delay holds every piece back for ms milliseconds, give or take jitter.
func (n *network) delay(dir direction, ms, jitter int) {
	n.tb.Helper()
	n.add("latency", dir, map[string]any{"latency": ms, "jitter": jitter})
}

// heal takes everything away that was added.
func (n *network) heal() {
	n.tb.Helper()
	n.mu.Lock()
	n.toxics = nil
	n.mu.Unlock()
	n.each(func(p *toxiproxy.Proxy) error {
		p.Toxics.ResetToxics(context.Background())
		return nil
	})
}

// fail closes all connections and refuses new ones; restore takes them again.
func (n *network) fail() {
	n.tb.Helper()
	n.mu.Lock()
	n.down = true
	n.mu.Unlock()
	n.each(func(p *toxiproxy.Proxy) error { p.Stop(); return nil })
}

func (n *network) restore() {
	n.tb.Helper()
	n.mu.Lock()
	n.down = false
	n.mu.Unlock()
	n.each(func(p *toxiproxy.Proxy) error { return p.Start() })
}

// cut closes all connections, and takes new ones.
func (n *network) cut() { n.tb.Helper(); n.fail(); n.restore() }
