package beaker_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// newSessions is what an application has once, at its start; the secrets come from a
// file there, see SecretsFromFile.
func newSessions() *beaker.Manager {
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		log.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := beaker.New(beaker.Config{
		Store: store, Secrets: secrets,
		// The test server speaks plain HTTP. On http://localhost this is not needed,
		// except for Safari and Go's cookie jar.
		Cookie: beaker.Cookie{InsecureHosts: []string{"127.0.0.1"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	return sessions
}

// visit makes one browser's requests, in order, and prints what it is shown.
func visit(h http.Handler, paths ...string) {
	server := httptest.NewServer(h)
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	for _, path := range paths {
		resp, err := browser.Get(server.URL + path)
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Printf("%s: %s\n", path, body)
	}
}

var visits = beaker.NewKey[int]("visits")

func Example() {
	sessions := newSessions()
	defer sessions.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context()) // loads the session, here and not before
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		n, _ := visits.Get(s)
		visits.Set(s, n+1) // saved when the response begins
		fmt.Fprintf(w, "visit %d", n+1)
	})
	visit(sessions.Wrap(mux), "/", "/", "/")
	// Output:
	// /: visit 1
	// /: visit 2
	// /: visit 3
}

// Signing in gives the session a new secret, so that a cookie which was planted in the
// browser before is worth nothing. Signing out deletes it from the store.
func ExampleSession_SetSubject() {
	sessions := newSessions()
	defer sessions.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("/in", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err == nil {
			err = s.SetSubject("user 17") // after the password was checked
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		if r.FormValue("remember") != "" {
			s.SetIdleTimeout(beaker.NoLimit)
			s.SetAbsoluteTimeout(30 * 24 * time.Hour)
		}
		fmt.Fprint(w, "welcome")
	})
	mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err == nil {
			err = s.Destroy(r.Context())
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprint(w, "good bye")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, "signed in as %q", s.Subject())
	})
	visit(sessions.Wrap(mux), "/", "/in", "/", "/out", "/")
	// Output:
	// /: signed in as ""
	// /in: welcome
	// /: signed in as "user 17"
	// /out: good bye
	// /: signed in as ""
}

// A typed key tells "not there" from "there, and something else".
func ExampleKey_Lookup() {
	sessions := newSessions()
	defer sessions.Close()
	age := beaker.NewKey[int]("age")

	h := sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		_, err = age.Lookup(s)
		fmt.Println(err)
		s.Set("age", "unknown")
		_, err = age.Lookup(s)
		fmt.Println(err)
		age.Set(s, 42)
		fmt.Println(age.Lookup(s))
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	// Output:
	// beaker: no such value
	// beaker: value "age" does not decode as int: another type was stored under this name; give each a name of its own
	// 42 <nil>
}

// Messages for the next page.
func ExampleSession_AddFlash() {
	sessions := newSessions()
	defer sessions.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/save", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		s.AddFlash("Your settings were saved.")
		fmt.Fprint(w, "ok")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprint(w, s.Flashes())
	})
	visit(sessions.Wrap(mux), "/save", "/", "/")
	// Output:
	// /save: ok
	// /: [Your settings were saved.]
	// /: []
}

// Read-modify-write over requests that overlap: each counts.
func ExampleManager_Update() {
	sessions := newSessions()
	defer sessions.Close()
	h := sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := sessions.Update(r.Context(), func(s *beaker.Session) error {
			n, _ := visits.Get(s)
			visits.Set(s, n+1)
			return nil
		})
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		s, _ := sessions.Get(r.Context())
		n, _ := visits.Get(s)
		fmt.Fprint(w, n)
	}))
	visit(h, "/", "/", "/")
	// Output:
	// /: 1
	// /: 2
	// /: 3
}

// How not to do it: the headers are out when the session is made, so its cookie cannot
// be sent any more. Nothing is stored, Err tells, and so does an event.
func ExampleSession_Err() {
	sessions := newSessions()
	defer sessions.Close()
	h := sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprint(w, "hello") // sends the headers
		s.Set("name", "Fred")  // too late
		fmt.Println(s.Err())
	}))
	log.SetOutput(io.Discard)
	visit(h, "/")
	// Output:
	// beaker: the response headers are out: change the session before the first Write, WriteHeader or Flush
	// /: hello
}
