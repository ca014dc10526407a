package model_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/seed12c5fab1/beaker"
)

// names are few, so that requests meet.
var names = []string{"a", "b", "c"}

var subjects = []string{"alice", "bob"}

// serve makes one request of a browser, doing the same to the session and the model.
// depth counts the requests that this one happens inside of, and so overlaps with.
func (w *world) serve(t *rapid.T, browser, depth int) {
	w.clock = w.clock.Add(time.Millisecond) // so that flashes have an order
	cookie := w.browsers[browser]
	var v *visit
	rec, set := w.request(t, w.app, cookie, func(s *beaker.Session, r *http.Request) {
		v = w.open(cookie)
		v.compare(t, s, "load")
		for range upTo(t, "steps", 6) {
			v.compare(t, s, v.step(t, s, r, browser, depth))
		}
	})
	owed, err := v.commit()
	if err != nil {
		if want := beaker.StatusOf(err); rec.Code != want {
			t.Fatalf("answered %d, want %d (%v)", rec.Code, want, err)
		}
	} else if rec.Code != http.StatusOK {
		t.Fatalf("answered %d %s", rec.Code, rec.Body)
	}
	switch {
	case owed == none && set != nil:
		t.Fatalf("an unexpected cookie (Max-Age %d)", set.MaxAge)
	case owed == give && (set == nil || set.MaxAge < 0 || set.Value == ""):
		t.Fatalf("the cookie is missing: %v", set)
	case owed == expire && (set == nil || set.MaxAge >= 0):
		t.Fatalf("the browser is not told to forget the cookie: %v", set)
	case owed == give:
		if _, known := w.cookies[set.Value]; known {
			t.Fatalf("a cookie was sent twice")
		}
		w.cookies[set.Value] = held{v.s, v.gen, v.base.clone()}
		w.issued = append(w.issued, set.Value)
		if !v.gone {
			w.browsers[browser] = set.Value
		}
	case owed == expire && !v.gone:
		w.browsers[browser] = ""
	}
	w.clock = w.clock.Add(time.Millisecond)
}

// compare compares the request's view.
func (v *visit) compare(t *rapid.T, s *beaker.Session, what string) {
	auth := v.base.auth
	if v.p.subject != nil {
		if auth = 0; *v.p.subject != "" {
			auth = v.beganFor(*v.p.subject)
		}
	}
	v.w.sameView(t, what, s, v.values(), v.subject(), auth)
	sameError(t, what+": Err", s.Err(), v.err)
	if s.IsNew() != v.fresh {
		t.Fatalf("%s: IsNew is %v", what, s.IsNew())
	}
	if v.phase == live {
		v.w.sameHandle(t, v.s, s.Handle())
	}
}

func sameError(t *rapid.T, what string, got, want error) {
	if want == nil && got != nil || !errors.Is(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// often holds each step as often as it is worth: what ends a session must be rare, or
// there is none to do the rest to.
var often = repeated(map[string]int{
	"set": 8, "delete": 2, "pop": 1, "clear": 1, "flash": 2, "flashes": 1, "save": 3, "revert": 1, "persist": 3, "subject": 2,
	"regenerate": 3, "idle": 1, "absolute": 1, "destroy": 1, "invalidate": 1, "revoke all": 1, "time passes": 1, "the client leaves": 1,
})

var oftenOutside = append(repeated(map[string]int{"another request": 8}), often...)

func repeated(weights map[string]int) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		for range weights[name] {
			all = append(all, name)
		}
	}
	return all
}

// step does one thing in a handler, and says what.
func (v *visit) step(t *rapid.T, s *beaker.Session, r *http.Request, browser, depth int) string {
	w := v.w
	steps := often
	if depth == 0 {
		steps = oftenOutside
	}
	what := oneOf(t, "step", steps)
	t.Log("  " + what)
	name := func() string { return oneOf(t, "name", names) }
	switch what {
	case "set":
		name, value := name(), w.fresh()
		s.Set(name, value)
		v.set(name, fmt.Sprint(value))
	case "delete":
		name := name()
		s.Delete(name)
		v.remove(name)
	case "pop":
		name := name()
		want, there := v.values()[name]
		got, ok := s.Pop(name)
		if ok != there || ok && fmt.Sprint(got) != want {
			t.Fatalf("Pop(%q): %v, %v, want %v, %v", name, got, ok, want, there)
		}
		if there {
			v.remove(name)
		}
	case "clear":
		s.Clear()
		v.clear()
	case "flash":
		value := w.fresh()
		s.AddFlash(value)
		if v.writable() == nil {
			v.flashes++
		}
		v.set(flashName(w.ms(), v.flashes), fmt.Sprint(value))
	case "flashes":
		var got []string
		for _, f := range s.Flashes() {
			got = append(got, fmt.Sprint(f))
		}
		all := v.values()
		if want := flashesIn(all); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("Flashes: %v, want %v", got, want)
		}
		for name := range all {
			if isFlash(name) {
				v.remove(name)
			}
		}
	case "save":
		s.Save()
		v.change(func() { v.p.save = true })
	case "revert":
		s.Revert()
		v.revert()
	case "persist":
		sameError(t, "Persist", s.Persist(r.Context()), v.persist())
	case "subject":
		subject := oneOf(t, "subject", append([]string{""}, subjects...))
		sameError(t, "SetSubject", s.SetSubject(subject), v.setSubject(subject))
	case "regenerate":
		grace := oneOf(t, "grace", []time.Duration{0, 0, 10 * time.Second, time.Minute})
		if grace > 0 && w.sealed {
			if v.writable() == nil {
				sameError(t, "Regenerate with a grace", s.Regenerate(beaker.Grace(grace)), errors.ErrUnsupported)
				v.note(errors.ErrUnsupported)
			}
			break
		}
		sameError(t, "Regenerate", s.Regenerate(beaker.Grace(grace)), v.regenerate(grace.Milliseconds()))
	case "idle":
		d := oneOf(t, "idle", []time.Duration{time.Second, 2 * time.Minute, 20 * time.Minute, beaker.NoLimit})
		s.SetIdleTimeout(d)
		v.change(func() { v.p.idle = d.Milliseconds() })
	case "absolute":
		d := oneOf(t, "absolute", []time.Duration{time.Second, 5 * time.Minute, 2 * time.Hour})
		s.SetAbsoluteTimeout(d)
		v.change(func() { v.p.absolute = d.Milliseconds() })
	case "destroy":
		sameError(t, "Destroy", s.Destroy(r.Context()), v.destroy())
	case "invalidate":
		sameError(t, "Invalidate", s.Invalidate(r.Context()), v.invalidate())
	case "revoke all":
		w.revokeAll(r.Context(), t, v)
	case "time passes":
		w.passTime(t)
	case "the client leaves":
		r.Context().Value(leaving{}).(context.CancelFunc)()
		v.gone = true
	case "another request":
		other := upTo(t, "its browser", len(w.browsers)-1)
		if rapid.Bool().Draw(t, "of the same browser") {
			other = browser
		}
		w.serve(t, other, depth+1)
	}
	return what
}

// passTime moves the clock, mostly to near something that depends on it.
func (w *world) passTime(t *rapid.T) {
	var marks []int64
	now := w.ms()
	add := func(at int64) {
		for _, off := range []int64{-1, 0, 1} {
			if at+off > now {
				marks = append(marks, at+off)
			}
		}
	}
	for _, s := range w.sessions {
		if s.gone {
			continue
		}
		if !w.sealed {
			add(min(s.touched+s.idle, s.abs))
			add(s.touched + cfgTouch.Milliseconds())
			if s.former != 0 {
				add(s.until)
				add(max(s.until, s.rotated) + inFlight)
			}
		}
	}
	if w.sealed {
		for _, cookie := range w.browsers {
			if h, ok := w.cookies[cookie]; ok {
				add(h.st.expires())
				add(h.st.touched + cfgTouch.Milliseconds())
				if h.s.ended != 0 {
					add(h.s.ended + inFlight)
				}
			}
		}
	}
	if len(marks) > 0 && upTo(t, "to a deadline", 2) > 0 {
		w.clock = time.UnixMilli(oneOf(t, "at", marks)).UTC()
		return
	}
	d := oneOf(t, "time", []time.Duration{time.Second, 30 * time.Second, 2 * time.Minute, 9 * time.Minute, 30 * time.Minute})
	w.clock = w.clock.Add(d)
}
