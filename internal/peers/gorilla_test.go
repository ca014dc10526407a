package peers

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
)

// quiet drops what servers log: that a library answers twice is in the table already.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// openGorilla uses the store on the server's side that the library brings.
func openGorilla(t *testing.T, g *gates) *site {
	t.Helper()
	f := &files{dir: filepath.Join(t.TempDir(), "sessions")}
	mustMkdir(t, f.dir)
	store := sessions.NewFilesystemStore(f.dir, []byte(strings.Repeat("k", 32)))
	const name = "session"
	mux := http.NewServeMux()
	say := func(w http.ResponseWriter, text string) { _, _ = io.WriteString(w, text) }
	page := func(path string, f func(w http.ResponseWriter, r *http.Request, s *sessions.Session)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := store.Get(r, name)
			if err != nil {
				http.Error(w, "error", http.StatusInternalServerError)
				return
			}
			f(w, r, s)
		})
	}
	// save answers for a page that has changed the session.
	save := func(w http.ResponseWriter, r *http.Request, s *sessions.Session, text string) {
		if err := s.Save(r, w); err != nil {
			http.Error(w, "error", http.StatusInternalServerError)
			return
		}
		say(w, text)
	}
	mux.HandleFunc("/untouched", func(w http.ResponseWriter, _ *http.Request) { say(w, "untouched") })
	page("/get", func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
		v, ok := s.Values[r.FormValue("k")].(string)
		if !ok {
			v = "-"
		}
		say(w, v)
	})
	page("/set", func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
		g.pass(r.Context(), r.FormValue("gate"))
		s.Values[r.FormValue("k")] = r.FormValue("v")
		save(w, r, s, "saved "+r.FormValue("v"))
	})
	page("/read", func(w http.ResponseWriter, r *http.Request, _ *sessions.Session) {
		g.pass(r.Context(), r.FormValue("gate"))
		say(w, "read")
	})
	page("/stream", func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
		s.Values[r.FormValue("k")] = r.FormValue("v")
		if err := s.Save(r, w); err != nil {
			http.Error(w, "error", http.StatusInternalServerError)
			return
		}
		w.(http.Flusher).Flush()
		say(w, "streamed")
	})
	page("/signin", func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
		s.Values["user"] = r.FormValue("user") // there is nothing that gives it a new id
		save(w, r, s, "signed in")
	})
	page("/signout", func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
		s.Options.MaxAge = -1
		save(w, r, s, "signed out")
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return &site{
		url: srv.URL, cookie: name, breaks: f.breaks, writes: f.written,
		ids: func(t *testing.T) (ids []string) {
			t.Helper()
			for path := range f.all(t) {
				ids = append(ids, strings.TrimPrefix(filepath.Base(path), "session_"))
			}
			return ids
		},
	}
}
