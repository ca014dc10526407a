package guide

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// shop is the application that the page on testing tests.
func shop(sessions *beaker.Manager) *http.ServeMux {
	mux := http.NewServeMux()
	with := func(pattern string, f func(w http.ResponseWriter, r *http.Request, s *beaker.Session)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s, err := sessions.Get(r.Context())
			if err != nil {
				sessions.Error(w, r, err)
				return
			}
			f(w, r, s)
		})
	}
	with("GET /account", func(w http.ResponseWriter, _ *http.Request, s *beaker.Session) {
		plan, _ := s.Get("plan")
		fmt.Fprintf(w, "%s %v", s.Subject(), plan)
	})
	with("POST /transfer", func(w http.ResponseWriter, _ *http.Request, s *beaker.Session) { fmt.Fprint(w, s.Subject()) })
	with("POST /settings", func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) { s.Set("theme", r.FormValue("theme")) })
	return mux
}

func TestAccountPage(t *testing.T) {
	//docs:begin signedin
	env := sessiontest.New(t)
	browser := env.Browser(env.Sessions.Wrap(shop(env.Sessions)))
	env.SignIn(browser, "alice")
	sessiontest.InSession(t, env.Sessions, browser, func(s *beaker.Session) {
		s.Set("plan", "paid") // what the handler is to find
	})
	if got := browser.Get("/account").Body; got != "alice paid" {
		t.Errorf("the page says %q", got)
	}
	//docs:end signedin

	//docs:begin time
	browser.Restart()                   // the user closes the browser: session cookies are gone
	env.SignIn(browser, "alice")        // and signs in again
	env.Clock.Advance(31 * time.Minute) // the idle timeout passes
	if got := browser.Get("/account").Body; got != " <nil>" {
		t.Errorf("after the idle timeout: %q", got)
	}
	//docs:end time
}

func TestOthers(t *testing.T) {
	env := sessiontest.New(t)
	browser := env.Browser(env.Sessions.Wrap(shop(env.Sessions)))
	env.SignIn(browser, "alice")
	//docs:begin others
	evil := browser.From("https://evil.example") // a page of another site, in the same browser
	if got := evil.PostForm("/transfer", nil).Body; got != "" {
		t.Errorf("a form of another site transfers as %q", got)
	}
	thief := browser.Copy() // has copied the cookies, and goes its own way
	tab := browser          // a second tab is the same browser
	//docs:end others
	body(t, thief.Get("/account"), "alice <nil>")
	body(t, tab.Get("/account"), "alice <nil>")
}

func TestFailures(t *testing.T) {
	env := sessiontest.New(t)
	browser := env.Browser(env.Sessions.Wrap(shop(env.Sessions)))
	env.SignIn(browser, "alice")
	//docs:begin faults
	env.Faults.Down(nil)
	if got := browser.Get("/account").Status; got != http.StatusServiceUnavailable {
		t.Errorf("the store is down: status %d", got)
	}
	env.Faults.Up()
	env.Faults.LoseAck(sessiontest.OpApply, sessiontest.Next) // the next change is made, and the answer lost
	if got := browser.PostForm("/settings?theme=dark", nil).Status; got != http.StatusServiceUnavailable {
		t.Errorf("it is not known whether it was saved: status %d", got)
	}
	//docs:end faults
}
