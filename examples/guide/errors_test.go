package guide

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestOneHandlerForAllErrors(t *testing.T) {
	env := sessiontest.New(t, sendToSignIn)
	b := env.Browser(env.Sessions.Wrap(get(env.Sessions)))
	b.Get("/")

	race := sessiontest.NewRace(t, "slow:loaded", "out:go", "out:done", "slow:save")
	slow := env.Browser(env.Sessions.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := env.Sessions.Get(r.Context())
		if r.URL.Path == "/out" {
			if err := s.Destroy(r.Context()); err != nil {
				t.Error(err)
			}
			return
		}
		race.Reach("slow:loaded")
		s.Set("draft", "text")
		race.Reach("slow:save")
	})))
	env.SignIn(slow, "fred")
	var late *sessiontest.Response
	race.Go("slow", func() { late = slow.Get("/slow") })
	race.Go("out", func() {
		race.Reach("out:go")
		out := slow.Get("/out")
		if out.Status != http.StatusOK {
			t.Errorf("sign-out: %v", out)
		}
		race.Reach("out:done")
	})
	race.Wait()
	if late.Status != http.StatusSeeOther || late.Header.Get("Location") != "/signin" {
		t.Errorf("a session that ended: %v", late)
	}

	env.Faults.Down(nil)
	if down := b.Get("/"); down.Status != http.StatusServiceUnavailable || down.Header.Get("Retry-After") != "5" || down.Body != "503 Service Unavailable\n" {
		t.Errorf("a store that is down: %v %q", down, down.Body)
	}
	env.Faults.Up()
}

// byName has every error that the page explains; internal/ci/docs sees that the page
// has every error that there is.
var byName = map[string]error{
	"ErrNoMiddleware": beaker.ErrNoMiddleware, "ErrCommitted": beaker.ErrCommitted, "ErrDestroyed": beaker.ErrDestroyed,
	"ErrEnded": beaker.ErrEnded, "ErrRevoked": beaker.ErrRevoked, "ErrInert": beaker.ErrInert, "ErrNotFound": beaker.ErrNotFound,
	"ErrSignInAgain": beaker.ErrSignInAgain, "ErrNoValue": beaker.ErrNoValue, "DecodeError": &beaker.DecodeError{}, "EncodeError": &beaker.EncodeError{},
	"ErrTooLarge": beaker.ErrTooLarge, "TooLargeError": &beaker.TooLargeError{}, "CookieTooLargeError": &beaker.CookieTooLargeError{},
	"ErrInvalidName": beaker.ErrInvalidName, "ErrInvalidSubject": beaker.ErrInvalidSubject, "ErrInvalidTimeout": beaker.ErrInvalidTimeout,
	"ErrInUpdate": beaker.ErrInUpdate, "ErrCookieUndeliverable": beaker.ErrCookieUndeliverable, "ErrNotRevocable": beaker.ErrNotRevocable,
	"ErrUncertain": beaker.ErrUncertain, "ErrClosed": beaker.ErrClosed, "ErrStoreFull": beaker.ErrStoreFull, "ErrCorrupt": beaker.ErrCorrupt,
	"ErrNewerFormat": beaker.ErrNewerFormat, "ConfigError": &beaker.ConfigError{}, "ErrExists": beaker.ErrExists, "ErrConflict": beaker.ErrConflict,
	"sessiontest.ErrInjected": sessiontest.ErrInjected,
}

func TestTheErrorPageNamesTheRightStatus(t *testing.T) {
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	entries := regexp.MustCompile("(?m)^### `(\\S+)`\n\nAnswer: (\\d+)").FindAllStringSubmatch(string(page), -1)
	if len(entries) != len(byName) {
		t.Errorf("the page has %d entries with an answer, %d errors are known here", len(entries), len(byName))
	}
	for _, e := range entries {
		if byName[e[1]] == nil {
			t.Errorf("%s is not known here", e[1])
		} else if status := fmt.Sprint(beaker.StatusOf(byName[e[1]])); status != e[2] {
			t.Errorf("%s: the page says %s, it is answered %s", e[1], e[2], status)
		}
	}
	if !errors.Is(&beaker.CookieTooLargeError{}, beaker.ErrTooLarge) || !errors.Is(&beaker.TooLargeError{}, beaker.ErrTooLarge) {
		t.Error("the page says that both are ErrTooLarge")
	}
}
