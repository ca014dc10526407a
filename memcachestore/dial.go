package memcachestore

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

// errStale is a connection that was found dead before anything was sent over it.
var errStale = errors.New("the connection was closed while it was idle")

// dial is how Open's clients connect.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.quiet = quietness(raw)
		}
	}
	return c, nil
}

// conn looks, before the first bytes of a command are sent, whether the server has
// closed the connection or has sent something that nobody asked for. Otherwise each
// connection that has died in the pool, after a restart of the server, would fail one
// call whose outcome is then unknown, though nothing was ever performed.
type conn struct {
	net.Conn
	quiet func() bool // nil: this system cannot tell
	idle  atomic.Bool // an answer was read, and nothing was written since
}

func (c *conn) Read(b []byte) (int, error) {
	c.idle.Store(true)
	return c.Conn.Read(b)
}

func (c *conn) Write(b []byte) (int, error) {
	if c.idle.Swap(false) && c.quiet != nil && !c.quiet() {
		return 0, errStale
	}
	return c.Conn.Write(b)
}
