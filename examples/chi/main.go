// Command chi uses sessions with a router: the middleware is one line, and a route that
// needs a signed-in visitor has one more.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

func main() {
	secrets, err := beaker.OpenSecrets("beaker-data/secrets") // made at the first start
	if err != nil {
		log.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://localhost:8080")
	log.Fatal(http.ListenAndServe("localhost:8080", router(sessions)))
}

//docs:begin router

func router(sessions *beaker.Manager) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer) // outside: after a panic nothing is saved
	r.Use(sessions.Wrap)

	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "anybody") // the session is not touched, and costs nothing
	})
	r.Post("/signin", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err == nil {
			err = s.SetSubject("alice") // after the application's own check
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	r.Route("/account", func(r chi.Router) {
		r.Use(signedIn(sessions))
		r.Get("/", func(w http.ResponseWriter, r *http.Request) {
			s, _ := sessions.Get(r.Context()) // the middleware has looked at the error
			fmt.Fprintln(w, "only", s.Subject())
		})
	})
	return r
}

// signedIn sends strangers away.
func signedIn(sessions *beaker.Manager) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := sessions.Get(r.Context())
			switch {
			case err != nil:
				sessions.Error(w, r, err) // 503: it is not known who this is
			case s.Subject() == "":
				http.Error(w, "sign in first", http.StatusUnauthorized)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

//docs:end router
