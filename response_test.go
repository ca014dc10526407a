package beaker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
)

// onServers runs f against a real server, over HTTP/1 and over HTTP/2.
func onServers(t *testing.T, h http.Handler, f func(t *testing.T, c *http.Client, url string, http2 bool)) {
	t.Helper()
	for _, http2 := range []bool{false, true} {
		name := "HTTP1"
		if http2 {
			name = "HTTP2"
		}
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(h)
			server.EnableHTTP2 = http2
			server.Config.ErrorLog = nil
			server.StartTLS()
			defer server.Close()
			client := server.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			f(t, client, server.URL, http2)
		})
	}
}

func hasSession(h http.Header) bool {
	return slices.ContainsFunc(h["Set-Cookie"], func(l string) bool { return strings.HasPrefix(l, "__Host-session=") })
}

// CA-3, CA-5, CA-6: however a handler begins its response, the cookie is in it, with
// the headers that keep it out of caches.
func TestTheCookieIsInTheResponseHoweverItBegins(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	content := strings.Repeat("content ", 10_000)
	begin := map[string]struct {
		f    func(w http.ResponseWriter, r *http.Request)
		code int
		body string
	}{
		"WriteHeader": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) }, 201, ""},
		"Write":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, 200, "x"},
		"WriteString": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }, 200, "x"},
		"ReadFrom": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader(content)) // HTTP/2 refuses a body for HEAD
		}, 200, content},
		"io.Copy": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader(content)) }, 200, content},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, 200, ""},
		"Flush":   {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); _, _ = io.WriteString(w, "x") }, 200, "x"},
		"Controller.Flush": {func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush() // as above
		}, 200, ""},
		"not modified": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, 304, ""},
		"no content":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 204, ""},
		"redirect":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/next", 303) }, 303, ""},
		"an error":     {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }, 404, "no\n"},
		"ServeContent": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=600")
			http.ServeContent(w, r, "x.txt", start, strings.NewReader(content))
		}, 200, content},
		"ServeContent that fails": {func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Range", "bytes=999999-")
			w.Header().Set("Cache-Control", "public, max-age=600")
			http.ServeContent(w, r, "x.txt", start, strings.NewReader(content))
		}, 416, "invalid range: failed to overlap\n"},
		"headers set and deleted": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Vary", "Accept-Encoding")
			w.Header().Del("Set-Cookie")
			w.WriteHeader(200)
		}, 200, ""},
		"early hints": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(103)
			w.WriteHeader(200)
		}, 200, ""},
	}
	for desc, b := range begin {
		t.Run(desc, func(t *testing.T) {
			h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := a.Get(r.Context())
				if err != nil {
					panic(err)
				}
				s.Set("k", 1)
				b.f(w, r)
			}))
			onServers(t, h, func(t *testing.T, c *http.Client, url string, _ bool) {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					early := 0
					ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
						early++
						if len(h["Set-Cookie"]) > 0 {
							t.Error("CA-4: a cookie in an informational response")
						}
						return nil
					}})
					r, err := http.NewRequestWithContext(ctx, method, url, nil)
					must(t, err)
					resp, err := c.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(resp.Body)
					must(t, err)
					must(t, resp.Body.Close())
					if resp.StatusCode != b.code {
						t.Errorf("%s: status %d, want %d", method, resp.StatusCode, b.code)
					}
					if method == http.MethodGet && b.body != "" && string(body) != b.body {
						t.Errorf("body of %d bytes", len(body))
					}
					if n := len(resp.Header["Set-Cookie"]); n != 1 || !hasSession(resp.Header) {
						t.Errorf("%s: cookies %v", method, resp.Header["Set-Cookie"])
					}
					if resp.Header.Get("Cache-Control") != "no-store" {
						t.Errorf("CA-1: Cache-Control %q", resp.Header.Get("Cache-Control"))
					}
					if v := strings.Join(resp.Header["Vary"], ","); !strings.Contains(v, "Cookie") {
						t.Errorf("CA-2: Vary %q", v)
					}
					if desc == "early hints" && early != 1 {
						t.Errorf("%d informational responses", early)
					}
				}
			})
		})
	}
	if n := len(a.events.named(beaker.EventCreate)); n != 4*len(begin) {
		t.Errorf("%d sessions were created in %d responses", n, 4*len(begin))
	}
}

// A stream: the cookie goes out with the first flush, what is changed later is saved,
// and what would need a cookie is refused.
func TestServerSentEvents(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := a.Get(r.Context())
			must(t, err)
			s.Set("before", 1)
			w.Header().Set("Content-Type", "text/event-stream")
			must(t, http.NewResponseController(w).Flush())
			s.Set("after", 1)
			if err := s.SetSubject("late"); !errors.Is(err, beaker.ErrCommitted) {
				t.Errorf("SetSubject: %v", err)
			}
			if err := s.Regenerate(); !errors.Is(err, beaker.ErrCommitted) {
				t.Errorf("Regenerate: %v", err)
			}
			must(t, s.Persist(r.Context()))
			s.Set("at the end", 1)
			_, _ = io.WriteString(w, "data: x\n\n")
			must(t, s.Err())
		}))
		b := newBrowser(t)
		b.do(h)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if got := fmt.Sprint(s.Keys()); got != "[after at the end before]" {
				t.Errorf("keys %v", got)
			}
		}))
	})
}

// CA-5: too late for a cookie means refused, said by Err and by an event, and nothing
// stored that nobody can open.
func TestALateSessionIsRefusedAloud(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := a.Get(r.Context())
			must(t, err)
			_, _ = io.WriteString(w, "hello")
			s.Set("k", 1)
			if !errors.Is(s.Err(), beaker.ErrCommitted) {
				t.Errorf("Err: %v", s.Err())
			}
			if err := s.Persist(r.Context()); !errors.Is(err, beaker.ErrCommitted) {
				t.Errorf("Persist: %v", err)
			}
		}))
		b := newBrowser(t)
		if w := b.do(h); w.Code != 200 || hasSession(w.Header()) {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if a.store.create.Load() != 0 {
			t.Error("a session was stored that nobody can open")
		}
		if len(a.events.named(beaker.EventLate)) == 0 {
			t.Error("no event")
		}
	})
}

// A save that fails after the headers is an event.
func TestALateSaveThatFailsIsAnEvent(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		must(t, err)
		_, _ = io.WriteString(w, "hello")
		s.Set("k", 2)
		a.store.breaks(func(string) error { return errors.New("down") })
	})))
	if len(a.events.named(beaker.EventLate)) != 1 {
		t.Errorf("events: %v", a.events.all)
	}
}

// A session that is used after its request is refused, and its mutex does not hang.
func TestASessionEndsWithItsRequest(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	var kept *beaker.Session
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1); kept = s }))
	kept.Set("k", 2)
	if !errors.Is(kept.Err(), beaker.ErrCommitted) {
		t.Errorf("Err: %v", kept.Err())
	}
	b.do(a.session(func(s *beaker.Session, _ *http.Request) {
		if v, _ := s.Get("k"); v != int64(1) {
			t.Errorf("k is %v", v)
		}
	}))
}

// Hijack: a cookie that cannot be delivered is an error and not a loss; without one,
// the upgrade works and the touch is saved.
func TestHijack(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	cookie := ""
	results := make(chan error, 1)
	h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		must(t, err)
		switch r.URL.Path {
		case "/new":
			s.Set("k", 1)
		case "/regenerate":
			must(t, s.Regenerate())
		case "/logout":
			must(t, s.Destroy(r.Context()))
		case "/change":
			s.Set("changed", true)
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		results <- err
		if err != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_ = rw.Flush()
		_ = conn.Close()
	}))
	server := httptest.NewTLSServer(h)
	defer server.Close()
	get := func(path string) (int, http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		must(t, err)
		if cookie != "" {
			r.Header.Set("Cookie", "__Host-session="+cookie)
		}
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "x")
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		for _, c := range resp.Cookies() {
			cookie = c.Value
		}
		return resp.StatusCode, resp.Header
	}
	code, header := get("/new")
	if err := <-results; !errors.Is(err, beaker.ErrCookieUndeliverable) || code != 418 || !hasSession(header) {
		t.Fatalf("new session: %v, then %d %v", err, code, header)
	}
	for path, want := range map[string]error{
		"/read": nil, "/change": nil, "/regenerate": beaker.ErrCookieUndeliverable,
	} {
		code, _ := get(path)
		if err := <-results; !errors.Is(err, want) || want == nil && code != 101 {
			t.Errorf("%s: %v, %d", path, err, code)
		}
	}
	a.clock.Advance(5 * time.Minute)
	before := a.store.apply.Load()
	get("/read")
	if err := <-results; err != nil || a.store.apply.Load() != before+1 {
		t.Errorf("an upgrade with a due touch: %v, %d writes", err, a.store.apply.Load()-before)
	}
	get("/logout")
	if err := <-results; !errors.Is(err, beaker.ErrCookieUndeliverable) {
		t.Errorf("logout: %v", err)
	}
}

// A WebSocket through a reverse proxy that runs behind Wrap, and plain requests.
func TestReverseProxy(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.Header().Add("Set-Cookie", "backend=1")
			_, _ = io.WriteString(w, "from the backend")
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		must(t, err)
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, err := rw.ReadString('\n')
		must(t, err)
		_, _ = rw.WriteString("echo " + line)
		_ = rw.Flush()
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)

	a := newApp(t, stores["memory"](t))
	h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		must(t, err)
		if r.Header.Get("Upgrade") == "" {
			s.Set("k", 1)
		}
		proxy.ServeHTTP(w, r)
	}))
	server := httptest.NewServer(h)
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	if string(body) != "from the backend" || !hasSession(resp.Header) || len(resp.Header["Set-Cookie"]) != 2 {
		t.Errorf("%s %v", body, resp.Header)
	}
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	must(t, err)
	rd := bufio.NewReader(conn)
	up, err := http.ReadResponse(rd, nil)
	must(t, err)
	if up.StatusCode != 101 {
		t.Fatalf("status %d", up.StatusCode)
	}
	_, err = io.WriteString(conn, "hello\n")
	must(t, err)
	if line, err := rd.ReadString('\n'); err != nil || line != "echo hello\n" {
		t.Errorf("%q %v", line, err)
	}
}

// http.TimeoutHandler, both ways round: when it has answered, nothing is saved.
func TestTimeoutHandler(t *testing.T) {
	for _, inside := range []bool{true, false} {
		for _, late := range []bool{true, false} {
			t.Run(fmt.Sprintf("inside %v, late %v", inside, late), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) { timeOut(t, inside, late) }) // time is virtual there
			})
		}
	}
}

func timeOut(t *testing.T, inside, late bool) {
	t.Helper()
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "old") }))
	finished := make(chan struct{})
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(finished)
		s, err := a.Get(r.Context())
		must(t, err)
		s.Set("k", "new")
		if late {
			<-r.Context().Done()
			s.Set("k2", "late")
		}
		_, _ = io.WriteString(w, "done")
	})
	timeout := time.Hour
	if late {
		timeout = time.Second
	}
	if inside {
		handler = a.Wrap(http.TimeoutHandler(handler, timeout, "too slow"))
	} else {
		handler = http.TimeoutHandler(a.Wrap(handler), timeout, "too slow")
	}
	w := b.do(handler)
	<-finished
	want, code := "new", 200
	if late {
		want, code = "old", 503
	}
	if w.Code != code {
		t.Errorf("status %d", w.Code)
	}
	if late && w.Body.String() != "too slow" {
		t.Errorf("body %q", w.Body)
	}
	b.do(a.session(func(s *beaker.Session, _ *http.Request) {
		if v, _ := s.Get("k"); v != want || s.Has("k2") {
			t.Errorf("k is %v, k2 is there: %v", v, s.Has("k2"))
		}
	}))
}

// OU-5: a client that is gone does not stop what it asked for.
func TestAClientThatIsGoneDoesNotStopACommit(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		r := b.request()
		ctx, gone := context.WithCancel(r.Context())
		a.session(func(s *beaker.Session, r *http.Request) {
			s.Set("k", 2)
			gone()
		}).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("k"); v != int64(2) {
				t.Errorf("k is %v", v)
			}
		}))
		r = b.request()
		ctx, gone = context.WithCancel(r.Context())
		a.session(func(s *beaker.Session, r *http.Request) {
			gone()
			must(t, s.Destroy(r.Context()))
		}).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if s.Has("k") {
				t.Error("the logout did not happen")
			}
		}))
	})
}

// OU-6: a panic saves nothing and passes through, ErrAbortHandler too.
func TestAPanicSavesNothing(t *testing.T) {
	for _, v := range []any{"boom", http.ErrAbortHandler} {
		a := newApp(t, stores["memory"](t))
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "old"); must(t, s.SetSubject("u")) }))
		func() {
			defer func() {
				if got := recover(); got != v {
					t.Errorf("recovered %v", got)
				}
			}()
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				s.Set("k", "new")
				must(t, s.Regenerate())
				panic(v)
			}))
		}()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if k, _ := s.Get("k"); k != "old" || s.Subject() != "u" {
				t.Errorf("k is %v, subject %q", k, s.Subject())
			}
		}))
	}
}

// onlyUnwrap is an access-log wrapper as people write them.
type onlyUnwrap struct{ http.ResponseWriter }

func (o onlyUnwrap) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// An access-log wrapper inside and outside of Wrap: the flush reaches the network, and
// the cookie is in it.
func TestAWrapperThatHasOnlyUnwrap(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	stream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		must(t, err)
		s.Set("k", 1)
		if err := http.NewResponseController(w).Flush(); errors.Is(err, http.ErrNotSupported) {
			t.Error(err) // any other error is the client's, which may be gone by now
		}
		<-r.Context().Done() // the client has seen the headers while the handler still runs
	})
	for name, h := range map[string]http.Handler{
		"inside":  a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stream.ServeHTTP(onlyUnwrap{w}, r) })),
		"outside": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.Wrap(stream).ServeHTTP(onlyUnwrap{w}, r) }),
	} {
		t.Run(name, func(t *testing.T) {
			onServers(t, h, func(t *testing.T, c *http.Client, url string, _ bool) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
				must(t, err)
				resp, err := c.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				if !hasSession(resp.Header) {
					t.Error("no cookie")
				}
				cancel()
				_ = resp.Body.Close()
			})
		})
	}
}

// The writer offers what the server's writer offers, and no more.
func TestTheWriterTellsTheTruthAboutItself(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	type abilities struct{ flush, hijack, push, readFrom bool }
	of := func(w http.ResponseWriter) (x abilities) {
		_, x.flush = w.(http.Flusher)
		_, x.hijack = w.(http.Hijacker)
		_, x.push = w.(http.Pusher)
		_, x.readFrom = w.(io.ReaderFrom)
		return x
	}
	h := http.HandlerFunc(func(outer http.ResponseWriter, r *http.Request) {
		want := of(outer)
		a.Wrap(http.HandlerFunc(func(inner http.ResponseWriter, _ *http.Request) {
			got := of(inner)
			got.readFrom, want.readFrom = false, false // always offered: it falls back to Write
			if got != want {
				t.Errorf("the server offers %+v, the wrapper %+v", want, got)
			}
		})).ServeHTTP(outer, r)
	})
	onServers(t, h, func(t *testing.T, c *http.Client, url string, _ bool) {
		resp, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	})
	a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if got := of(w); got.flush || got.hijack || got.push {
			t.Errorf("over a bare writer: %+v", got)
		}
	})).ServeHTTP(&bareWriter{http.Header{}}, newBrowser(t).request())
}

// Every combination of abilities of the outer writer is passed on.
func TestEveryCombinationOfAbilities(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	type (
		f struct{ http.Flusher }
		h struct{ http.Hijacker }
		p struct{ http.Pusher }
	)
	rec := httptest.NewRecorder()
	bare := &bareWriter{http.Header{}}
	pusher := pushes{}
	hijacker := hijacks{}
	for _, w := range []http.ResponseWriter{
		bare,
		struct {
			http.ResponseWriter
			f
		}{bare, f{rec}},
		struct {
			http.ResponseWriter
			h
		}{bare, h{hijacker}},
		struct {
			http.ResponseWriter
			p
		}{bare, p{pusher}},
		struct {
			http.ResponseWriter
			f
			h
		}{bare, f{rec}, h{hijacker}},
		struct {
			http.ResponseWriter
			f
			p
		}{bare, f{rec}, p{pusher}},
		struct {
			http.ResponseWriter
			h
			p
		}{bare, h{hijacker}, p{pusher}},
		struct {
			http.ResponseWriter
			f
			h
			p
		}{bare, f{rec}, h{hijacker}, p{pusher}},
	} {
		_, wantF := w.(http.Flusher)
		_, wantH := w.(http.Hijacker)
		_, wantP := w.(http.Pusher)
		a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			gf, gotF := w.(http.Flusher)
			gh, gotH := w.(http.Hijacker)
			gp, gotP := w.(http.Pusher)
			if gotF != wantF || gotH != wantH || gotP != wantP {
				t.Errorf("flush %v/%v hijack %v/%v push %v/%v", gotF, wantF, gotH, wantH, gotP, wantP)
			}
			if gotP && !errors.Is(gp.Push("/x", nil), errPushed) {
				t.Error("Push did not reach the outer writer")
			}
			if gotF {
				gf.Flush()
				if fe, ok := w.(interface{ FlushError() error }); !ok || fe.FlushError() != nil {
					t.Error("FlushError")
				}
			}
			if gotH {
				if _, _, err := gh.Hijack(); !errors.Is(err, errHijacked) {
					t.Errorf("Hijack: %v", err)
				}
			}
		})).ServeHTTP(w, newBrowser(t).request())
	}
}

var errPushed, errHijacked = errors.New("pushed"), errors.New("hijacked")

type pushes struct{}

func (pushes) Push(string, *http.PushOptions) error { return errPushed }

type hijacks struct{}

func (hijacks) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errHijacked }

// A cookie that a middleware around the session's has set is not the handler's: it stays
// when an error page takes the response's place, unless the handler has taken it away.
func TestTheErrorPageKeepsTheCookiesFromAroundIt(t *testing.T) {
	for desc, c := range map[string]struct {
		handler func(h http.Header)
		want    []string
	}{
		"the handler sets its own": {func(h http.Header) { h.Add("Set-Cookie", "mine=1") }, []string{"lang=de; Path=/", "csrf=x"}},
		"the handler replaces one": {func(h http.Header) { h["Set-Cookie"] = []string{"csrf=x", "lang=en"} }, []string{"csrf=x"}},
		"the handler removes all":  {func(h http.Header) { h.Del("Set-Cookie") }, nil},
	} {
		for _, broken := range []bool{true, false} {
			a := newApp(t, stores["memory"](t))
			b := newBrowser(t)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
			if broken {
				a.store.breaks(func(op string) error {
					if op == "apply" {
						return errors.New("down")
					}
					return nil
				})
			}
			inner := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := a.Get(r.Context())
				must(t, err)
				s.Set("k", 2)
				c.handler(w.Header())
			}))
			w := record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Set-Cookie", "lang=de; Path=/")
				w.Header().Add("Set-Cookie", "csrf=x")
				inner.ServeHTTP(w, r)
			}), b.request())
			got := w.Header()["Set-Cookie"]
			if !broken {
				h := http.Header{"Set-Cookie": {"lang=de; Path=/", "csrf=x"}}
				if c.handler(h); w.Code != 200 || !slices.Equal(got, h["Set-Cookie"]) {
					t.Errorf("%s: %d %q, want %q", desc, w.Code, got, h["Set-Cookie"])
				}
				continue
			}
			if w.Code != 503 || !slices.Equal(got, c.want) {
				t.Errorf("%s, and the store is down: %d %q, want %q", desc, w.Code, got, c.want)
			}
		}
	}
}

// Two managers, nested: each with its own cookie and session; if one fails, the other's
// committed cookie is kept, since it stands for something that is stored.
func TestTwoNestedManagers(t *testing.T) {
	for _, broken := range []string{"none", "outer", "inner"} {
		t.Run(broken+" fails", func(t *testing.T) {
			outer := newApp(t, stores["memory"](t))
			inner := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Cookie.Name = "__Host-inner" })
			h := outer.Wrap(inner.Wrap(outer.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				so, err := outer.Get(r.Context())
				must(t, err)
				si, err := inner.Get(r.Context())
				must(t, err)
				if so == si {
					t.Error("one session for two managers")
				}
				so.Set("who", "outer")
				si.Set("who", "inner")
				http.SetCookie(w, &http.Cookie{Name: "mine", Value: "1"})
				_, _ = io.WriteString(w, "hello")
			}))))
			down := func(op string) error { return errors.New("down") }
			switch broken {
			case "outer":
				outer.store.breaks(down)
			case "inner":
				inner.store.breaks(down)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, newBrowser(t).request())
			var names []string
			for _, c := range w.Result().Cookies() {
				names = append(names, c.Name)
			}
			slices.Sort(names)
			want, code := "[__Host-inner __Host-session mine]", 200
			switch broken {
			case "outer":
				want, code = "[__Host-inner]", 503
			case "inner":
				want, code = "[__Host-session]", 503
			}
			if fmt.Sprint(names) != want || w.Code != code {
				t.Errorf("%d %v, want %d %s", w.Code, names, code, want)
			}
			if strings.Contains(w.Body.String(), "hello") != (broken == "none") {
				t.Errorf("body %q", w.Body)
			}
			if outer.store.create.Load() != 1 || inner.store.create.Load() != 1 {
				t.Error("a manager did not commit once")
			}
		})
	}
}

// CK-9: one Set-Cookie for each name, whatever happens to the session in one request.
func TestOneCookieHoweverOftenTheSessionChanges(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	w := httptest.NewRecorder()
	a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		must(t, err)
		w.Header().Add("Set-Cookie", "__Host-session=planted; Path=/; Secure")
		w.Header().Add("Set-Cookie", "__Host-sessions=another; Path=/; Secure")
		must(t, s.Regenerate())
		must(t, s.Persist(r.Context()))
		must(t, s.Regenerate())
		must(t, s.Persist(r.Context()))
		must(t, s.Invalidate(r.Context()))
		s.Set("k", 2)
		must(t, s.Persist(r.Context()))
		must(t, s.SetSubject("u"))
	})).ServeHTTP(w, b.request())
	b.keep(w)
	if got := w.Result().Header["Set-Cookie"]; len(got) != 2 || strings.Contains(got[1], "planted") {
		t.Errorf("cookies: %v", got)
	}
	b.do(a.session(func(s *beaker.Session, _ *http.Request) {
		if s.Subject() != "u" {
			t.Error("the cookie that was sent does not open the session")
		}
	}))
}

// CA-1: what the application asked for is made stricter, never weaker.
func TestCacheControl(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	for set, want := range map[string]string{
		"": "no-store", "public, max-age=600": "no-store", "private": "no-store",
		"private, no-store": "private, no-store", "No-Store, max-age=0": "No-Store, max-age=0",
	} {
		w := httptest.NewRecorder()
		a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := a.Get(r.Context())
			must(t, err)
			s.Set("k", 1)
			if set != "" {
				w.Header().Set("Cache-Control", set)
			}
		})).ServeHTTP(w, newBrowser(t).request())
		if got := w.Header().Get("Cache-Control"); got != want {
			t.Errorf("%q became %q", set, got)
		}
	}
}

// CA-2: a response that depends on the session varies by Cookie, and says it once.
func TestVary(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	for set, want := range map[string]string{
		"": "Cookie", "Accept": "Accept|Cookie", "accept, cookie": "accept, cookie", "*": "*",
	} {
		w := httptest.NewRecorder()
		a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := a.Get(r.Context())
			must(t, err)
			if set != "" {
				w.Header().Set("Vary", set)
			}
		})).ServeHTTP(w, newBrowser(t).request())
		if got := strings.Join(w.Header()["Vary"], "|"); got != want {
			t.Errorf("%q became %q, want %q", set, got, want)
		}
	}
}
