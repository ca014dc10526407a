// Package beaker is the Sessions page of the manual of Python's Beaker as a site, with
// this library.
package beaker

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

func open(folder string, secrets *beaker.Secrets) (*beaker.Manager, error) {
	//docs:begin middleware
	store, err := filestore.Open(folder, nil)
	if err != nil {
		return nil, err
	}
	sessions, err := beaker.New(beaker.Config{
		Store: store, Secrets: secrets,
		IdleTimeout: 30 * time.Minute,
	})
	//docs:end middleware
	return sessions, err
}

func openSealed(revoker beaker.Store, secrets *beaker.Secrets) (*beaker.Manager, error) {
	//docs:begin cookie
	sessions, err := beaker.New(beaker.Config{
		Sealed: &beaker.Sealed{Revoker: revoker}, Secrets: secrets,
		IdleTimeout: 30 * time.Minute,
	})
	//docs:end cookie
	return sessions, err
}

//docs:begin keys

var userID = beaker.NewKey[int64]("user_id")

//docs:end keys

// App is the site.
func App(sessions *beaker.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/untouched", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "untouched") })
	page := func(path string, f func(r *http.Request, s *beaker.Session) (string, error)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			//docs:begin get
			s, err := sessions.Get(r.Context())
			if err != nil {
				sessions.Error(w, r, err)
				return
			}
			//docs:end get
			body, err := f(r, s)
			if err != nil {
				sessions.Error(w, r, err)
				return
			}
			_, _ = io.WriteString(w, body) // the client may be gone
		})
	}
	page("/simple", func(_ *http.Request, s *beaker.Session) (string, error) {
		//docs:begin using
		loggedIn := userID.Has(s)
		userID.Set(s, 10)
		s.Set("name", "Fred Smith")
		//docs:end using
		return "User is logged in: " + python(loggedIn), nil
	})
	page("/read", func(_ *http.Request, s *beaker.Session) (string, error) {
		//docs:begin read
		name, ok := s.Get("name")
		if !ok {
			name = "nobody"
		}
		//docs:end read
		return fmt.Sprint(name), nil
	})
	page("/remove", func(_ *http.Request, s *beaker.Session) (string, error) {
		//docs:begin remove
		s.Delete("name")
		//docs:end remove
		return "removed", nil
	})
	page("/attributes", func(_ *http.Request, s *beaker.Session) (string, error) {
		//docs:begin attributes
		isNew := s.IsNew()
		seen := !s.LastAccessed().IsZero()
		created := s.CreatedAt()
		//docs:end attributes
		return fmt.Sprintf("new %s, seen %s, created %s", python(isNew), python(seen), python(!created.IsZero())), nil
	})
	page("/persist", func(r *http.Request, s *beaker.Session) (string, error) {
		//docs:begin persist
		s.Set("order", "A17")
		if err := s.Persist(r.Context()); err != nil {
			return "", err
		}
		//docs:end persist
		return "ordered", nil
	})
	page("/revert", func(_ *http.Request, s *beaker.Session) (string, error) {
		//docs:begin revert
		s.Set("name", "nobody")
		s.Revert()
		//docs:end revert
		name, _ := s.Get("name")
		return fmt.Sprint(name), nil
	})
	page("/regenerate", func(_ *http.Request, s *beaker.Session) (string, error) {
		//docs:begin regenerate
		if err := s.Regenerate(); err != nil {
			return "", err
		}
		//docs:end regenerate
		return "regenerated", nil
	})
	page("/delete", func(r *http.Request, s *beaker.Session) (string, error) {
		//docs:begin delete
		if err := s.Destroy(r.Context()); err != nil {
			return "", err
		}
		//docs:end delete
		return "deleted", nil
	})
	page("/invalidate", func(r *http.Request, s *beaker.Session) (string, error) {
		//docs:begin invalidate
		if err := s.Invalidate(r.Context()); err != nil {
			return "", err
		}
		s.Set("color", "green")
		//docs:end invalidate
		return "invalidated", nil
	})
	page("/domain", func(_ *http.Request, s *beaker.Session) (string, error) {
		//docs:begin domain
		attrs := s.CookieAttributes()
		attrs.Domain = "domain.com"
		attrs.Path = "/admin"
		if err := s.SetCookieAttributes(attrs); err != nil {
			return "", err
		}
		//docs:end domain
		return "moved", nil
	})
	//docs:begin wrap
	return sessions.Wrap(mux)
	//docs:end wrap
}

func python(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func save(s *beaker.Session, encode any) error {
	//docs:begin encode
	s.Set("f", encode)
	var bad *beaker.EncodeError
	if errors.As(s.Err(), &bad) {
		return fmt.Errorf("%s is not saved: %w", bad.Name, bad)
	}
	//docs:end encode
	return nil
}

func explicit(cfg *beaker.Config) {
	//docs:begin explicit
	cfg.Save = beaker.SaveExplicit
	//docs:end explicit
}

func secure(cfg *beaker.Config) {
	//docs:begin samesite
	cfg.Cookie.SameSite = http.SameSiteStrictMode
	//docs:end samesite
}

func domain(cfg *beaker.Config) {
	//docs:begin sharedcookie
	cfg.Cookie.Name = "__Secure-session" // a __Host- cookie has no domain
	//docs:end sharedcookie
}
