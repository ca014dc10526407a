package guide

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestAnAPITakesFormsFromItsOwnAndFromATrustedOrigin(t *testing.T) {
	env := sessiontest.New(t)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		s, err := env.Sessions.Get(r.Context())
		if err != nil {
			env.Sessions.Error(w, r, err)
			return
		}
		fmt.Fprint(w, s.Subject())
	})
	h, err := apiFor(env.Sessions, mux)
	if err != nil {
		t.Fatal(err)
	}
	b := sessiontest.NewBrowser(h, "https://api.example.com").UseClock(env.Clock).Strict(t)
	env.SignIn(b, "alice")
	body(t, b.PostForm("/", nil), "alice")
	body(t, b.From("https://app.example.com").Embedded().PostForm("/", nil), "alice") // one site: the cookie goes along
	for _, other := range []string{"https://blog.example.com", "https://evil.example"} {
		if r := b.From(other).Embedded().PostForm("/", nil); r.Status != http.StatusForbidden {
			t.Errorf("%s: %v", other, r)
		}
	}
}

func TestACouponIsRedeemedOnce(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(env.Sessions.Wrap(redeem(env.Sessions)))
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) { coupon.Set(s, "A17") })
	race := sessiontest.NewRace(t)
	answers := make(chan string, 4)
	for i := range 4 {
		race.Go(fmt.Sprint(i), func() { answers <- b.Get("/").Body })
	}
	race.Wait()
	count := map[string]int{}
	for range 4 {
		count[<-answers]++
	}
	if count["only one request gets A17\n"] != 1 || count["it was used already\n"] != 3 {
		t.Errorf("got %v", count)
	}
	env.Faults.Down(nil)
	if r := b.Get("/"); r.Status != http.StatusServiceUnavailable {
		t.Errorf("the store is down: %v", r)
	}
	env.Faults.Up()
}
