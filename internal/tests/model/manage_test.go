package model_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"pgregory.net/rapid"

	"github.com/seed12c5fab1/beaker"
)

// any draws a session that has a handle, or one that never was.
func (w *world) any(t *rapid.T) *session {
	var all []*session
	for _, s := range w.sessions {
		if !s.handle.IsZero() {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return &session{handle: beaker.Handle{1}, gone: true, ended: 1} // there is none
	}
	return all[upTo(t, "session", len(all)-1)]
}

// dead reports whether a stored session can no longer be found.
func (w *world) dead(s *session) bool { return s.gone || s.expired(w.ms()) }

// revokeAll revokes a subject, perhaps except some sessions. v is the request that
// orders it, or nil.
func (w *world) revokeAll(ctx context.Context, t *rapid.T, v *visit) {
	subject := oneOf(t, "revoked subject", subjects)
	var handles []beaker.Handle
	spared := map[*session]bool{}
	spare := func(s *session) { handles, spared[s] = append(handles, s.handle), true }
	if v != nil && v.phase == live && rapid.Bool().Draw(t, "except this one") {
		spare(v.s)
	}
	for range upTo(t, "others excepted", 2) {
		if s := w.any(t); !spared[s] {
			spare(s)
		}
	}
	want := 0
	if w.sealed {
		kept := map[int]bool{}
		for s := range spared {
			if s.ended == 0 { // the handle of a former secret's session spares nobody
				kept[s.line] = true
			}
		}
		w.revocations = append(w.revocations, revocation{subject, w.ms(), kept})
	} else {
		for _, s := range w.sessions {
			if !s.gone && s.subject == subject && !spared[s] {
				s.gone = true
				want++
			}
		}
		w.marks[subject] = max(w.marks[subject], w.ms())
	}
	n, err := w.app.RevokeAll(ctx, subject, handles...)
	if v != nil {
		v.exempt[subject] = w.ms() + 1
	}
	if err != nil || n != want {
		t.Fatalf("RevokeAll: %d, %v, want %d", n, err, want)
	}
}

func (w *world) revoke(t *rapid.T) {
	s := w.any(t)
	var want error
	if !w.sealed && w.dead(s) {
		want = beaker.ErrNotFound
	} else {
		w.end(s)
	}
	err := w.app.Revoke(context.Background(), s.handle)
	if s.moved && (errors.Is(err, beaker.ErrNotFound) || w.ms() > s.abs) {
		return // it goes on under another handle, which is known until its deadline
	}
	sameError(t, "Revoke", err, want)
}

func (w *world) revokeOwn(t *rapid.T) {
	s := w.any(t)
	subject := oneOf(t, "subject", append([]string{""}, subjects...))
	var want error
	switch {
	case w.sealed:
		want = errors.ErrUnsupported
	case w.dead(s) || s.subject != subject || subject == "":
		want = beaker.ErrNotFound
	default:
		w.end(s)
	}
	sameError(t, "RevokeOwn", w.app.RevokeOwn(context.Background(), subject, s.handle), want)
}

func (w *world) list(t *rapid.T) {
	subject := oneOf(t, "subject", append([]string{""}, subjects...))
	got := map[beaker.Handle]string{}
	all := w.app.List(context.Background(), subject)
	if subject == "" {
		all = w.app.ListAll(context.Background())
	}
	for info, err := range all {
		if w.sealed {
			sameError(t, "List", err, errors.ErrUnsupported)
			return
		}
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		a, _ := info.Get("a")
		got[info.Handle()] = fmt.Sprintf("%s, ends %d, used %d, a=%v", info.Subject(), info.ExpiresAt().UnixMilli(), info.LastAccessed().UnixMilli(), a)
	}
	want := map[beaker.Handle]string{}
	for _, s := range w.sessions {
		if w.dead(s) || subject != "" && s.subject != subject {
			continue
		}
		a := "<nil>"
		if value, ok := s.values["a"]; ok {
			a = value
		}
		want[s.handle] = fmt.Sprintf("%s, ends %d, used %d, a=%v", s.subject, s.expires(), s.touched, a)
	}
	if !maps.Equal(got, want) {
		t.Fatalf("List(%q): %v, want %v", subject, got, want)
	}
}

// lookup does some things to a session by its handle.
func (w *world) lookup(t *rapid.T) {
	m := w.any(t)
	ctx := context.Background()
	s, err := w.app.Lookup(ctx, m.handle)
	switch {
	case w.sealed:
		sameError(t, "Lookup", err, errors.ErrUnsupported)
		return
	case w.dead(m):
		sameError(t, "Lookup", err, beaker.ErrNotFound)
		return
	case err != nil:
		t.Fatalf("Lookup: %v", err)
	}
	w.sameView(t, "Lookup", s, m.values, m.subject, m.auth)
	if s.SetSubject("mallory") == nil || s.Regenerate() == nil || s.Invalidate(ctx) == nil {
		t.Fatal("a session from Lookup did what needs a cookie")
	}
	if err := s.Persist(ctx); err == nil {
		t.Fatal("Persist of a Lookup does not say what was refused before")
	}
	s.Revert()
	switch upTo(t, "do", 3) {
	case 0:
		name, value := oneOf(t, "name", names), w.fresh()
		s.Set(name, value)
		if m.values == nil {
			m.values = map[string]string{}
		}
		m.values[name] = fmt.Sprint(value)
		s.SetIdleTimeout(5 * time.Minute)
		m.idle = (5 * time.Minute).Milliseconds()
		sameError(t, "Persist of a Lookup", s.Persist(ctx), nil)
	case 1:
		s.Clear()
		m.values = map[string]string{}
		sameError(t, "Persist of a Lookup", s.Persist(ctx), nil)
	case 2:
		sameError(t, "Destroy of a Lookup", s.Destroy(ctx), nil)
		w.end(m)
	default:
		s.Set("a", w.fresh()) // never persisted: never saved
	}
}

// purge has no effect that anybody sees.
func (w *world) purge(t *rapid.T) {
	if _, err := w.store.Purge(context.Background(), beaker.Millis(w.ms()), 1000); err != nil {
		t.Fatal(err)
	}
	if w.sealed {
		return
	}
	for _, s := range w.sessions {
		s.gone = w.dead(s)
	}
}
