package guide

import (
	"net/http"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestACookieOnPlainHTTPWhereItIsAllowed(t *testing.T) {
	for origin, want := range map[string]string{
		"http://localhost":       "session",
		"http://devbox.example":  "session",
		"https://devbox.example": "__Host-session",
		"http://other.example":   "",
	} {
		t.Run(origin, func(t *testing.T) {
			env := sessiontest.New(t, onThisNetwork)
			env.Events.Allow(beaker.EventCookie) // on the host that is not allowed
			b := sessiontest.NewBrowser(do(env, func(_ *http.Request, s *beaker.Session) error {
				s.Set("theme", "dark")
				return nil
			}), origin).UseClock(env.Clock).Safari()
			b.Get("/")
			got := ""
			for _, c := range b.Cookies() {
				got += c.Name
			}
			if got != want {
				t.Errorf("the browser keeps %q, want %q", got, want)
			}
			if n := env.Events.Count(beaker.EventCookie); (n == 1) != (want == "") {
				t.Errorf("%d warnings", n)
			}
		})
	}
}

func TestACookieForAllHosts(t *testing.T) {
	env := sessiontest.New(t, forAllHosts)
	b := sessiontest.NewBrowser(site(env), "https://app.example.com").UseClock(env.Clock).Strict(t)
	b.PostForm("/in?user=alice", nil)
	if _, ok := b.Cookie("__Secure-session"); !ok {
		t.Errorf("cookies: %v", b.Cookies())
	}
	body(t, b.Get("https://shop.example.com/"), "alice")
	body(t, b.Get("https://example.org/"), "")
}
