package gorilla

import (
	"fmt"
	"net/http"

	"github.com/gorilla/sessions"

	"github.com/seed12c5fab1/beaker"
)

var visitsKey = beaker.NewKey[int]("visits")

func newManager(secrets *beaker.Secrets, revoker beaker.Store) (*beaker.Manager, error) {
	//docs:begin after-setup
	manager, err := beaker.New(beaker.Config{
		Sealed:  &beaker.Sealed{Revoker: revoker}, // or Store: ..., for sessions on the server
		Secrets: secrets,
	})
	//docs:end after-setup
	return manager, err
}

// After is the site with this library.
func After(manager *beaker.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		//docs:begin after-use
		s, err := manager.Get(r.Context())
		if err != nil {
			manager.Error(w, r, err)
			return
		}
		visits, _ := visitsKey.Get(s)
		visits++
		visitsKey.Set(s, visits)
		user := s.Subject()
		flashes := s.Flashes()
		//docs:end after-use
		fmt.Fprintf(w, "%q, visit %d, %v", user, visits, flashes)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := manager.Get(r.Context())
		if err != nil {
			manager.Error(w, r, err)
			return
		}
		//docs:begin after-login
		if err := s.SetSubject(r.PostFormValue("user")); err != nil {
			manager.Error(w, r, err)
			return
		}
		s.AddFlash("Welcome.")
		//docs:end after-login
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		s, err := manager.Get(r.Context())
		if err != nil {
			manager.Error(w, r, err)
			return
		}
		//docs:begin after-logout
		if err := s.Destroy(r.Context()); err != nil {
			manager.Error(w, r, err)
			return
		}
		//docs:end after-logout
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	//docs:begin after-wrap
	return manager.Wrap(mux)
	//docs:end after-wrap
}

//docs:begin bridge

// Bridge lets people who are signed in with gorilla/sessions stay so: at their first
// request here their user id is taken over, and their old cookie is deleted. A copy of
// it can be taken over as well, until the keys are gone: nothing can end it earlier.
func Bridge(old sessions.Store, manager *beaker.Manager, next http.Handler) http.Handler {
	return manager.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := old.Get(r, "app")
		if err != nil { // also a cookie that is no longer good
			next.ServeHTTP(w, r)
			return
		}
		user, ok := session.Values["user"].(string)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		s, err := manager.Get(r.Context())
		if err == nil && s.Subject() == "" {
			err = s.SetSubject(user)
		}
		if err == nil {
			session.Options.MaxAge = -1
			err = session.Save(r, w)
		}
		if err != nil {
			manager.Error(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

//docs:end bridge
