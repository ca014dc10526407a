// Command quickstart counts a visitor's visits: the smallest program with a session.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

var visits = beaker.NewKey[int]("visits")

func main() {
	sessions, err := newSessions()
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://localhost:8080")
	log.Fatal(http.ListenAndServe("localhost:8080", app(sessions)))
}

func newSessions() (*beaker.Manager, error) {
	secrets, err := beaker.OpenSecrets("beaker-data/secrets") // made at the first start
	if err != nil {
		return nil, err
	}
	store, err := memstore.New(nil)
	if err != nil {
		return nil, err
	}
	return beaker.New(beaker.Config{Store: store, Secrets: secrets})
}

func app(sessions *beaker.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context()) // loads the session, here and not before
		if err != nil {
			sessions.Error(w, r, err) // the store is down: 503, the visitor stays signed in
			return
		}
		n, _ := visits.Get(s)
		visits.Set(s, n+1) // saved when the response begins
		fmt.Fprintln(w, "visit", n+1)
	})
	return sessions.Wrap(mux)
}
