package site_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// newSealedSite is newSite with sessions in their cookies. Its store is the Revoker.
func newSealedSite(t *testing.T, wait waiter) *fixture {
	t.Helper()
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: &faulty{Store: store}, log: &logged{}}
	f.Site = newSiteWith(t, beaker.Config{Sealed: &beaker.Sealed{Revoker: f.store}}, wait, f.log)
	return f
}

func TestSealedSessionIsUsedAsAnyOther(t *testing.T) {
	b := newSealedSite(t, nil).browser(t)
	if v := b.session(); !*v.New || v.Request.StoreCalls != 0 || len(b.cookies) != 0 {
		t.Errorf("a visitor without a cookie: %+v", v)
	}
	b.must(http.MethodPut, "/api/values/k", `"v"`)
	for _, want := range []string{"{\"value\":1}\n", "{\"value\":2}\n"} {
		if got := b.must(http.MethodPost, "/api/incr/n", ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	v := b.session()
	if *v.New || !v.Request.Loaded || string(v.Values["k"]) != `"v"` || string(v.Values["n"]) != "2" {
		t.Errorf("got %+v", v)
	}
	if want := len(cookieName + "=" + b.cookies[cookieName]); v.Request.CookieBytes != want || want < 150 {
		t.Errorf("cookie_bytes is %d, want %d, with the session in it", v.Request.CookieBytes, want)
	}
	if v.Request.StoreCalls != 1 {
		t.Errorf("an anonymous session: the Revoker was called %d times, want once", v.Request.StoreCalls)
	}
	b.must(http.MethodDelete, "/api/values/k", "")
	b.must(http.MethodPost, "/api/login", `{"name":"alice","remember":true}`)
	v = b.session()
	if *v.Subject != "alice" || v.Values["k"] != nil || string(v.Values["n"]) != "2" || v.AbsoluteDeadline.Sub(v.Created) < remembered {
		t.Errorf("after signing in: %+v", v)
	}
	if v.Request.StoreCalls != 2 { // for the session, and for its subject
		t.Errorf("a session with a subject: the Revoker was called %d times, want twice", v.Request.StoreCalls)
	}
	if b.must(http.MethodPost, "/api/regenerate", ""); b.session().Handle == v.Handle {
		t.Error("the document says that a new secret comes with a new handle")
	}
	b.must(http.MethodPost, "/api/login", `{"name":"bob"}`)
	if v := b.session(); *v.Subject != "bob" || v.Values["n"] != nil {
		t.Errorf("bob has alice's things: %+v", v)
	}
	b.must(http.MethodPost, "/api/invalidate", "")
	if v := b.session(); !*v.New {
		t.Errorf("after invalidating: %+v", v)
	}
}

func TestCopyOfASealedCookieIsRefusedOnceItsSessionHasEnded(t *testing.T) {
	for _, path := range []string{"/api/logout", "/api/regenerate", "/api/invalidate", "/api/login"} {
		b := newSealedSite(t, nil).browser(t)
		b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
		b.must(http.MethodPut, "/api/values/k", "1")
		thief := b.other()
		if *thief.session().Subject != "alice" {
			t.Fatal("the copy is none")
		}
		b.must(http.MethodPost, path, map[bool]string{true: `{"name":"alice"}`}[path == "/api/login"])
		if v := thief.session(); v.Request.Loaded || *v.Subject != "" || len(v.Values) != 0 {
			t.Errorf("%s: the copy still opens it: %+v", path, v)
		}
		if resp := thief.do(http.MethodPut, "/api/values/k", "2"); resp.StatusCode != http.StatusConflict || resp.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: the copy still writes: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

func TestSealedSessionsCannotBeListedButEndedTogether(t *testing.T) {
	f := newSealedSite(t, nil)
	b, phone, bob := f.browser(t), f.browser(t), f.browser(t)
	for browser, name := range map[*browser]string{b: "alice", phone: "alice", bob: "bob"} {
		browser.must(http.MethodPost, "/api/login", `{"name":"`+name+`"}`)
	}
	for _, call := range [][2]string{{"GET", "/api/devices"}, {"POST", "/api/devices/" + phone.session().Handle + "/revoke"}} {
		resp := b.do(call[0], call[1], "")
		if got := text(t, resp); resp.StatusCode != http.StatusNotImplemented || !strings.Contains(got, "in their cookies") {
			t.Errorf("%s: status %d: %s", call[1], resp.StatusCode, got)
		}
	}
	if strings.Contains(f.log.String(), "level=ERROR") {
		t.Errorf("what cannot be is an error in the log: %s", f.log)
	}
	resp := b.do(http.MethodGet, "/devices", "")
	page := text(t, resp)
	checkPage(t, resp, page)
	page += b.must(http.MethodGet, "/", "")
	for _, want := range []string{"nobody can list them", "Sign out all other devices", "is in the cookie that your browser has", "opened from the cookie", "Of two cookies the browser keeps the later one"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	if got := b.must(http.MethodPost, "/api/devices/revoke-others", ""); got != "{\"revoked\":null}\n" {
		t.Errorf("got %s", got)
	}
	if *phone.session().Subject != "" || *b.session().Subject != "alice" || *bob.session().Subject != "bob" {
		t.Error("the wrong devices were signed out")
	}
	phone.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	if got := text(t, b.submit("/devices/revoke-others", nil)); !strings.Contains(got, "All other devices are signed out.") {
		t.Errorf("got %s", got)
	}
	if *phone.session().Subject != "" {
		t.Error("the phone is still signed in")
	}
	if got := text(t, b.submit("/devices/revoke", url.Values{"handle": {b.session().Handle}})); !strings.Contains(got, "You are signed out") || len(b.cookies) != 0 {
		t.Errorf("one's own device: %s", got)
	}
}

func TestSealedSessionThatOutgrowsTheCookieIsRefusedWithItsSizes(t *testing.T) {
	b := newSealedSite(t, nil).browser(t)
	b.must(http.MethodPut, "/api/values/small", "1")
	resp := b.do(http.MethodPut, "/api/values/<big>", `"`+strings.Repeat("x", 4000)+`"`)
	got := decode[map[string]string](t, text(t, resp))["error"]
	var is, most, size int
	if _, err := fmt.Sscanf(got, "the session would become too large for a cookie: %d bytes, %d fit; the largest value is <big> with %d; nothing was saved", &is, &most, &size); err != nil {
		t.Errorf("%v in %q", err, got)
	}
	if resp.StatusCode != http.StatusRequestEntityTooLarge || resp.Header.Get("Set-Cookie") != "" || is <= most || most != 4000 || size < 4000 {
		t.Errorf("status %d, %v: %s", resp.StatusCode, resp.Header, got)
	}

	// The same on a page, and for an Update: nearly full, then one thing more.
	for n := 16; ; n /= 2 {
		for b.do(http.MethodPut, fmt.Sprintf("/api/values/fill%d", len(b.session().Values)), `"`+strings.Repeat("x", n)+`"`).StatusCode == http.StatusOK {
		}
		if n == 1 {
			break
		}
	}
	before := b.session()
	if before.Request.CookieBytes < 3900 {
		t.Errorf("only %d bytes fit", before.Request.CookieBytes)
	}
	if resp := b.do(http.MethodPost, "/api/incr/some-longer-name", ""); resp.StatusCode != http.StatusRequestEntityTooLarge || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("an increment: status %d", resp.StatusCode)
	}
	r := b.request(http.MethodPost, "/sign-in", url.Values{"name": {strings.Repeat("n", 60)}}.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp = b.send(r)
	page := text(t, resp)
	checkPage(t, resp, page)
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(page, "too large for a cookie") || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("signing in: status %d: %s", resp.StatusCode, page)
	}
	if v := b.session(); len(v.Values) != len(before.Values) || *v.Subject != "" || v.Values["<big>"] != nil {
		t.Errorf("the session has changed: %+v", v)
	}
}

func TestRevokerThatDoesNotAnswerIsAnErrorAndNoSignOut(t *testing.T) {
	for _, tc := range []struct{ down, method, path string }{
		{"load", "GET", "/api/session"},
		{"load", "GET", "/"},
		{"load", "GET", "/devices"},
		{"create", "POST", "/api/logout"},
		{"create", "POST", "/sign-out"},
		{"create", "POST", "/api/devices/revoke-others"},
	} {
		f := newSealedSite(t, nil)
		b := f.browser(t)
		b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
		f.store.fail(tc.down)
		resp := b.do(tc.method, tc.path, "")
		f.store.fail("")
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("Location") != "" {
			t.Errorf("%s: status %d, %v", tc.path, resp.StatusCode, resp.Header)
		}
		if *b.session().Subject != "alice" {
			t.Errorf("%s: signed out", tc.path)
		}
	}
}

func TestLogoutDuringASlowWriteWinsOverASealedSession(t *testing.T) {
	g := newGate()
	b := newSealedSite(t, g.wait).browser(t)
	b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	slow := b.other()
	done := make(chan *http.Response, 1)
	go func() { done <- slow.do(http.MethodPost, "/api/slow/k?ms=3000", "1") }()
	g.reached(t)
	b.must(http.MethodPost, "/api/logout", "")
	close(g.open)
	if resp := <-done; resp.StatusCode != http.StatusConflict || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
	}
	if v := slow.session(); v.Request.Loaded || *v.Subject != "" || len(v.Values) != 0 {
		t.Errorf("the session is back: %+v", v)
	}
}
