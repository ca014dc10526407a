package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

// What happens in process must be what happens over the network: each handler runs
// both ways, and the browser must not see a difference.
func TestInProcessIsLikeAServer(t *testing.T) {
	rows := []struct {
		desc   string
		method string
		h      http.HandlerFunc
	}{
		{"nothing is written", "GET", func(http.ResponseWriter, *http.Request) {}},
		{"a body without a status", "GET", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }},
		{"headers after the status do not count", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=1")
			w.WriteHeader(http.StatusCreated)
			w.Header().Set("Set-Cookie", "a=2")
			w.Header().Add("X-Late", "1")
		}},
		{"headers after a flush do not count", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Header().Set("Set-Cookie", "a=1")
			_, _ = io.WriteString(w, "late")
		}},
		{"the first status counts", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
		}},
		{"early hints come before", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Set-Cookie", "a=1")
			w.WriteHeader(http.StatusOK)
		}},
		{"204 has no body", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			_, err := io.WriteString(w, "x")
			fmt.Fprint(w, err)
		}},
		{"HEAD has no body", "HEAD", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method) }},
		{"the request is a server's", "POST", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, r.Method, r.URL, r.RequestURI, r.Proto, r.FormValue("x"), r.PostFormValue("y"), r.ContentLength, r.URL.Host == "", r.TLS == nil, r.Body != nil)
			fmt.Fprintln(w, r.Context().Value(ctxKey{}), r.Header["Content-Type"], r.Header["Origin"] != nil)
		}},
		{"a response that is shorter than it said", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "short")
		}},
		{"a response that is longer than it said", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "1234")
			_, err := io.WriteString(w, "5")
			if !errors.Is(err, http.ErrContentLength) {
				panic(err)
			}
		}},
		{"an abort", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=1")
			w.WriteHeader(http.StatusOK)
			panic(http.ErrAbortHandler)
		}},
		{"an abort after a flush", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "a=1")
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}},
		{"deadlines of streams", "GET", func(w http.ResponseWriter, _ *http.Request) {
			rc := http.NewResponseController(w)
			fmt.Fprint(w, rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{}), rc.EnableFullDuplex())
		}},
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(row.h)
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.Start()
			defer srv.Close()
			over := describe(sessiontest.NewBrowserFor(srv), row.method)
			within := describe(sessiontest.NewBrowser(row.h, srv.URL), row.method)
			if within != over {
				t.Errorf("in process:\n%s\nover the network:\n%s", within, over)
			}
		})
	}
}

type ctxKey struct{}

func describe(b *sessiontest.Browser, method string) string {
	body := io.Reader(http.NoBody)
	if method == http.MethodPost {
		body = strings.NewReader(url.Values{"y": {"2"}}.Encode())
	}
	req := httptest.NewRequest(method, "/path?x=1", body)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req = req.WithContext(context.WithValue(req.Context(), ctxKey{}, "the client's own"))
	resp := b.Do(req)
	h := resp.Header.Clone()
	for _, name := range []string{"Date", "Content-Length"} { // when, and how it is framed
		h.Del(name)
	}
	return fmt.Sprintf("%d %v %q early %v err %v cookies %v", resp.Status, h, resp.Body, resp.Early, resp.Err != nil, resp.SetCookies)
}

func TestClientThatIsGoneGetsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var seen error
	b := sessiontest.NewBrowser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		seen = r.Context().Err()
		w.Header().Set("Set-Cookie", "a=1")
	}), "https://www.shop.example")
	resp := b.Do(httptest.NewRequest(http.MethodGet, "/", http.NoBody).WithContext(ctx))
	if !errors.Is(resp.Err, context.Canceled) || resp.Status != 0 || len(b.Cookies()) != 0 {
		t.Errorf("response = %v, cookies = %d", resp, len(b.Cookies()))
	}
	if !errors.Is(seen, context.Canceled) {
		t.Errorf("the handler saw %v", seen)
	}
}

func TestRequestContextEndsWithTheHandler(t *testing.T) {
	var kept context.Context
	b := sessiontest.NewBrowser(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { kept = r.Context() }), "https://www.shop.example") //nolint:fatcontext // to see it end
	b.Get("/")
	if kept.Err() == nil {
		t.Error("the context outlives the request")
	}
}

func TestHTTPSOriginGivesTLS(t *testing.T) {
	b := sessiontest.NewBrowser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%v %s", r.TLS != nil, r.Host)
	}), "https://www.shop.example:8443")
	if got := b.Get("/").Body; got != "true www.shop.example:8443" {
		t.Errorf("TLS, Host = %s", got)
	}
}

func TestPanicReachesTheTest(t *testing.T) {
	defer func() {
		if e := recover(); e != "broken" {
			t.Errorf("recovered %v", e)
		}
	}()
	sessiontest.NewBrowser(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("broken") }), "https://www.shop.example").Get("/")
}

func TestBrowserTakesSecureCookiesFromATLSServer(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "__Host-a=1; Path=/; Secure")
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	}))
	defer srv.Close()
	b := sessiontest.NewBrowserFor(srv)
	if v, ok := b.Get("/").SetCookie("__Host-a"); !ok || v.Outcome != sessiontest.Stored {
		t.Errorf("verdict = %v", v)
	}
	if got := b.Get("/").Body; got != "__Host-a=1" {
		t.Errorf("Cookie = %q", got)
	}
}

func TestOriginMustBeAURL(t *testing.T) {
	for _, origin := range []string{"", "app.example", "/path", "https://"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("origin %q was accepted", origin)
				}
			}()
			sessiontest.NewBrowser(echo, origin)
		}()
	}
}
