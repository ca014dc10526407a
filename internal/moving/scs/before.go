// Package scs is a site with alexedwards/scs, and with this library.
package scs

import (
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
)

// Before is the site with scs.
func Before() http.Handler {
	//docs:begin before-setup
	sessionManager := scs.New()
	sessionManager.Lifetime = 12 * time.Hour
	sessionManager.IdleTimeout = 30 * time.Minute
	sessionManager.Cookie.Secure = true
	//docs:end before-setup
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		//docs:begin before-use
		visits := sessionManager.GetInt(r.Context(), "visits") + 1
		sessionManager.Put(r.Context(), "visits", visits)
		user := sessionManager.GetString(r.Context(), "user")
		//docs:end before-use
		flashes := []string{}
		//docs:begin before-flash
		if message := sessionManager.PopString(r.Context(), "flash"); message != "" {
			flashes = append(flashes, message)
		}
		//docs:end before-flash
		fmt.Fprintf(w, "%q, visit %d, %v", user, visits, flashes)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		user := r.PostFormValue("user")
		//docs:begin before-login
		if err := sessionManager.RenewToken(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		sessionManager.Put(r.Context(), "user", user)
		sessionManager.Put(r.Context(), "flash", "Welcome.")
		//docs:end before-login
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		//docs:begin before-logout
		if err := sessionManager.Destroy(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		//docs:end before-logout
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	//docs:begin before-wrap
	return sessionManager.LoadAndSave(mux)
	//docs:end before-wrap
}
