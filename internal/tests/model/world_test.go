package model_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/memstore"
)

const cookieName = "__Host-session"

// world is a server, the model of it, and some browsers.
type world struct {
	sealed    bool
	save      beaker.SavePolicy
	endsStale bool

	clock time.Time
	store *memstore.Store
	// app serves the visitors. peer is a second node on the same store that never
	// writes the time of use: it can look without changing anything.
	app, peer *beaker.Manager

	browsers    [4]string // the cookie that each holds
	cookies     map[string]held
	issued      []string // in the order in which they were sent
	sessions    []*session
	marks       map[string]int64 // stored: when a subject was last revoked
	revocations []revocation     // sealed
	generations int
	made        int // values, so that no two are alike
}

type quiet struct{}

func (quiet) Observe(context.Context, beaker.Event) {}

func newWorld(t *rapid.T, sealed bool) *world {
	w := &world{
		sealed: sealed, clock: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		cookies: map[string]held{}, marks: map[string]int64{},
	}
	w.save = oneOf(t, "save", []beaker.SavePolicy{beaker.SaveOnChange, beaker.SaveOnChange, beaker.SaveOnChange, beaker.SaveExplicit})
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.store = store
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	cfg := beaker.Config{
		Secrets: secrets, IdleTimeout: cfgIdle, AbsoluteTimeout: cfgAbsolute, TouchInterval: cfgTouch,
		Save: w.save, PurgeInterval: -1, Observer: quiet{}, Now: func() time.Time { return w.clock },
	}
	if sealed {
		cfg.Sealed = &beaker.Sealed{Revoker: store}
	} else {
		cfg.Store = store
	}
	looks := cfg
	looks.IdleTimeout, looks.TouchInterval, looks.NoTouch = beaker.NoLimit, 0, true
	if w.peer, err = beaker.New(looks); err != nil {
		t.Fatal(err)
	}
	if !sealed && rapid.Bool().Draw(t, "stale cookies end the session") {
		w.endsStale, cfg.OnStaleProof = true, beaker.StaleProofEnds
	}
	if w.app, err = beaker.New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) close(t *rapid.T) {
	if err := errors.Join(w.app.Close(), w.peer.Close(), w.store.Close()); err != nil {
		t.Error(err)
	}
}

func (w *world) ms() int64 { return w.clock.UnixMilli() }

func (w *world) fresh() int64 {
	w.made++
	return int64(w.made)
}

// request makes a request with a cookie and returns the response and the cookie that
// it sets, if any.
func (w *world) request(t *rapid.T, m *beaker.Manager, cookie string, f func(s *beaker.Session, r *http.Request)) (rec *httptest.ResponseRecorder, set *http.Cookie) {
	h := m.Wrap(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err != nil {
			t.Fatalf("Get: %v", err)
		}
		f(s, r)
		rw.WriteHeader(http.StatusOK)
	}))
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookieName+"="+cookie)
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	rec = httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(context.WithValue(ctx, leaving{}, leave)))
	leaks.Response(t, rec.Header(), rec.Body.Bytes())
	lines := rec.Header()["Set-Cookie"]
	if len(lines) > 1 {
		t.Fatalf("%d cookies in one response", len(lines))
	}
	for _, line := range lines {
		c, err := http.ParseSetCookie(line)
		if err != nil || c.Name != cookieName {
			t.Fatalf("cookie %q: %v", c, err)
		}
		set = c
	}
	return rec, set
}

// leaving is where a request's context has what its client's leaving is.
type leaving struct{}

// look compares what each cookie that was ever sent opens now with the model. It
// changes nothing.
func (w *world) look(t *rapid.T) {
	for i, cookie := range w.issued {
		w.lookAt(t, fmt.Sprintf("cookie %d", i+1), cookie)
	}
	w.lookAt(t, "no cookie", "")
}

func (w *world) lookAt(t *rapid.T, what, cookie string) {
	h, known := w.cookies[cookie]
	want := nobody
	if known {
		want = w.status(h, w.ms())
		what += fmt.Sprintf(" of session %d", h.s.id)
	}
	_, set := w.request(t, w.peer, cookie, func(s *beaker.Session, _ *http.Request) {
		if got := s.IsNew(); got != (want == nobody) {
			t.Fatalf("%s: IsNew is %v; it should open %v", what, got, want)
		}
		var st state
		if want >= former {
			st = h.s.state
			if w.sealed {
				st = h.st
			}
			w.sameHandle(t, h.s, s.Handle())
			if got := s.IdleDeadline(); st.idle == beaker.NoLimit.Milliseconds() && !got.IsZero() ||
				st.idle < beaker.NoLimit.Milliseconds() && got.UnixMilli() != st.touched+st.idle {
				t.Fatalf("%s: the idle deadline is %v, want %d ms after %d", what, got, st.idle, st.touched)
			}
			if got := s.AbsoluteDeadline().UnixMilli(); got != st.abs {
				t.Fatalf("%s: the absolute deadline is %d ms off", what, got-st.abs)
			}
			if got := s.CreatedAt().UnixMilli(); got != st.created {
				t.Fatalf("%s: it began %d ms off", what, got-st.created)
			}
		}
		w.sameView(t, what, s, st.values, st.subject, st.auth)
		var flashes []string
		for _, f := range s.Flashes() {
			flashes = append(flashes, fmt.Sprint(f))
		}
		if want := flashesIn(st.values); fmt.Sprint(flashes) != fmt.Sprint(want) {
			t.Fatalf("%s: flashes %v, want %v", what, flashes, want)
		}
		s.Set("a", 1)
		if got := s.Err(); errors.Is(got, beaker.ErrEnded) != (want == replaced) || want != replaced && got != nil {
			t.Fatalf("%s: writing: %v; it should open %v", what, got, want)
		}
		s.Revert()
	})
	if set != nil {
		t.Fatalf("%s: looking sets a cookie", what)
	}
}

// sameView compares values, except flashes, and whose session it is.
func (w *world) sameView(t *rapid.T, what string, s *beaker.Session, values map[string]string, subject string, auth int64) {
	want := map[string]string{}
	for name, value := range values {
		if !isFlash(name) {
			want[name] = value
		}
	}
	got := map[string]string{}
	for name, value := range s.All() {
		got[name] = fmt.Sprint(value)
	}
	if !maps.Equal(got, want) || s.Len() != len(want) {
		t.Fatalf("%s: values %v, want %v", what, got, want)
	}
	if s.Subject() != subject {
		t.Fatalf("%s: subject %q, want %q", what, s.Subject(), subject)
	}
	at := int64(0)
	if a := s.AuthenticatedAt(); !a.IsZero() {
		at = a.UnixMilli()
	}
	if at != auth {
		t.Fatalf("%s: authenticated at %d, want %d", what, at, auth)
	}
}

func (w *world) sameHandle(t *rapid.T, s *session, h beaker.Handle) {
	if s.handle.IsZero() {
		for _, other := range w.sessions {
			if other.handle == h {
				t.Fatalf("sessions %d and %d have one handle", s.id, other.id)
			}
		}
		s.handle = h
	}
	if s.handle != h {
		t.Fatalf("the handle of session %d changed", s.id)
	}
}

// Flashes are in the model's map under names that sort as they were added.
func flashName(at int64, n int) string { return fmt.Sprintf("\x00f%020d.%05d", at, n) }

func isFlash(name string) bool { return strings.HasPrefix(name, "\x00") }

func flashesIn(values map[string]string) (all []string) {
	for _, name := range sortedNames(values) {
		if isFlash(name) {
			all = append(all, values[name])
		}
	}
	return all
}
