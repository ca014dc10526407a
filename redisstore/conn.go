package redisstore

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"github.com/redis/rueidis"
)

// DialTCP makes a connection for a rueidis.Client; [Open] uses it, and a client of your
// own should: as rueidis.ClientOption.DialCtxFn.
//
// A server that has too many clients already, or is in protected mode, says so to a new
// one before it is asked anything. To rueidis (1.0.79) that is a bug in the protocol, and
// it panics in a goroutine of its own, which ends the process. What this returns is read
// only when something was written, so that it is the answer to that: an error like any
// other.
func DialTCP(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if config != nil {
		return readLater((&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", addr))
	}
	return readLater(dialer.DialContext(ctx, "tcp", addr))
}

// guard makes a client's own way of dialling safe in the same way.
func guard(co *rueidis.ClientOption) {
	if co.DialCtxFn == nil {
		co.DialCtxFn = DialTCP
		return
	}
	inner := co.DialCtxFn
	co.DialCtxFn = func(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
		return readLater(inner(ctx, addr, dialer, config))
	}
}

func readLater(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return &guarded{Conn: conn, spoke: make(chan struct{})}, nil
}

// guarded is a connection that is read only after it was written to.
type guarded struct {
	net.Conn
	once  sync.Once
	spoke chan struct{} // closed by the first Write, or by Close
}

func (g *guarded) Read(b []byte) (int, error) {
	<-g.spoke
	return g.Conn.Read(b)
}

// Write lets the reader go before it writes: rueidis has queued by now who gets the answer.
func (g *guarded) Write(b []byte) (int, error) {
	g.once.Do(func() { close(g.spoke) })
	return g.Conn.Write(b)
}

func (g *guarded) Close() error {
	g.once.Do(func() { close(g.spoke) })
	return g.Conn.Close()
}
