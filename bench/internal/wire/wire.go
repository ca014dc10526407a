// Package wire counts the round trips of network clients.
package wire

import (
	"context"
	"net"
	"sync/atomic"
)

// Counter counts round trips on connections that it has made. What is written between
// two answers is one trip, so a pipeline counts once.
type Counter struct {
	n atomic.Int64
	// Sent, if it is not nil, is given everything that is written.
	Sent func(b []byte)
}

// Trips returns how many there were.
func (c *Counter) Trips() int64 { return c.n.Load() }

// Dial connects to a TCP address.
func (c *Counter) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc, nil
	}
	conn := &conn{TCPConn: tcp, counter: c}
	conn.answered.Store(true)
	return conn, nil
}

// conn embeds the type and not the interface: drivers look for its other methods.
type conn struct {
	*net.TCPConn
	counter  *Counter
	answered atomic.Bool // since the last write
}

func (c *conn) Write(b []byte) (int, error) {
	if c.answered.Swap(false) {
		c.counter.n.Add(1)
	}
	if c.counter.Sent != nil {
		c.counter.Sent(b)
	}
	return c.TCPConn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if n > 0 {
		c.answered.Store(true)
	}
	return n, err
}
