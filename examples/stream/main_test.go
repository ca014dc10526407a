package main

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// open returns a signed-in browser, and the stream that it reads.
func open(t *testing.T) (env *sessiontest.Env, srv *httptest.Server, browser *sessiontest.Browser, messages chan string) {
	t.Helper()
	env = sessiontest.New(t)
	messages = make(chan string)
	srv = httptest.NewTLSServer(app(env.Sessions, func(context.Context) <-chan string { return messages }))
	t.Cleanup(srv.Close)
	browser = sessiontest.NewBrowserFor(srv).UseClock(env.Clock)
	if r := browser.PostForm("/signin", nil); r.Status != http.StatusSeeOther {
		t.Fatalf("sign in: %d", r.Status)
	}
	return env, srv, browser, messages
}

// listen opens the stream with the browser's cookie and returns its lines.
func listen(t *testing.T, srv *httptest.Server, browser *sessiontest.Browser) *bufio.Scanner {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	cookie, _ := browser.Cookie("__Host-session")
	req.Header.Set("Cookie", cookie.Name+"="+cookie.Value)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return bufio.NewScanner(resp.Body)
}

func rest(lines *bufio.Scanner) string {
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
	}
	return strings.Join(all, "\n")
}

func TestTheStreamEndsWithTheSession(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, env *sessiontest.Env, browser *sessiontest.Browser){
		"a sign-out in another tab": func(_ *testing.T, _ *sessiontest.Env, browser *sessiontest.Browser) {
			browser.PostForm("/signout", nil)
		},
		"a revocation": func(t *testing.T, env *sessiontest.Env, _ *sessiontest.Browser) {
			t.Helper()
			if n, err := env.Sessions.RevokeAll(t.Context(), "alice"); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			env, srv, browser, messages := open(t)
			lines := listen(t, srv, browser)
			messages <- "one"
			if lines.Scan(); lines.Text() != "data: one" {
				t.Fatalf("%q", lines.Text())
			}
			end(t, env, browser)
			if got := rest(lines); !strings.HasSuffix(got, "event: signed-out\ndata:\n") {
				t.Errorf("the stream ended with %q", got)
			}
		})
	}
}

func TestTheServerShutsDown(t *testing.T) {
	env, srv, browser, messages := open(t)
	lines := listen(t, srv, browser)
	messages <- "one"
	lines.Scan()
	if err := env.Sessions.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rest(lines); strings.Contains(got, "signed-out") {
		t.Errorf("a restart is no sign-out: %q", got)
	}
}

func TestStrangersGetNoStream(t *testing.T) {
	env := sessiontest.New(t)
	browser := env.Browser(app(env.Sessions, nil))
	if r := browser.Get("/events"); r.Status != http.StatusUnauthorized {
		t.Errorf("%d", r.Status)
	}
	env.SignIn(browser, "alice")
	env.Faults.Fail(sessiontest.OpLoad, sessiontest.Next, beaker.ErrUncertain)
	if r := browser.Get("/events"); r.Status != http.StatusServiceUnavailable {
		t.Errorf("the store is down: %d", r.Status)
	}
}
