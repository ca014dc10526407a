package gorilla

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/sessions"

	"github.com/seed12c5fab1/beaker/internal/moving"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func newKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}

func TestBothSitesShowTheSame(t *testing.T) {
	env := sessiontest.New(t)
	manager, err := newManager(env.Config.Secrets, env.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	for name, h := range map[string]http.Handler{"gorilla": Before(newKey()), "beaker": After(manager)} {
		if shown := moving.Browse(h); !slices.Equal(shown, moving.Want) {
			t.Errorf("%s shows %q, want %q", name, shown, moving.Want)
		}
	}
}

// What the page says of a copy of the cookie.
func TestASignOutIsFinal(t *testing.T) {
	env := sessiontest.New(t)
	sealed, err := newManager(env.Config.Secrets, env.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	defer sealed.Close()
	for name, c := range map[string]struct {
		h     http.Handler
		alice bool
	}{
		"gorilla": {Before(newKey()), true},
		"beaker":  {After(sealed), false},
	} {
		b := sessiontest.NewBrowser(c.h, "https://app.example")
		b.PostForm("/login", map[string][]string{"user": {"alice"}})
		copied := b.Copy()
		b.PostForm("/logout", nil)
		if r := copied.Get("/"); strings.Contains(r.Body, "alice") != c.alice {
			t.Errorf("%s: the copy shows %q", name, r.Body)
		}
	}
}

func TestWhoIsSignedInStaysSo(t *testing.T) {
	env := sessiontest.New(t)
	key := newKey()
	served := Before(key)
	b := sessiontest.NewBrowser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served.ServeHTTP(w, r) }), "https://app.example")
	b.PostForm("/login", map[string][]string{"user": {"alice"}})

	served = Bridge(sessions.NewCookieStore(key), env.Sessions, After(env.Sessions)) // the deploy
	for _, want := range []string{`"alice", visit 1, []`, `"alice", visit 2, []`} {
		if r := b.Get("/"); r.Body != want {
			t.Errorf("%q, want %q", r.Body, want)
		}
	}
	if _, ok := b.Cookie("app"); ok {
		t.Error("the old cookie is still there")
	}
}
