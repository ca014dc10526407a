package beaker_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func atMost(n int) func(*beaker.Config) {
	return func(c *beaker.Config) { c.MaxPerSubject = n }
}

// alive counts the browsers that are signed in.
func alive(a *app, browsers []*browser) (n int, who []int) {
	for i, b := range browsers {
		if subject, _, _ := subjectOf(a, b.clone()); subject == "user 1" {
			n++
			who = append(who, i)
		}
	}
	return n, who
}

// TE-4: a sign-in beyond the limit ends the session that signed in first, and no other
// subject's.
func TestMaxPerSubject(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		stranger := newBrowser(t)
		stranger.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("user 2")) }))
		anonymous := newBrowser(t)
		anonymous.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		var all []*browser
		for i := range 9 {
			b := newBrowser(t)
			all = append(all, b)
			signIn(t, a, b)
			a.clock.Advance(time.Second)
			n, who := alive(a, all)
			if want := min(i+1, 5); n != want || who[0] != i+1-want {
				t.Fatalf("after %d sign-ins, %v are alive", i+1, who)
			}
		}
		if got := len(a.events.named(beaker.EventRevoke)); got != 4 {
			t.Errorf("%d events", got)
		}
		// Who signs in again, in the same session, takes nobody's place, and is the newest.
		signIn(t, a, all[4])
		a.clock.Advance(time.Second)
		if n, _ := alive(a, all); n != 5 {
			t.Errorf("signed in again, and %d are alive", n)
		}
		b := newBrowser(t)
		signIn(t, a, b)
		if _, who := alive(a, append(all, b)); fmt.Sprint(who) != "[4 6 7 8 9]" {
			t.Errorf("alive are %v", who)
		}
		if who, _, _ := subjectOf(a, stranger); who != "user 2" {
			t.Errorf("another subject's session is %q", who)
		}
		anonymous.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if s.IsNew() {
				t.Error("an anonymous session ended")
			}
		}))
	}, atMost(5))
}

// TE-4: however many sign in at once, on however many nodes, exactly as many stay.
func TestMaxPerSubjectAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, one *app) {
		two := newApp(t, one.store.inner, atMost(5), func(c *beaker.Config) { c.Secrets = one.secrets })
		for round := range rounds(t, 3, 50) {
			browsers := make([]*browser, 50)
			var begun, wg sync.WaitGroup
			begun.Add(len(browsers))
			for i := range browsers {
				browsers[i] = newBrowser(t)
				node := []*app{one, two}[i%2]
				wg.Go(func() {
					browsers[i].do(node.session(func(s *beaker.Session, _ *http.Request) {
						begun.Done()
						begun.Wait() // all are in their handlers: nobody has signed in
						must(t, s.SetSubject("user 1"))
					}))
				})
			}
			wg.Wait()
			if n, who := alive(one, browsers); n != 5 {
				t.Fatalf("round %d: alive are %d: %v", round, n, who)
			}
			one.clock.Advance(time.Second)
			two.clock.Advance(time.Second)
		}
	}, atMost(5))
}

// If the others cannot be listed or ended, whoever has shown the password is signed in,
// somebody is told, and the next sign-in makes up for it.
func TestMaxPerSubjectWhenTheStoreFails(t *testing.T) {
	a := newApp(t, stores["memory"](t), atMost(1))
	var all []*browser
	for i := range 3 {
		b := newBrowser(t)
		all = append(all, b)
		a.store.breaks(func(op string) error {
			if op == "delete" && i == 1 {
				return errors.New("down")
			}
			return nil
		})
		signIn(t, a, b)
		a.clock.Advance(time.Second)
		n, who := alive(a, all)
		if want := []int{1, 2, 1}[i]; n != want || who[len(who)-1] != i {
			t.Errorf("after %d sign-ins alive are %v", i+1, who)
		}
	}
	if len(a.events.named(beaker.EventStoreError)) != 1 {
		t.Error("nobody was told")
	}
}

// What cannot be kept is not promised.
func TestMaxPerSubjectNeedsAStoreThatLists(t *testing.T) {
	for desc, change := range map[string]func(*beaker.Config){
		"a store that does not list": func(c *beaker.Config) { c.Store = struct{ beaker.Store }{c.Store} },
		"sealed sessions":            sealed,
		"a negative limit":           func(c *beaker.Config) { c.MaxPerSubject = -1 },
	} {
		cfg := beaker.Config{Store: stores["memory"](t), Secrets: secrets(t), MaxPerSubject: 1}
		change(&cfg)
		var e *beaker.ConfigError
		if _, err := beaker.New(cfg); !errors.As(err, &e) || e.Field != "MaxPerSubject" {
			t.Errorf("%s: %v", desc, err)
		}
	}
}
