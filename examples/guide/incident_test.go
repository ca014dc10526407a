package guide

import (
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestAfterALeakOldCookiesOpenNothing(t *testing.T) {
	env := sessiontest.New(t)
	before, after := env.Browser(site(env)), env.Browser(site(env))
	env.SignIn(before, "alice")
	env.Clock.Advance(time.Minute)
	leak := env.Clock.Now()
	env.SignIn(after, "bob")
	cookiesLeaked(env.Config.Secrets, leak)
	body(t, before.Get("/"), "")
	body(t, after.Get("/"), "bob")

	if n, err := endAll(t.Context(), env.Sessions); n != 2 || err != nil {
		t.Errorf("%d were ended, %v", n, err)
	}
	body(t, after.Get("/"), "")
}
