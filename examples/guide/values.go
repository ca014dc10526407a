package guide

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
)

//docs:begin keys

var (
	visits = beaker.NewKey[int]("visits")
	cart   = beaker.NewKey[[]Item]("cart")
	seen   = beaker.NewKey[time.Time]("seen")
)

// Item is what is in a cart. Its fields are exported, or they would not be saved.
type Item struct {
	SKU   string
	Count int `json:",omitempty"`
}

//docs:end keys

func keys(s *beaker.Session) string {
	//docs:begin use
	n, _ := visits.Get(s) // 0 if there is none
	visits.Set(s, n+1)

	items, ok := cart.Get(s)
	if !ok {
		items = []Item{{SKU: "pear", Count: 2}}
	}
	cart.Set(s, items)
	seen.Set(s, s.AccessedAt())

	visits.Delete(s)
	//docs:end use
	return fmt.Sprint(n, items)
}

func lookup(s *beaker.Session) error {
	//docs:begin lookup
	switch items, err := cart.Lookup(s); {
	case err == nil:
		fmt.Println(len(items), "items")
	case errors.Is(err, beaker.ErrNoValue):
		fmt.Println("an empty cart")
	default:
		return err // a *DecodeError: what is there is no []Item
	}
	//docs:end lookup
	return nil
}

func untyped(s *beaker.Session) []string {
	//docs:begin untyped
	s.Set("theme", "dark")
	theme, ok := s.Get("theme") // any: "dark", true
	s.Set("size", 12)
	size, _ := s.Get("size") // an integer comes back as int64
	for name, value := range s.All() {
		fmt.Println(name, value)
	}
	s.Delete("theme")
	names := s.Keys() // sorted
	//docs:end untyped
	return append(names, fmt.Sprint(theme, ok), fmt.Sprintf("%T", size))
}

func add(sessions *beaker.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		//docs:begin addflash
		s.AddFlash("Your settings were saved.")
		http.Redirect(w, r, "/settings", http.StatusSeeOther)
		//docs:end addflash
	})
}

//docs:begin notice

// Notice is a message with a kind.
type Notice struct{ Kind, Text string }

func notices(s *beaker.Session) []Notice {
	return beaker.FlashesOf[Notice](s) // read, and removed when this response is sent
}

//docs:end notice

func texts(s *beaker.Session) []any {
	//docs:begin flashes
	messages := s.Flashes() // read, and removed when this response is sent
	//docs:end flashes
	return messages
}

func increment(ctx context.Context, sessions *beaker.Manager) error {
	//docs:begin update
	err := sessions.Update(ctx, func(s *beaker.Session) error {
		n, _ := visits.Get(s)
		visits.Set(s, n+1)
		return nil
	})
	//docs:end update
	return err
}

//docs:begin take

var oauthState = beaker.NewKey[string]("oauth_state")

func callback(sessions *beaker.Manager) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		want, ok, err := oauthState.Take(r.Context(), sessions)
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		if !ok || r.FormValue("state") != want {
			http.Error(w, "this link was used already, or is not yours", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, "welcome")
	}
}

//docs:end take

func persist(sessions *beaker.Manager) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		//docs:begin persist
		s.Set("order", "A17")
		if err := s.Persist(r.Context()); err != nil {
			sessions.Error(w, r, err)
			return
		}
		sendMail() // only what is certain
		//docs:end persist
	}
}

var sent int

func sendMail() { sent++ }
