//go:build linux

package engines

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// RedisConn is a plain connection to a Redis server, for what a test asks the server
// itself: what it holds, what it was told, and who is master. One goroutine at a time
// uses it. It does not retry, redirect or pipeline, on purpose: what it reports is what
// this one server said.
type RedisConn struct {
	conn net.Conn
	in   *bufio.Reader
}

// RedisError is an error that the server answered.
type RedisError string

func (e RedisError) Error() string { return string(e) }

// DialRedis connects to a server.
func DialRedis(ctx context.Context, addr string) (*RedisConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &RedisConn{conn, bufio.NewReaderSize(conn, 1<<16)}, nil
}

// Close closes the connection.
func (c *RedisConn) Close() error { return c.conn.Close() }

// Do sends a command and returns the answer: a string, an int64, nil, or a []any of
// these, in which errors of single elements are RedisErrors. An error that is the
// answer is returned as a RedisError.
func (c *RedisConn) Do(ctx context.Context, args ...string) (any, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute) //nolint:forbidigo // a real wait
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(c.conn, b.String()); err != nil {
		return nil, err
	}
	return c.Next()
}

// Next reads one more answer: after MONITOR or SUBSCRIBE the server goes on talking.
func (c *RedisConn) Next() (any, error) {
	v, err := c.read()
	if err != nil {
		return nil, err
	}
	if e, ok := v.(RedisError); ok {
		return nil, e
	}
	return v, nil
}

func (c *RedisConn) read() (any, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, fmt.Errorf("engines: an empty answer")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return RedisError(rest), nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("engines: the answer %q: %w", line, err)
	}
	switch {
	case kind == ':':
		return n, nil
	case n < 0:
		return nil, nil
	case kind == '$':
		b := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, b); err != nil {
			return nil, err
		}
		return string(b[:n]), nil
	case kind == '*':
		list := make([]any, n)
		for i := range list {
			if list[i], err = c.read(); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("engines: the answer %q is of no known kind", line)
}
