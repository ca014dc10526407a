// Package life lives the life of a store once, as users do, and once more where only
// approved cryptography may be used. It is apart from the other tests because the proxy
// that these use cannot even be linked into such a process.
package life

import (
	"context"
	"crypto/fips140"
	"crypto/sha1" // to see that it is refused
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/memcachestore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }

const only = "fips140=only"

// It is read when a process begins: hence another one.
func TestUnderFIPS(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestLife$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG="+only)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestLife") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// refused reports whether what is not approved panics.
func refused() (refused bool) {
	defer func() { refused = recover() != nil }()
	sha1.Sum(nil)
	return false
}

func TestLife(t *testing.T) {
	if os.Getenv("GODEBUG") == only && (!fips140.Enabled() || !refused()) {
		t.Fatal("the setting has no effect, so this would show nothing")
	}
	server, err := engines.StartMemcached(context.Background())
	if err != nil {
		t.Fatalf("the test needs the server: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	store, err := memcachestore.Open([]string{server.Addr}, &memcachestore.Options{Generation: "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	env := sessiontest.New(t, func(c *beaker.Config) { c.Store = store })
	app := env.Sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(env.Sessions, w, r) }))
	one, two := env.Browser(app), env.Browser(app)
	ask := func(b *sessiontest.Browser, path, want string) {
		t.Helper()
		if r := b.Get(path); r.Status != http.StatusOK || r.Body != want {
			t.Errorf("%s: %d %q, want %q", path, r.Status, r.Body, want)
		}
	}
	ask(one, "/who", "nobody, 0")
	ask(one, "/count", "")
	ask(one, "/login?fred", "")
	ask(one, "/count", "")
	ask(one, "/who", "fred, 2")
	ask(one, "/renew", "")
	ask(one, "/who", "fred, 2")
	ask(two, "/login?fred", "")
	ask(two, "/who", "fred, 0")
	if n, err := env.Sessions.RevokeAll(t.Context(), "fred"); n != 2 || err != nil {
		t.Errorf("RevokeAll: %d, %v", n, err)
	}
	ask(one, "/who", "nobody, 0")
	ask(two, "/who", "nobody, 0")
	env.Clock.Advance(time.Millisecond) // who signs in in the same one is revoked too
	ask(two, "/login?fred", "")
	ask(two, "/who", "fred, 0")
	ask(two, "/logout", "")
	ask(two, "/who", "nobody, 0")

	// What memcached cannot do, it says.
	for _, err := range env.Sessions.List(t.Context(), "fred") {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "this store does not list sessions") {
			t.Errorf("List: %v", err)
		}
	}
}

var n = beaker.NewKey[int]("n")

func serve(m *beaker.Manager, w http.ResponseWriter, r *http.Request) {
	s, err := m.Get(r.Context())
	if err == nil {
		switch r.URL.Path {
		case "/who":
			who := s.Subject()
			if who == "" {
				who = "nobody"
			}
			count, _ := n.Get(s)
			fmt.Fprintf(w, "%s, %d", who, count)
		case "/count":
			err = m.Update(r.Context(), func(s *beaker.Session) error {
				count, _ := n.Get(s)
				n.Set(s, count+1)
				return nil
			})
		case "/login":
			err = s.SetSubject(r.URL.RawQuery)
		case "/renew":
			err = s.Regenerate()
		case "/logout":
			err = s.Destroy(r.Context())
		}
	}
	if err != nil {
		m.Error(w, r, err)
	}
}
