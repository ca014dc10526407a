// Package gorilla is a site with gorilla/sessions, and with this library.
package gorilla

import (
	"fmt"
	"net/http"

	"github.com/gorilla/sessions"
)

// Before is the site with gorilla/sessions.
func Before(key []byte) http.Handler {
	//docs:begin before-setup
	store := sessions.NewCookieStore(key)
	store.Options.HttpOnly = true
	store.Options.SameSite = http.SameSiteLaxMode
	//docs:end before-setup
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		//docs:begin before-use
		session, err := store.Get(r, "app")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		visits, _ := session.Values["visits"].(int)
		visits++
		session.Values["visits"] = visits
		user, _ := session.Values["user"].(string)
		flashes := session.Flashes()
		if err := session.Save(r, w); err != nil { // before anything is written
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		//docs:end before-use
		fmt.Fprintf(w, "%q, visit %d, %v", user, visits, flashes)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "app")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		//docs:begin before-login
		session.Values["user"] = r.PostFormValue("user")
		session.AddFlash("Welcome.")
		if err := session.Save(r, w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		//docs:end before-login
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "app")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		//docs:begin before-logout
		session.Options.MaxAge = -1
		if err := session.Save(r, w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		//docs:end before-logout
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return mux
}
