// Command jsonapi is a single-page application and its JSON API on one origin: the cookie
// goes with each fetch by itself, and no script ever sees it.
package main

import (
	"embed"
	"encoding/json"
	"errors"
	"log"
	"net/http"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

//go:embed page
var page embed.FS

// Cart is what lies in the visitor's cart: how many of each.
var Cart = beaker.NewKey[map[string]int]("cart")

func main() {
	secrets, err := beaker.OpenSecrets("beaker-data/secrets") // made at the first start
	if err != nil {
		log.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets, ErrorHandler: answerError})
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://localhost:8080/page/")
	log.Fatal(http.ListenAndServe("localhost:8080", api(sessions)))
}

//docs:begin errors

// answerError is Config.ErrorHandler: a script cannot read a page. What went wrong is for
// the log; the client is told what it can do.
func answerError(w http.ResponseWriter, _ *http.Request, err error) {
	status, code := beaker.StatusOf(err), "try_again"
	switch {
	case errors.Is(err, beaker.ErrEnded):
		code = "session_ended" // signed out meanwhile, perhaps in another tab
	case errors.Is(err, beaker.ErrTooLarge):
		status, code = http.StatusRequestEntityTooLarge, "too_much"
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, status, map[string]string{"error": code})
}

//docs:end errors

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

//docs:begin api

func api(sessions *beaker.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /page/", http.FileServerFS(page))
	mux.HandleFunc("GET /api/cart", func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		cart, _ := Cart.Get(s)
		writeJSON(w, http.StatusOK, cart)
	})
	mux.HandleFunc("POST /api/cart/{item}", func(w http.ResponseWriter, r *http.Request) {
		var cart map[string]int
		// Two clicks at once, two requests at once: Update loses neither.
		err := sessions.Update(r.Context(), func(s *beaker.Session) error {
			cart, _ = Cart.Get(s)
			if cart == nil {
				cart = map[string]int{}
			}
			cart[r.PathValue("item")]++
			Cart.Set(s, cart)
			return nil
		})
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, cart)
	})
	// A request that another site's page makes is refused by its headers (Sec-Fetch-Site,
	// Origin): no token has to be fetched and sent along.
	//docs:begin protect
	return http.NewCrossOriginProtection().Handler(sessions.Wrap(mux))
	//docs:end protect
}

//docs:end api
