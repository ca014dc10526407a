// Command stream sends server-sent events to whoever is signed in, and ends when the
// session does: by a sign-out in another tab, a revocation, or a deadline.
package main

import (
	"context"
	"errors"
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
	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		log.Fatal(err)
	}
	ticks := func(ctx context.Context) <-chan string {
		all := make(chan string)
		go func() {
			for t := time.NewTicker(time.Second); ; {
				select {
				case <-ctx.Done():
					t.Stop()
					return
				case now := <-t.C:
					select {
					case all <- now.Format(time.TimeOnly):
					case <-ctx.Done():
					}
				}
			}
		}()
		return all
	}
	log.Print("http://localhost:8080")
	log.Fatal(http.ListenAndServe("localhost:8080", app(sessions, ticks)))
}

func app(sessions *beaker.Manager, messages func(context.Context) <-chan string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>Stream</title>
<form method="post" action="/signin"><button>Sign in</button></form>
<form method="post" action="/signout"><button>Sign out</button></form>
<p>Then open <a href="/events">the stream</a>, and sign out in another tab.</p>`)
	})
	mux.HandleFunc("POST /signin", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err == nil {
			err = s.SetSubject("alice") // after the application's own check
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /signout", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err == nil {
			err = s.Destroy(r.Context())
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /events", events(sessions, messages))
	return http.NewCrossOriginProtection().Handler(sessions.Wrap(mux))
}

//docs:begin events

func events(sessions *beaker.Manager, messages func(context.Context) <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		switch {
		case err != nil:
			sessions.Error(w, r, err)
			return
		case s.Subject() == "":
			http.Error(w, "sign in first", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		out := http.NewResponseController(w)
		if err := out.Flush(); err != nil { // the session is saved here: later changes need no cookie, or are refused
			return
		}
		ctx := s.Watch(r.Context()) // done when the client leaves, and when the session ends
		for all := messages(ctx); ; {
			select {
			case msg := <-all:
				fmt.Fprintf(w, "data: %s\n\n", msg)
			case <-ctx.Done():
				if errors.Is(context.Cause(ctx), beaker.ErrEnded) {
					fmt.Fprint(w, "event: signed-out\ndata:\n\n") // the page can say so, and stop reconnecting
					_ = out.Flush()                               // it may be gone
				}
				return
			}
			if err := out.Flush(); err != nil {
				return
			}
		}
	}
}

//docs:end events
