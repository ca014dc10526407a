package peers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

var errBroken = errors.New("the store is broken")

// counted is a beaker.Store that counts, and fails when told to.
type counted struct {
	*memstore.Store
	broken atomic.Bool
	writes atomic.Int64
}

func (c *counted) Create(ctx context.Context, rec *beaker.Record) error {
	if c.broken.Load() {
		return errBroken
	}
	c.writes.Add(1)
	return c.Store.Create(ctx, rec)
}

func (c *counted) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if c.broken.Load() {
		return nil, errBroken
	}
	return c.Store.Load(ctx, key)
}

func (c *counted) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if c.broken.Load() {
		return 0, errBroken
	}
	c.writes.Add(1)
	return c.Store.Apply(ctx, key, ch)
}

func (c *counted) Delete(ctx context.Context, key beaker.RecordKey) error {
	if c.broken.Load() {
		return errBroken
	}
	c.writes.Add(1)
	return c.Store.Delete(ctx, key)
}

func openOurs(t *testing.T, g *gates) *site {
	t.Helper()
	mem, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	store := &counted{Store: mem}
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	m, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	page := func(path string, f func(w http.ResponseWriter, r *http.Request, s *beaker.Session)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := m.Get(r.Context())
			if err != nil {
				m.Error(w, r, err)
				return
			}
			f(w, r, s)
		})
	}
	say := func(w http.ResponseWriter, text string) { _, _ = io.WriteString(w, text) }
	mux.HandleFunc("/untouched", func(w http.ResponseWriter, _ *http.Request) { say(w, "untouched") })
	page("/get", func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
		v, ok := beaker.NewKey[string](r.FormValue("k")).Get(s)
		if !ok {
			v = "-"
		}
		say(w, v)
	})
	page("/set", func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
		s.Has("user")
		g.pass(r.Context(), r.FormValue("gate"))
		s.Set(r.FormValue("k"), r.FormValue("v"))
		say(w, "saved "+r.FormValue("v"))
	})
	page("/read", func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
		s.Has("user")
		g.pass(r.Context(), r.FormValue("gate"))
		say(w, "read")
	})
	page("/stream", func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
		s.Set(r.FormValue("k"), r.FormValue("v"))
		w.(http.Flusher).Flush()
		say(w, "streamed")
	})
	page("/signin", func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
		if err := s.SetSubject(r.FormValue("user")); err != nil {
			m.Error(w, r, err)
			return
		}
		s.Set("user", r.FormValue("user"))
		say(w, "signed in")
	})
	page("/signout", func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
		if err := s.Destroy(r.Context()); err != nil {
			m.Error(w, r, err)
			return
		}
		say(w, "signed out")
	})
	srv := httptest.NewServer(m.Wrap(mux))
	t.Cleanup(func() {
		srv.Close()
		if err := errors.Join(m.Close(), mem.Close()); err != nil {
			t.Error(err)
		}
	})
	return &site{
		url: srv.URL, cookie: "__Host-session",
		breaks: func(*testing.T) { store.broken.Store(true) },
		writes: func(*testing.T) int { return int(store.writes.Load()) },
		ids: func(t *testing.T) (ids []string) {
			t.Helper()
			page, _, err := mem.List(t.Context(), beaker.ListQuery{})
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range page {
				ids = append(ids, rec.Meta().Key.String())
			}
			return ids
		},
	}
}
