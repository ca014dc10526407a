package gin

import (
	"crypto/rand"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/seed12c5fab1/beaker/internal/moving"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode) // otherwise it prints its routes
	os.Exit(m.Run())
}

func secret() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}

func TestBothSitesShowTheSame(t *testing.T) {
	env := sessiontest.New(t)
	for name, h := range map[string]http.Handler{"gin-contrib/sessions": Before(secret()), "beaker": After(env.Sessions)} {
		if shown := moving.Browse(h); !slices.Equal(shown, moving.Want) {
			t.Errorf("%s shows %q, want %q", name, shown, moving.Want)
		}
	}
}

// What the page says of signing out and of a store that is down.
func TestTraps(t *testing.T) {
	env := sessiontest.New(t)
	for name, c := range map[string]struct {
		h     http.Handler
		alice bool
	}{
		"gin-contrib/sessions": {Before(secret()), true},
		"beaker":               {After(env.Sessions), false},
	} {
		b := sessiontest.NewBrowser(c.h, "https://app.example")
		b.PostForm("/login", map[string][]string{"user": {"alice"}})
		copied := b.Copy()
		b.PostForm("/logout", nil)
		if r := copied.Get("/"); strings.Contains(r.Body, "alice") != c.alice {
			t.Errorf("%s: after the sign-out a copy of the cookie shows %q", name, r.Body)
		}
	}
	b := sessiontest.NewBrowser(After(env.Sessions), "https://app.example")
	b.PostForm("/login", map[string][]string{"user": {"alice"}})
	env.Faults.Down(nil)
	if r := b.Get("/"); r.Status != http.StatusServiceUnavailable {
		t.Errorf("a store that is down: %v", r)
	}
	env.Faults.Up()
}
