package scs

import (
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/seed12c5fab1/beaker"
)

//docs:begin after-keys

var visitsKey = beaker.NewKey[int]("visits")

//docs:end after-keys

func newSessions(store beaker.Store, secrets *beaker.Secrets) (*beaker.Manager, error) {
	//docs:begin after-setup
	sessions, err := beaker.New(beaker.Config{
		Store: store, Secrets: secrets,
		AbsoluteTimeout: 12 * time.Hour,
		IdleTimeout:     30 * time.Minute,
	})
	//docs:end after-setup
	return sessions, err
}

// After is the site with this library.
func After(sessions *beaker.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		//docs:begin after-use
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		visits, _ := visitsKey.Get(s)
		visits++
		visitsKey.Set(s, visits)
		user := s.Subject()
		//docs:end after-use
		//docs:begin after-flash
		flashes := s.Flashes()
		//docs:end after-flash
		fmt.Fprintf(w, "%q, visit %d, %v", user, visits, flashes)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		user := r.PostFormValue("user")
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		//docs:begin after-login
		if err := s.SetSubject(user); err != nil {
			sessions.Error(w, r, err)
			return
		}
		s.AddFlash("Welcome.")
		//docs:end after-login
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		//docs:begin after-logout
		if err := s.Destroy(r.Context()); err != nil {
			sessions.Error(w, r, err)
			return
		}
		//docs:end after-logout
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	//docs:begin after-wrap
	return sessions.Wrap(mux)
	//docs:end after-wrap
}

//docs:begin bridge

// Bridge lets people who are signed in with scs stay so: at their first request here
// their user id is taken over, and the old session is destroyed.
func Bridge(old *scs.SessionManager, sessions *beaker.Manager, next http.Handler) http.Handler {
	return old.LoadAndSave(sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := old.GetString(r.Context(), "user")
		if user == "" {
			next.ServeHTTP(w, r)
			return
		}
		s, err := sessions.Get(r.Context())
		if err == nil && s.Subject() == "" {
			err = s.SetSubject(user)
		}
		if err == nil {
			err = s.Persist(r.Context()) // before the old one goes
		}
		if err == nil {
			err = old.Destroy(r.Context())
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})))
}

//docs:end bridge
