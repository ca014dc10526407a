package sessiontest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// t stands for a test's own *testing.T, which examples do not have.
var t testing.TB = &exampleT{}

// exampleT runs no cleanups, and prints failures where the example's output shows them.
type exampleT struct{ testing.TB }

func (*exampleT) Helper()                           {}
func (*exampleT) Cleanup(func())                    {}
func (*exampleT) Error(args ...any)                 { fmt.Println(args...) }
func (*exampleT) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (*exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// app is an application that takes its manager as a parameter, so that tests can give
// it theirs.
func app(sessions *beaker.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		if r.PostFormValue("password") != "swordfish" {
			http.Error(w, "wrong password", http.StatusForbidden)
			return
		}
		if err := s.SetSubject(r.PostFormValue("user")); err != nil {
			http.Error(w, "no such user", http.StatusForbidden)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, "Hello, %q", s.Subject())
	})
	return sessions.Wrap(mux)
}

// A sign-in is tested as the browser sees it. The environment's browser is strict: the
// test fails if a browser would refuse the session cookie.
func Example() {
	env := sessiontest.New(t)
	browser := env.Browser(app(env.Sessions))

	wrong := browser.PostForm("/login", url.Values{"user": {"fred"}, "password": {"guess"}})
	fmt.Println(wrong.Status, len(browser.Cookies()))

	right := browser.PostForm("/login", url.Values{"user": {"fred"}, "password": {"swordfish"}})
	fmt.Println(right.Status, right.SetCookies[0])
	fmt.Println(browser.Follow(right).Body)
	fmt.Println(env.Events.Count(beaker.EventAuthenticate))

	// Output:
	// 403 0
	// 303 cookie "__Host-session": stored
	// Hello, "fred"
	// 1
}

// Time does not pass unless the test moves it: half an hour of doing nothing takes no
// time at all.
func ExampleClock() {
	env := sessiontest.New(t, func(cfg *beaker.Config) { cfg.IdleTimeout = 30 * time.Minute })
	browser := env.Browser(app(env.Sessions))
	env.SignIn(browser, "fred")

	env.Clock.Advance(29 * time.Minute)
	fmt.Println(browser.Get("/").Body)
	env.Clock.Advance(29 * time.Minute) // since the last use
	fmt.Println(browser.Get("/").Body)
	env.Clock.Advance(31 * time.Minute)
	fmt.Println(browser.Get("/").Body)

	// Output:
	// Hello, "fred"
	// Hello, "fred"
	// Hello, ""
}

// Two requests on one session overlap: both load it before either saves. Each changes
// another value, and both survive.
func ExampleRace() {
	env := sessiontest.New(t)
	race := sessiontest.NewRace(t, "A:loaded", "B:loaded", "B:saved", "A:save")
	browser := env.Browser(env.Sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := r.FormValue("who")
		s, err := env.Sessions.Get(r.Context())
		if err != nil {
			env.Sessions.Error(w, r, err)
			return
		}
		race.Reach(who + ":loaded")
		s.Set(who, true)
		race.Reach(who + ":save") // B has no such step, and does not wait
	})))
	env.SignIn(browser, "fred")

	for _, who := range []string{"A", "B"} {
		race.Go(who, func() {
			browser.Get("/?who=" + who)
			race.Reach(who + ":saved")
		})
	}
	race.Wait()

	sessiontest.InSession(t, env.Sessions, browser, func(s *beaker.Session) {
		fmt.Println(s.Keys())
	})

	// Output:
	// [A B]
}

// A store that does not answer is not a visitor who is not signed in.
func ExampleFaults() {
	env := sessiontest.New(t)
	browser := env.Browser(app(env.Sessions))
	env.SignIn(browser, "fred")

	env.Faults.Fail(sessiontest.OpLoad, sessiontest.Next, nil)
	fmt.Println(browser.Get("/").Status)
	fmt.Println(browser.Get("/").Body)

	// Output:
	// 503
	// Hello, "fred"
}

// The rules of cookies decide what a page of another site can do.
func ExampleBrowser_From() {
	env := sessiontest.New(t)
	browser := env.Browser(app(env.Sessions))
	env.SignIn(browser, "fred")

	evil := browser.From("https://evil.example")
	fmt.Println("a link: ", evil.Get("/").Body)
	fmt.Println("a form: ", evil.PostForm("/login", nil).Request.Header["Cookie"])
	fmt.Println("a frame:", evil.Embedded().Get("/").Body)

	// Output:
	// a link:  Hello, "fred"
	// a form:  []
	// a frame: Hello, ""
}
