package peers

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

// scsStore is an scs.Store that counts, and fails when told to.
type scsStore struct {
	*memstore.MemStore
	broken atomic.Bool
	writes atomic.Int64
}

func (c *scsStore) Find(token string) ([]byte, bool, error) {
	if c.broken.Load() {
		return nil, false, errBroken
	}
	return c.MemStore.Find(token)
}

func (c *scsStore) Commit(token string, b []byte, expiry time.Time) error {
	if c.broken.Load() {
		return errBroken
	}
	c.writes.Add(1)
	return c.MemStore.Commit(token, b, expiry)
}

func (c *scsStore) Delete(token string) error {
	if c.broken.Load() {
		return errBroken
	}
	c.writes.Add(1)
	return c.MemStore.Delete(token)
}

func openSCS(t *testing.T, g *gates) *site {
	t.Helper()
	m := scs.New()
	store := &scsStore{MemStore: memstore.NewWithCleanupInterval(0)}
	m.Store = store
	m.IdleTimeout = 30 * time.Minute
	mux := http.NewServeMux()
	say := func(w http.ResponseWriter, text string) { _, _ = io.WriteString(w, text) }
	fail := func(w http.ResponseWriter) { http.Error(w, "error", http.StatusInternalServerError) }
	mux.HandleFunc("/untouched", func(w http.ResponseWriter, _ *http.Request) { say(w, "untouched") })
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		if !m.Exists(r.Context(), r.FormValue("k")) {
			say(w, "-")
			return
		}
		say(w, m.GetString(r.Context(), r.FormValue("k")))
	})
	mux.HandleFunc("/set", func(w http.ResponseWriter, r *http.Request) {
		g.pass(r.Context(), r.FormValue("gate"))
		m.Put(r.Context(), r.FormValue("k"), r.FormValue("v"))
		say(w, "saved "+r.FormValue("v"))
	})
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		m.Exists(r.Context(), "user")
		g.pass(r.Context(), r.FormValue("gate"))
		say(w, "read")
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		m.Put(r.Context(), r.FormValue("k"), r.FormValue("v"))
		w.(http.Flusher).Flush()
		say(w, "streamed")
	})
	mux.HandleFunc("/signin", func(w http.ResponseWriter, r *http.Request) {
		if err := m.RenewToken(r.Context()); err != nil {
			fail(w)
			return
		}
		m.Put(r.Context(), "user", r.FormValue("user"))
		say(w, "signed in")
	})
	mux.HandleFunc("/signout", func(w http.ResponseWriter, r *http.Request) {
		if err := m.Destroy(r.Context()); err != nil {
			fail(w)
			return
		}
		say(w, "signed out")
	})
	srv := httptest.NewUnstartedServer(m.LoadAndSave(mux))
	srv.Config.ErrorLog = quiet()
	srv.Start()
	t.Cleanup(srv.Close)
	return &site{
		url: srv.URL, cookie: m.Cookie.Name,
		breaks: func(*testing.T) { store.broken.Store(true) },
		writes: func(*testing.T) int { return int(store.writes.Load()) },
		ids: func(t *testing.T) (ids []string) {
			t.Helper()
			all, err := store.All()
			if err != nil {
				t.Fatal(err)
			}
			for id := range all {
				ids = append(ids, id)
			}
			return ids
		},
	}
}
