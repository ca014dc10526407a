package server_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/server"
	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// What opens a session is in no answer and no line of the log.
func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }

// watched is a log that tells when a line with a certain text is written.
type watched struct {
	mu    sync.Mutex
	b     bytes.Buffer
	text  string
	found chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.text != "" && bytes.Contains(p, []byte(w.text)) {
		close(w.found)
		w.text = ""
	}
	return w.b.Write(p)
}

// expect returns a channel that is closed when text is logged.
func (w *watched) expect(text string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text, w.found = text, make(chan struct{})
	return w.found
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

type running struct {
	url  string
	log  *watched
	end  context.CancelFunc
	done chan error
}

func start(t *testing.T, opts server.Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{log: &watched{}, end: cancel, done: make(chan error, 1)}
	t.Cleanup(func() { cancel(); leaks.Check(t, "the log", []byte(r.log.String())) })
	opts.Log = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	out, in := io.Pipe()
	opts.Out = in
	go func() {
		err := server.Run(ctx, opts)
		_ = in.CloseWithError(io.EOF)
		r.done <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if err != nil {
		t.Fatalf("it did not start: %v", <-r.done)
	}
	r.url = strings.TrimSpace(line)
	return r
}

// send may be called by any goroutine of a test. Without an answer the status is 0.
func send(t *testing.T, method, url, cookie, body string) (status int, header http.Header, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, nil, ""
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	leaks.Response(t, resp.Header, b)
	return resp.StatusCode, resp.Header, string(b)
}

// cookieOf starts a session.
func cookieOf(t *testing.T, url string) (line, pair string) {
	t.Helper()
	_, header, _ := send(t, http.MethodPut, url+"/api/values/k", "", "1")
	line = header.Get("Set-Cookie")
	pair, _, _ = strings.Cut(line, ";")
	return line, pair
}

func TestEndWaitsForRequestsUnderWay(t *testing.T) {
	r := start(t, server.Options{Addr: "127.0.0.1:0", Data: t.TempDir(), Store: "memory"})
	if !strings.HasPrefix(r.url, "http://localhost:") {
		t.Errorf("the URL is %s", r.url)
	}
	_, cookie := cookieOf(t, r.url)

	loaded := r.log.expect("session.load")
	answered := make(chan int, 1)
	go func() {
		status, _, _ := send(t, http.MethodPost, r.url+"/api/slow/k?ms=1500", cookie, "2")
		answered <- status
	}()
	select {
	case <-loaded:
	case status := <-answered:
		t.Fatalf("the request is over: %d", status)
	}
	r.end()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request under way: %d", status)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
	log := r.log.String()
	ending, slow := strings.Index(log, "ending"), strings.Index(log, "path=/api/slow/k")
	if ending < 0 || slow < ending {
		t.Errorf("the request was over before the end began, so nothing was waited for: %s", log)
	}
}

func TestInsecureHostGetsACookieThatItKeeps(t *testing.T) {
	for _, tc := range []struct {
		hosts []string
		want  string
	}{{nil, "__Host-session="}, {[]string{"localhost"}, "session="}} {
		r := start(t, server.Options{Addr: "localhost:0", Data: t.TempDir(), Store: "memory", InsecureHosts: tc.hosts})
		got, cookie := cookieOf(t, r.url)
		if !strings.HasPrefix(got, tc.want) || strings.Contains(got, "Secure;") != (tc.hosts == nil) {
			t.Errorf("%v: got %s", tc.hosts, got)
		}
		if _, _, body := send(t, http.MethodGet, r.url+"/api/session", cookie, ""); !strings.Contains(body, `"new": false`) || strings.Contains(body, `"cookie_bytes": 0`) {
			t.Errorf("%v: the cookie is not read or not counted: %s", tc.hosts, body)
		}
		r.end()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsAtTheStartAreReturned(t *testing.T) {
	busy := start(t, server.Options{Addr: "127.0.0.1:0", Data: t.TempDir(), Store: "memory"})
	_, port, _ := strings.Cut(strings.TrimPrefix(busy.url, "http://"), ":")
	for desc, tc := range map[string]struct {
		opts server.Options
		want string
	}{
		"a port in use":  {server.Options{Addr: "127.0.0.1:" + port, Data: t.TempDir(), Store: "memory"}, "--addr localhost:0"},
		"no address":     {server.Options{Addr: "8080", Data: t.TempDir(), Store: "memory"}, "missing port"},
		"no store":       {server.Options{Addr: "127.0.0.1:0", Data: t.TempDir(), Store: "x"}, "unknown store"},
		"no folder":      {server.Options{Addr: "127.0.0.1:0", Data: filepath.Join("data_test.go", "x"), Store: "memory"}, "data folder"},
		"a bad host":     {server.Options{Addr: "127.0.0.1:0", Data: t.TempDir(), Store: "memory", InsecureHosts: []string{"http://x"}}, "InsecureHosts"},
		"a broken store": {server.Options{Addr: "127.0.0.1:0", Data: t.TempDir(), Store: "file:data_test.go"}, "store file"},
	} {
		tc.opts.Out, tc.opts.Log = io.Discard, slog.New(slog.DiscardHandler)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // should it start after all, it ends
		err := server.Run(ctx, tc.opts)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: want %q, got %v", desc, tc.want, err)
		}
	}
	busy.end()
	if err := <-busy.done; err != nil {
		t.Error(err)
	}
}
