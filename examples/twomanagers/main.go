// Command twomanagers has a site and its back office in one program: two cookies, two
// sets of rules, one store. Nobody's session is good for the other.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

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
	site, admin, err := managers(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://localhost:8080 and http://localhost:8080/admin/")
	log.Fatal(http.ListenAndServe("localhost:8080", app(site, admin)))
}

//docs:begin managers

// managers makes two of one configuration. The cookies' names are also the applications'
// (Config.App), which go into every hash and signature.
func managers(cfg beaker.Config) (site, admin *beaker.Manager, err error) {
	if site, err = beaker.New(cfg); err != nil {
		return nil, nil, err
	}
	cfg.Cookie.Name = "__Host-admin"
	cfg.Cookie.SameSite = http.SameSiteStrictMode // nobody comes to the back office by a link
	cfg.IdleTimeout, cfg.AbsoluteTimeout = 5*time.Minute, time.Hour
	admin, err = beaker.New(cfg)
	return site, admin, err
}

func app(site, admin *beaker.Manager) http.Handler {
	office := http.NewServeMux()
	office.HandleFunc("POST /admin/signin", signIn(admin, "root"))
	office.HandleFunc("GET /admin/", greet(admin))

	mux := http.NewServeMux()
	mux.HandleFunc("POST /signin", signIn(site, "alice"))
	mux.HandleFunc("GET /{$}", greet(site))
	mux.Handle("/admin/", admin.Wrap(office)) // inside the other: both can be had here
	return http.NewCrossOriginProtection().Handler(site.Wrap(mux))
}

//docs:end managers

func signIn(sessions *beaker.Manager, subject string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err == nil {
			err = s.SetSubject(subject) // after the application's own check
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "./", http.StatusSeeOther)
	}
}

func greet(sessions *beaker.Manager) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, `<!doctype html><title>Hello</title><p>Hello, %q.</p><form method="post" action="signin"><button>Sign in</button></form>`, s.Subject())
	}
}
