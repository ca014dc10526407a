package guide

import (
	"net/http"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestEachCallOfTheGlanceActs(t *testing.T) {
	env := sessiontest.New(t)
	phone := env.Browser(site(env))
	env.SignIn(phone, "user 17")
	env.Events.Reset()
	var ended int
	b := env.Browser(do(env, func(r *http.Request, s *beaker.Session) (err error) {
		ended, err = glance(env.Sessions, r, s)
		return err
	}))
	if r := b.Get("/"); r.Status != http.StatusOK || ended != 2 /* the phone's, and what Persist saved */ || len(b.Cookies()) != 0 {
		t.Errorf("%v, %d sessions were ended, cookies %v", r, ended, b.Cookies())
	}
	body(t, phone.Get("/"), "")
	for _, name := range []beaker.EventName{beaker.EventCreate, beaker.EventAuthenticate, beaker.EventRevoke} {
		if env.Events.Count(name) != 1 {
			t.Errorf("%d times %s:\n%s", env.Events.Count(name), name, env.Events)
		}
	}
}
