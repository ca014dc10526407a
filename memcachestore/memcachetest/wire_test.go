package memcachetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker/memcachestore"
)

// fate is what becomes of a command.
type fate int

const (
	goes       fate = iota
	answerLost      // it is performed, and then the connection breaks
	answerLate      // it is performed, and no answer comes in time
	neverSent       // the connection breaks, and it is not performed
	sentLater       // as neverSent, but it is performed when the test says so
)

// wire is the network between one store and its servers: it sees every command, and
// decides what becomes of it.
type wire struct {
	mu    sync.Mutex
	log   []string // the command lines
	hook  func(command string) fate
	edit  func(command string, answer []byte) []byte // what the store reads in its place; nil: as it is
	later []func()                                   // what sentLater has held back
}

// watched returns a store whose commands go over a wire.
func (p *place) watched(tb testing.TB) (*memcachestore.Store, *wire) {
	tb.Helper()
	s, w, err := watch(p.addrs(), p.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s.Store, w
}

// wired is a store with a client that it does not close itself.
type wired struct {
	*memcachestore.Store
	client *memcache.Client
}

func (s wired) close() error { return errors.Join(s.Close(), s.client.Close()) }

func watch(addrs []string, o memcachestore.Options) (wired, *wire, error) {
	w := &wire{}
	client := memcache.New(addrs...)
	client.Timeout, client.MaxIdleConns, client.DialContext = o.Timeout, 16, w.dial
	o.Timeout = 0
	s, err := memcachestore.New(client, &o)
	return wired{s, client}, w, err
}

// on sets what happens to commands from now on; nil lets them go.
func (w *wire) on(hook func(command string) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = hook
}

// says makes the store read other answers from now on; nil ends that.
func (w *wire) says(edit func(command string, answer []byte) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edit = edit
}

// once lets one command of a verb have a fate: the nth from now, counted from 1.
func (w *wire) once(verb string, nth int, f fate) {
	var mu sync.Mutex
	w.on(func(command string) fate {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(command, verb+" ") {
			if nth--; nth == 0 {
				return f
			}
		}
		return goes
	})
}

// take returns the command lines since the last call.
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.log
	w.log = nil
	return log
}

// verbs returns the verbs of the commands since the last call.
func (w *wire) verbs() []string {
	verbs := w.take()
	for i, line := range verbs {
		verbs[i], _, _ = strings.Cut(line, " ")
	}
	return verbs
}

// deliver performs what was held back, as a network may at any time.
func (w *wire) deliver() int {
	w.mu.Lock()
	later := w.later
	w.later = nil
	w.mu.Unlock()
	for _, f := range later {
		f()
	}
	return len(later)
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c, w: w, fresh: true}, nil
}

type wireConn struct {
	net.Conn
	w     *wire
	fresh bool // no part of the next command was written yet
	fate  fate
	held  []byte

	command string
	rest    []byte // of an answer that was changed
}

func (c *wireConn) Write(b []byte) (int, error) {
	if c.fresh {
		c.fresh = false
		line, _, _ := bytes.Cut(b, []byte("\r\n"))
		c.command = string(line)
		c.w.mu.Lock()
		c.w.log = append(c.w.log, c.command)
		hook := c.w.hook
		c.w.mu.Unlock()
		if c.fate = goes; hook != nil {
			c.fate = hook(string(line))
		}
	}
	if c.fate == neverSent || c.fate == sentLater {
		c.held = append(c.held, b...)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *wireConn) Read(b []byte) (int, error) {
	c.fresh = true
	switch c.fate {
	case goes:
		return c.answer(b)
	case answerLost, answerLate:
		n, err := c.Conn.Read(b) // then it was performed
		clear(b[:n])
		if err != nil {
			return 0, err
		}
		if c.fate == answerLate {
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
		}
	case neverSent:
	case sentLater:
		addr, held := c.RemoteAddr(), slices.Clone(c.held)
		c.w.mu.Lock()
		c.w.later = append(c.w.later, func() { perform(addr, held) })
		c.w.mu.Unlock()
	}
	return 0, io.EOF
}

// answer reads what the server says, or what the test makes of it.
func (c *wireConn) answer(b []byte) (int, error) {
	if len(c.rest) == 0 {
		c.w.mu.Lock()
		edit := c.w.edit
		c.w.mu.Unlock()
		n, err := c.Conn.Read(b)
		if edit == nil || err != nil {
			return n, err
		}
		c.rest = edit(c.command, slices.Clone(b[:n]))
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// perform sends a command over a new connection and waits for its answer.
func perform(addr net.Addr, command []byte) {
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		return // the test sees that nothing has changed
	}
	defer c.Close()
	if _, err := c.Write(command); err == nil {
		_, _ = c.Read(make([]byte, 1)) // it has been performed
	}
}

// storeLike returns a store that shares the keys of watched ones.
func (p *place) storeLike(tb testing.TB) *memcachestore.Store {
	tb.Helper()
	s, _ := p.watched(tb)
	return s
}
