package beaker

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// start runs the site of before.py and returns where it is.
func start(t *testing.T, kind string) string {
	t.Helper()
	// The system's Python: Debian's packages are not seen by others.
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "before.py", t.TempDir(), kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("install python3-beaker: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // it was killed
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("install python3-beaker and python3-cryptography: the site did not start: %v", err)
	}
	return "http://localhost:" + strings.TrimSpace(port)
}

// browse makes the manual's page come alive, and returns what was shown.
func browse(t *testing.T, b *sessiontest.Browser) (shown []string) {
	t.Helper()
	for _, path := range []string{
		"/untouched", "/attributes", "/read", "/simple", "/simple", "/read", "/attributes", "/revert", "/persist", "/remove", "/read",
		"/simple", "/regenerate", "/read", "/invalidate", "/read", "/simple", "/delete", "/read",
	} {
		r := b.Get(path)
		if r.Status != http.StatusOK {
			t.Errorf("%v %q", r, r.Body)
		}
		shown = append(shown, path+": "+r.Body)
		if path == "/untouched" && len(r.SetCookies) != 0 {
			t.Errorf("%v", r)
		}
	}
	return shown
}

func TestTheManualsPageInBothLanguages(t *testing.T) {
	env := sessiontest.New(t)
	stored, err := open(t.TempDir(), env.Config.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	here := browse(t, sessiontest.NewBrowser(App(stored), "https://app.example"))
	there := browse(t, sessiontest.NewBrowserVia(http.DefaultTransport, start(t, "file")))
	if !slices.Equal(here, there) {
		t.Errorf("here:\n%s\nwith Beaker:\n%s", strings.Join(here, "\n"), strings.Join(there, "\n"))
	}

	sealed, err := openSealed(env.Config.Store, env.Config.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	defer sealed.Close()
	if got := browse(t, sessiontest.NewBrowser(App(sealed), "https://app.example")); !slices.Equal(got, here) {
		t.Errorf("sealed:\n%s\nstored:\n%s", strings.Join(got, "\n"), strings.Join(here, "\n"))
	}
	// Beaker's own cookie sessions cannot regenerate their id: see behaviour 55.
	b := sessiontest.NewBrowserVia(http.DefaultTransport, start(t, "cookie"))
	b.Get("/simple")
	if r := b.Get("/read"); r.Body != "Fred Smith" {
		t.Errorf("Beaker's cookie session: %v %q", r, r.Body)
	}
}

func TestTheCookieMoves(t *testing.T) {
	env := sessiontest.New(t, domain)
	b := sessiontest.NewBrowser(App(env.Sessions), "https://www.domain.com")
	b.Get("/simple")
	r := b.Get("/domain")
	if len(r.SetCookies) != 1 || r.SetCookies[0].Cookie.Domain != "domain.com" || r.SetCookies[0].Cookie.Path != "/admin" {
		t.Errorf("%v", r)
	}
	python := sessiontest.NewBrowserVia(http.DefaultTransport, start(t, "file"))
	python.Get("/simple")
	r = python.Get("/domain")
	if len(r.SetCookies) != 1 || !strings.Contains(strings.ToLower(r.SetCookies[0].Line), "domain=.domain.com") || !strings.Contains(strings.ToLower(r.SetCookies[0].Line), "path=/admin") {
		t.Errorf("%v", r)
	}
}

func TestSettings(t *testing.T) {
	env := sessiontest.New(t, explicit, secure)
	b := env.Browser(env.Sessions.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := env.Sessions.Get(r.Context())
		if err != nil {
			t.Error(err)
		}
		s.Set("a", 1)
		if r.URL.Path == "/save" {
			s.Save()
		}
	})))
	if r := b.Get("/"); len(r.SetCookies) != 0 {
		t.Errorf("saved without Save: %v", r)
	}
	if r := b.Get("/save"); len(r.SetCookies) != 1 || r.SetCookies[0].Cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("%v", r)
	}
	env.Events.Allow(beaker.EventMisuse)
	b.Get("/save")
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if err := save(s, func() {}); err == nil {
			t.Error("a function was saved")
		}
		s.Revert()
		if err := save(s, 1); err != nil {
			t.Error(err)
		}
	})
}
