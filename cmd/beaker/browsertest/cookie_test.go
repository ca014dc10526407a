package browsertest_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
)

// only returns the one cookie that the browser has.
func (u *user) only() *network.Cookie {
	u.t.Helper()
	all := u.cookies()
	if len(all) != 1 {
		u.t.Fatalf("%d cookies: %+v", len(all), all)
	}
	return all[0]
}

// The cookie as the browser has stored it, and not as it was sent: what it refuses, or
// reads in another way, would show here.
func TestCookieIsStoredAsItShouldBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.newUser(t)
	b := u.first
	b.visit("/untouched")
	b.visit("/cart")
	if got := u.cookies(); len(got) != 0 {
		t.Errorf("whoever only looks gets %+v", got)
	}
	b.visit("/")
	c := u.only()
	if c.Name != cookieName || !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != "localhost" || !c.Session {
		t.Errorf("got %+v", c)
	}
	b.watch.expect("DocumentCookie") // that it is slow
	if got := eval[string](b, "document.cookie"); got != "" {
		t.Errorf("scripts can read %q", got)
	}
	anonymous := c.Value

	b.signIn("alice", false)
	c = u.only()
	if c.Value == anonymous || !c.Session {
		t.Errorf("after signing in: %+v", c)
	}
	b.click("form[action='/sign-out'] button")
	if got := u.cookies(); len(got) != 0 {
		t.Errorf("after signing out: %+v", got)
	}

	b.visit("/")
	b.signIn("alice", true)
	c = u.only()
	days := time.Until(time.Unix(int64(c.Expires), 0)).Hours() / 24
	if c.Session || math.Abs(days-30) > 0.1 || !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Domain != "localhost" {
		t.Errorf("remembered for %.2f days: %+v", days, c)
	}
}

func TestSessionThatIsNotUsedEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newUser(t).first
	b.visit("/")
	b.signIn("alice", false)
	w.clock.move(29 * time.Minute)
	b.visit("/")
	b.shows("Hello, alice")
	w.clock.move(31 * time.Minute)
	b.visit("/")
	b.shows("Sessions that lose nothing", "1 visit in this session", "begun by this request")
	b.hides("alice")
}

func TestSessionEndsInAnyCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newUser(t).first
	b.visit("/")
	b.signIn("alice", false)
	for range 24 { // 11 hours and 36 minutes
		w.clock.move(29 * time.Minute)
		if got := eval[string](b, `fetch("/api/session").then(r => r.json()).then(s => s.subject)`); got != "alice" {
			t.Fatalf("%q is signed in", got)
		}
	}
	b.visit("/outage")
	b.shows("You are signed in as alice")
	w.clock.move(25 * time.Minute)
	b.visit("/outage")
	b.shows("You are not signed in")
}

func TestRememberedSessionLastsAndEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newUser(t).first
	b.visit("/")
	b.signIn("alice", true)
	w.clock.move(29 * 24 * time.Hour)
	b.visit("/")
	b.shows("Hello, alice", "23:59:")
	w.clock.move(24 * time.Hour)
	b.visit("/")
	b.hides("alice")
}

// What was shown to whoever was signed in is not shown again after the sign-out, neither
// from the cache nor from memory.
func TestGoingBackAfterTheSignOutShowsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newUser(t).first
	b.visit("/")
	b.signIn("alice", false)
	b.click("nav a[href='/devices']")
	b.shows("Your devices", "Signed in as alice")
	b.click("form[action='/sign-out'] button")
	b.shows("You are signed out")
	for _, want := range []string{"Sign in, then sign in", "Sessions that lose nothing", "Sessions that lose nothing"} {
		b.back()
		b.shows(want)
		b.hides("alice")
	}
	for _, path := range []string{"/devices", "/"} {
		if n := len(w.requests(http.MethodGet, path)); n != map[string]int{"/devices": 2, "/": 4}[path] {
			t.Errorf("%s was asked for %d times: what was shown is not new", path, n)
		}
	}
}

// Other origins can send forms, and nothing comes of it. One on the same site, which
// another port is, sends the cookie with it; one on another site does not even that.
func TestFormsOfOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.newUser(t)
	b := u.first
	b.visit("/")
	b.signIn("alice", false)
	for _, tc := range []struct {
		host, site string
		cookie     bool
	}{
		{"http://localhost", "same-site", true},
		{"http://127.0.0.1", "cross-site", false},
	} {
		before := len(w.requests(http.MethodPost, "/sign-out"))
		if !tc.cookie {
			b.watch.expect("ExcludeSameSiteLax")
		}
		b.attack(tc.host, http.StatusForbidden)
		b.shows("This came from another site")
		got := w.requests(http.MethodPost, "/sign-out")[before:]
		if len(got) != 1 || got[0].header.Get("Sec-Fetch-Site") != tc.site || got[0].hasCookie() != tc.cookie {
			t.Errorf("from %s: %+v", tc.host, got)
		}
		b.visit("/")
		b.shows("Hello, alice")
	}
}
