package scs

import (
	"net/http"
	"slices"
	"testing"

	"github.com/alexedwards/scs/v2"

	"github.com/seed12c5fab1/beaker/internal/moving"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestBothSitesShowTheSame(t *testing.T) {
	env := sessiontest.New(t)
	sessions, err := newSessions(env.Config.Store, env.Config.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	for name, h := range map[string]http.Handler{"scs": Before(), "beaker": After(sessions)} {
		if shown := moving.Browse(h); !slices.Equal(shown, moving.Want) {
			t.Errorf("%s shows %q, want %q", name, shown, moving.Want)
		}
	}
}

func TestWhoIsSignedInStaysSo(t *testing.T) {
	env := sessiontest.New(t)
	old := scs.New()
	served := old.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { old.Put(r.Context(), "user", "alice") }))
	b := sessiontest.NewBrowser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served.ServeHTTP(w, r) }), "https://app.example")
	b.Get("/")
	copied := b.Copy()

	served = Bridge(old, env.Sessions, After(env.Sessions)) // the deploy
	for _, want := range []string{`"alice", visit 1, []`, `"alice", visit 2, []`} {
		if r := b.Get("/"); r.Body != want {
			t.Errorf("%q, want %q", r.Body, want)
		}
	}
	if r := copied.Get("/"); r.Body != `"", visit 1, []` {
		t.Errorf("a copy of the old cookie: %q", r.Body)
	}
}
