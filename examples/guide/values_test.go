package guide

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestKeysKeepTheirTypes(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(nil)
	for range 2 {
		sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
			if got := keys(s); got != "0 [{pear 2}]" {
				t.Errorf("got %s", got)
			}
			if visits.Has(s) {
				t.Error("a value that was deleted is there")
			}
			if err := lookup(s); err != nil {
				t.Error(err)
			}
		})
	}
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if at, ok := seen.Get(s); !ok || !at.Equal(env.Clock.Now()) {
			t.Errorf("seen: %v %v", at, ok)
		}
		cart.Delete(s)
		if err := lookup(s); err != nil {
			t.Error(err)
		}
		s.Set("cart", "a string")
		env.Events.Allow(beaker.EventBadValue)
		if err := lookup(s); err == nil {
			t.Error("a value of another type is no error")
		}
	})
}

func TestADictionaryForEachVisitor(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(nil)
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if got := untyped(s); !reflect.DeepEqual(got, []string{"size", "darktrue", "int64"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestFlashesAreShownOnce(t *testing.T) {
	env := sessiontest.New(t)
	mux := http.NewServeMux()
	mux.Handle("/add", add(env.Sessions))
	mux.Handle("/settings", do(env, func(_ *http.Request, s *beaker.Session) error {
		all := texts(s)
		s.Set("shown", fmt.Sprint(all))
		return nil
	}))
	b := env.Browser(env.Sessions.Wrap(mux))
	want := []string{"[Your settings were saved.]", "[]"}
	b.Get("/add")
	for i := range want {
		b.Get("/settings")
		sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
			if got, _ := s.Get("shown"); got != want[i] {
				t.Errorf("page %d shows %v, want %s", i+1, got, want[i])
			}
		})
	}
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		s.AddFlash(Notice{"warning", "The disk is almost full."})
		if all := notices(s); !reflect.DeepEqual(all, []Notice{{"warning", "The disk is almost full."}}) {
			t.Errorf("got %v", all)
		}
	})
}

func TestUpdateCountsEachTime(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(do(env, func(r *http.Request, _ *beaker.Session) error { return increment(r.Context(), env.Sessions) }))
	env.SignIn(b, "alice")
	race := sessiontest.NewRace(t, "A:go", "B:go")
	for _, who := range []string{"A", "B"} {
		race.Go(who, func() {
			race.Reach(who + ":go")
			for range 10 {
				b.Get("/")
			}
		})
	}
	race.Wait()
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if n, _ := visits.Get(s); n != 20 {
			t.Errorf("%d visits, want 20", n)
		}
	})
}

func TestOneOfManyTakes(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(env.Sessions.Wrap(callback(env.Sessions)))
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) { oauthState.Set(s, "x7") })
	answers := make(chan int, 4)
	race := sessiontest.NewRace(t)
	for i := range 4 {
		race.Go(fmt.Sprint(i), func() { answers <- b.Get("/?state=x7").Status })
	}
	race.Wait()
	count := map[int]int{}
	for range 4 {
		count[<-answers]++
	}
	if count[http.StatusOK] != 1 || count[http.StatusForbidden] != 3 {
		t.Errorf("got %v", count)
	}
}

func TestNothingIsSentForWhatIsNotSaved(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(env.Sessions.Wrap(persist(env.Sessions)))
	sent = 0
	env.Faults.Fail(sessiontest.OpCreate, sessiontest.Next, nil)
	if r := b.Get("/"); r.Status != http.StatusServiceUnavailable || sent != 0 {
		t.Errorf("%v, %d mails", r, sent)
	}
	if r := b.Get("/"); r.Status != http.StatusOK || sent != 1 {
		t.Errorf("%v, %d mails", r, sent)
	}
}
