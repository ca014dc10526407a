package redistest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker/redisstore"
)

// scissors end the connections of a client within a chosen command of a call, or within
// the answer to it. They follow what is said: a number of bytes of the connection would
// not do, because a client sends commands of its own between those of a call, and the
// first ones of a connection, whenever it likes.
type scissors struct {
	tb testing.TB

	mu    sync.Mutex
	at    *cut
	steps []step // what the commands of calls took, since the last begin
}

// cut is where a connection ends: when so many bytes of the command, or of its answer,
// have passed. The commands of a call are counted from 0, on all its connections.
type cut struct {
	dir         direction
	step, bytes int
}

// step is how long a command of a call was, and its answer.
type step struct{ request, answer int }

// use makes a client's connections pass between the blades, one to each server.
func (s *scissors) use(o *rueidis.ClientOption) {
	o.PipelineMultiplex = -1
	o.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		c, err := redisstore.DialTCP(ctx, addr, d, nil)
		if err != nil {
			return nil, err
		}
		return &cuttable{Conn: c, s: s}, nil
	}
}

// begin counts the commands of a call from here. A cut that is nil cuts nothing.
func (s *scissors) begin(at *cut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.steps = at, nil
}

// end returns what has passed since begin, and cuts nothing any more.
func (s *scissors) end() []step {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = nil
	return s.steps
}

// mended waits until a client has a connection to each server. One that was cut behind an
// answer is noticed when it is used, and that must not be by the next call.
func mended(tb testing.TB, c rueidis.Client) {
	tb.Helper()
	for addr, node := range c.Nodes() {
		until(tb, "a connection to "+addr, func() bool {
			return node.Do(tb.Context(), node.B().Ping().Build()).Error() == nil
		})
	}
}

// limit returns after how many bytes of a step to cut.
func (s *scissors) limit(dir direction, step int) (bytes int, cutting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil || s.at.dir != dir || s.at.step != step {
		return 0, false
	}
	return s.at.bytes, true
}

// add returns the number of a command of a call; -1 for a client's own.
func (s *scissors) add(name string, size int) int {
	if slices.Contains([]string{"HELLO", "CLIENT", "CLUSTER", "READONLY", "PING", "INFO", "ROLE", "SCRIPT"}, name) {
		return -1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, step{request: size})
	return len(s.steps) - 1
}

func (s *scissors) answered(step, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if step >= 0 && step < len(s.steps) { // else it is of a call before
		s.steps[step].answer = size
	}
}

// cuttable is a connection that scissors may end.
type cuttable struct {
	net.Conn
	s *scissors

	mu     sync.Mutex
	asked  []int  // the commands whose answers are to come, by their numbers
	answer []byte // what is there of the next answer
}

// Write implements [net.Conn].
func (c *cuttable) Write(b []byte) (int, error) {
	for from := 0; from < len(b); {
		size := respLen(b[from:])
		if size < 0 {
			c.s.tb.Errorf("a command in pieces, of which one is %.100q", b[from:])
			break
		}
		name := commandOf(b[from : from+size])
		number := c.s.add(name, size)
		if name != "SUBSCRIBE" { // which is answered by pushes
			c.mu.Lock()
			c.asked = append(c.asked, number)
			c.mu.Unlock()
		}
		if limit, ok := c.s.limit(requests, number); ok && limit <= size {
			n, err := c.Conn.Write(b[:from+limit])
			_ = c.Close() // it is what is wanted
			if err == nil {
				err = net.ErrClosed
			}
			return n, err
		}
		from += size
	}
	return c.Conn.Write(b)
}

// Read implements [net.Conn].
func (c *cuttable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.answer) // how much of the answer had passed already
	c.answer = append(c.answer, b[:n]...)
	for start := -before; len(c.answer) > 0; {
		number := -1
		push := c.answer[0] == '>' // it answers nothing
		if !push && len(c.asked) > 0 {
			number = c.asked[0]
		}
		size := respLen(c.answer)
		if limit, ok := c.s.limit(answers, number); ok && limit <= len(c.answer) && (size < 0 || limit <= size) {
			_ = c.Close() // it is what is wanted
			if start+limit > 0 {
				return start + limit, nil // the next Read fails
			}
			return 0, net.ErrClosed
		}
		if size < 0 {
			break
		}
		if !push && len(c.asked) > 0 {
			c.asked = c.asked[1:]
			c.s.answered(number, size)
		}
		c.answer = c.answer[size:]
		start += size
	}
	return n, err
}

// commandOf returns the name of a command.
func commandOf(b []byte) string {
	parts := bytes.SplitN(b, []byte("\r\n"), 4)
	if len(parts) < 4 {
		return ""
	}
	return string(parts[2])
}

// respLen returns how long the first value in b is, in Redis's protocol; -1 if not all
// of it is there.
func respLen(b []byte) int {
	line := bytes.Index(b, []byte("\r\n"))
	if line < 0 {
		return -1
	}
	end := line + 2
	n, err := strconv.Atoi(string(b[1:line]))
	if err != nil || n < 0 { // a text, a number with a point, or nothing
		return end
	}
	switch b[0] {
	case '$', '=', '!':
		if end += n + 2; end > len(b) {
			return -1
		}
		return end
	case '%':
		n *= 2
	case '*', '~', '>':
	default:
		return end
	}
	for range n {
		size := respLen(b[end:])
		if size < 0 {
			return -1
		}
		end += size
	}
	return end
}

func (c cut) String() string {
	what := "the request"
	if c.dir == answers {
		what = "the answer"
	}
	return fmt.Sprintf("%d bytes of %s of command %d", c.bytes, what, c.step+1)
}

// cutsOf returns where to cut a call of which the commands were so long: within each of
// them, and within each answer, and right behind them.
func cutsOf(steps []step) []*cut {
	var all []*cut
	for i, st := range steps {
		for _, way := range []struct {
			dir  direction
			size int
		}{{requests, st.request}, {answers, st.answer}} {
			points := []int{0, 1, way.size / 4, way.size / 2, way.size * 3 / 4, way.size - 1, way.size}
			if soak() {
				points = nil
				for n := range way.size + 1 {
					points = append(points, n)
				}
			}
			slices.Sort(points)
			for _, n := range slices.Compact(points) {
				all = append(all, &cut{way.dir, i, n})
			}
		}
	}
	return all
}
