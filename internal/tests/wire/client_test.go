// Package wire_test asks a real server over a plain TCP connection, byte by byte, over
// HTTP/1 and over HTTP/2: net/http's client tidies up what a hostile one would not, and
// keeps from a test what a browser would see.
package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/seed12c5fab1/beaker/internal/leaks"
)

func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }

// request is what is sent. Its fields go out as they are, in this order.
type request struct {
	method, path string
	fields       [][2]string
}

// response is what came back.
type response struct {
	status int // 0: the server hung up, or reset the stream, without an answer
	header http.Header
	body   string
	early  []http.Header // of informational responses
	broken bool          // it ended before it was complete
}

// text is all of a response but its date, in one order.
func (r response) text() string {
	var b bytes.Buffer
	fmt.Fprintln(&b, r.status)
	h := r.header.Clone()
	h.Del("Date")
	_ = h.Write(&b) // a buffer does not fail
	return b.String() + "\n" + r.body
}

func (r response) cookies(name string) (lines []string) {
	for _, l := range r.header["Set-Cookie"] {
		if strings.HasPrefix(l, name+"=") {
			lines = append(lines, l)
		}
	}
	return lines
}

// client is a way to ask. Its connection is kept from one request to the next.
type client interface {
	do(ctx context.Context, r request) (response, error)
	close()
}

var clients = map[string]func(addr string) client{
	"HTTP1": func(addr string) client { return &http1{addr: addr} },
	"HTTP2": func(addr string) client { return &http2Client{addr: addr} },
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(deadline)
	}
	return conn, err
}

// http1 writes requests as text.
type http1 struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

func (c *http1) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nobody waits for it any more
		c.conn = nil
	}
}

func (c *http1) do(ctx context.Context, r request) (out response, err error) {
	if c.conn == nil {
		if c.conn, err = dial(ctx, c.addr); err != nil {
			return out, err
		}
		c.in = bufio.NewReader(c.conn)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: example.com\r\n", r.method, r.path)
	for _, f := range r.fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(c.conn, b.String()); err != nil {
		c.close()
		return out, nil //nolint:nilerr // it refuses to read on
	}
	for {
		resp, err := http.ReadResponse(c.in, &http.Request{Method: r.method})
		if err != nil {
			c.close()
			return out, nil //nolint:nilerr // no answer
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 {
			out.early = append(out.early, resp.Header)
			continue
		}
		out.status, out.header = resp.StatusCode, resp.Header
		body, err := io.ReadAll(resp.Body)
		out.body, out.broken = string(body), err != nil
		if resp.Close || err != nil {
			c.close()
		}
		return out, nil
	}
}

// http2Client writes frames, with golang.org/x/net's: net/http keeps its own to itself.
type http2Client struct {
	addr   string
	conn   net.Conn
	framer *http2.Framer
	buf    bytes.Buffer
	enc    *hpack.Encoder
	stream uint32
}

func (c *http2Client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // as above
		c.conn = nil
	}
}

func (c *http2Client) open(ctx context.Context) (err error) {
	if c.conn, err = dial(ctx, c.addr); err != nil {
		return err
	}
	if _, err := io.WriteString(c.conn, http2.ClientPreface); err != nil {
		return err
	}
	c.framer = http2.NewFramer(c.conn, c.conn)
	c.framer.AllowIllegalWrites = true
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.buf.Reset()
	c.enc, c.stream = hpack.NewEncoder(&c.buf), 1
	return errors.Join(c.framer.WriteSettings(), c.framer.WriteWindowUpdate(0, 1<<30))
}

func (c *http2Client) do(ctx context.Context, r request) (out response, err error) {
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return out, err
		}
	}
	id := c.stream
	c.stream += 2
	c.buf.Reset()
	fields := [][2]string{{":method", r.method}, {":scheme", "http"}, {":authority", "example.com"}, {":path", r.path}}
	for _, f := range r.fields {
		fields = append(fields, [2]string{strings.ToLower(f[0]), f[1]})
	}
	for _, f := range fields {
		if err := c.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true}); err != nil {
			return out, err
		}
	}
	block := c.buf.Bytes()
	const frame = 16 << 10
	first := block[:min(frame, len(block))]
	err = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: true, EndHeaders: len(first) == len(block)})
	for rest := block[len(first):]; len(rest) > 0 && err == nil; {
		part := rest[:min(frame, len(rest))]
		rest = rest[len(part):]
		err = c.framer.WriteContinuation(id, len(rest) == 0, part)
	}
	if err != nil {
		c.close()
		return out, nil //nolint:nilerr // it refuses to read on
	}
	return c.read(id)
}

func (c *http2Client) read(id uint32) (out response, err error) {
	for {
		f, err := c.framer.ReadFrame()
		if err != nil {
			c.close()
			return out, nil //nolint:nilerr // no answer
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := c.framer.WriteSettingsAck(); err != nil {
					return out, err
				}
			}
		case *http2.GoAwayFrame:
			c.close()
			return out, nil
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				out.broken = out.status != 0
				return out, nil
			}
		case *http2.MetaHeadersFrame:
			h := http.Header{}
			for _, hf := range f.RegularFields() {
				h.Add(hf.Name, hf.Value)
			}
			status, err := strconv.Atoi(f.PseudoValue("status"))
			switch {
			case err != nil: // trailers
			case status >= 100 && status < 200:
				out.early = append(out.early, h)
				continue
			default:
				out.status, out.header = status, h
			}
			if f.StreamEnded() {
				return out, nil
			}
		case *http2.DataFrame:
			out.body += string(f.Data())
			if f.StreamEnded() {
				return out, nil
			}
			if n := len(f.Data()); n > 0 {
				if err := c.framer.WriteWindowUpdate(id, uint32(n)); err != nil {
					return out, err
				}
			}
		}
	}
}

// The clients see the same, or the one that sees less proves nothing.
func TestTheClientsSeeWhatIsSent(t *testing.T) {
	addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hints":
			w.Header().Set("Link", "x")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
		case "/abort":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush() // as far as it gets
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("X-Proto", r.Proto)
			fmt.Fprintf(w, "%q", r.Header["Cookie"])
		}
	}))
	for name, open := range clients {
		c := open(addr)
		defer c.close()
		ask := asker(t, c)
		got := ask(request{"GET", "/", [][2]string{{"Cookie", "a=1; b=\"\x80\\"}, {"Cookie", "c=3"}}})
		want := map[string]string{"HTTP1": `["a=1; b=\"\x80\\" "c=3"]`, "HTTP2": `["a=1; b=\"\x80\\; c=3"]`}[name]
		if proto := strings.Replace(got.header.Get("X-Proto"), "/1.1", "1", 1); got.status != 200 || got.body != want || strings.Replace(proto, "/2.0", "2", 1) != name {
			t.Errorf("%s: %d %s over %s, want %s", name, got.status, got.body, proto, want)
		}
		got = ask(request{"GET", "/hints", nil})
		if got.status != http.StatusTeapot || len(got.early) != 1 || got.early[0].Get("Link") != "x" {
			t.Errorf("%s: %+v", name, got)
		}
		if got := ask(request{"GET", "/", [][2]string{{"Cookie", "a=\x00"}}}); got.status == 200 {
			t.Errorf("%s: a NUL is %d", name, got.status)
		}
		if got := ask(request{"GET", "/abort", nil}); got.status != 200 || !got.broken {
			t.Errorf("%s: an aborted response is %+v", name, got)
		}
		if got := ask(request{"GET", "/", [][2]string{{"X", strings.Repeat("x", 100_000)}}}); got.status != 200 {
			t.Errorf("%s: after that, a large request is %d", name, got.status)
		}
	}
}

// asker fails the test where a client fails, and looks for leaks in each response.
func asker(t *testing.T, c client) func(r request) response {
	return func(r request) response {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := c.do(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		leaks.Response(t, out.header, []byte(out.body))
		for _, h := range out.early {
			if len(h["Set-Cookie"]) != 0 {
				t.Error("CA-4: a cookie in an informational response")
			}
		}
		return out
	}
}
