package guide

import (
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
)

var device = beaker.NewKey[string]("device")

// account is what a site with accounts does with sessions.
type account struct{ sessions *beaker.Manager }

// signIn is called when the password, the passkey or the identity provider was right.
func (a *account) signIn(r *http.Request, s *beaker.Session, user string) error {
	//docs:begin signin
	if err := s.SetSubject(user); err != nil {
		return err
	}
	device.Set(s, r.UserAgent()) // what belongs to this user is set afterwards
	//docs:end signin
	return nil
}

func (a *account) remember(s *beaker.Session, remember bool) error {
	//docs:begin remember
	// Both ways are spelled out: signing in again without the box ends being remembered.
	idle, absolute, expires := 30*time.Minute, 12*time.Hour, beaker.ExpiresWithBrowser
	if remember {
		idle, absolute, expires = 14*24*time.Hour, 30*24*time.Hour, beaker.ExpiresWithSession
	}
	s.SetIdleTimeout(idle)
	s.SetAbsoluteTimeout(absolute)
	attrs := s.CookieAttributes()
	attrs.Expires = expires
	return s.SetCookieAttributes(attrs)
	//docs:end remember
}

func (a *account) signOut(w http.ResponseWriter, r *http.Request) {
	//docs:begin signout
	s, err := a.sessions.Get(r.Context())
	if err == nil {
		err = s.Destroy(r.Context())
	}
	if err != nil {
		a.sessions.Error(w, r, err) // 503: still signed in, and the visitor must know
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	//docs:end signout
}

func (a *account) signOutWithGoodBye(r *http.Request, s *beaker.Session) error {
	//docs:begin goodbye
	if err := s.Invalidate(r.Context()); err != nil {
		return err
	}
	s.AddFlash("You are signed out.") // into a new session, of nobody
	//docs:end goodbye
	return nil
}

func (a *account) passwordChanged(r *http.Request, s *beaker.Session) error {
	//docs:begin password
	user := s.Subject()
	if _, err := a.sessions.RevokeAll(r.Context(), user, s.Handle()); err != nil {
		return err
	}
	return s.SetSubject(user) // a new secret for the one that is left
	//docs:end password
}

func (a *account) accountClosed(r *http.Request, user string) error {
	//docs:begin closed
	_, err := a.sessions.RevokeAll(r.Context(), user)
	//docs:end closed
	return err
}

func (a *account) confirm(next http.HandlerFunc) http.HandlerFunc {
	//docs:begin fresh
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := a.sessions.Get(r.Context())
		if err != nil {
			a.sessions.Error(w, r, err)
			return
		}
		if !s.AuthenticatedWithin(5 * time.Minute) {
			http.Redirect(w, r, "/signin?again=1", http.StatusSeeOther)
			return
		}
		next(w, r)
	}
	//docs:end fresh
}

func (a *account) members(next http.Handler) http.Handler {
	//docs:begin members
	return a.sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := a.sessions.Get(r.Context()) // Require has seen to the error
		if s.Subject() == "" {
			http.Redirect(w, r, "/signin", http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r)
	}))
	//docs:end members
}
