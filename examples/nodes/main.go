// Command nodes runs the same application twice, as two machines would, over one store: a
// visitor may come to either, and what one ends is over on the other.
//
// The store is a folder, so that there is nothing to install; on machines of their own it
// would be redisstore, or sqlstore on PostgreSQL or MariaDB. That is the one line to change.
package main

import (
	"fmt"
	"log"
	"net/http"
	"path/filepath"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

func main() {
	dir := "beaker-data/nodes"
	for i, addr := range []string{"localhost:8081", "localhost:8082"} {
		sessions, err := node(dir)
		if err != nil {
			log.Fatal(err)
		}
		handler := app(sessions, fmt.Sprint("node ", i+1))
		log.Print("http://", addr)
		go func() { log.Fatal(http.ListenAndServe(addr, handler)) }()
	}
	select {}
}

//docs:begin node

// node is what each machine does when it starts. All have the same secrets, from a file
// that is the same everywhere, and the same store.
func node(dir string) (*beaker.Manager, error) {
	secrets, err := beaker.OpenSecrets(filepath.Join(dir, "secrets")) // on machines of their own: SecretsFromFile
	if err != nil {
		return nil, err
	}
	store, err := filestore.Open(filepath.Join(dir, "sessions"), nil) // or redisstore.Open, sqlstore.New
	if err != nil {
		return nil, err
	}
	return beaker.New(beaker.Config{Store: store, Secrets: secrets})
}

//docs:end node

func app(sessions *beaker.Manager, name string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, "%s: %q\n", name, s.Subject())
	})
	mux.HandleFunc("POST /signin", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err == nil {
			err = s.SetSubject("alice") // after the application's own check
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	mux.HandleFunc("POST /signout-everywhere", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err == nil && s.Subject() != "" {
			_, err = sessions.RevokeAll(r.Context(), s.Subject())
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	return http.NewCrossOriginProtection().Handler(sessions.Wrap(mux))
}
