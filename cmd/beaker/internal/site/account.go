package site

import (
	"net/http"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// remembered is how long "remember me" lasts.
const remembered = 30 * 24 * time.Hour

// login signs name in. A real application has checked a password before.
func login(r *http.Request, sess *beaker.Session, name string, remember bool) error {
	name = strings.TrimSpace(name)
	if name == "" {
		return &problem{http.StatusBadRequest, "a name is needed to sign in"}
	}
	old := sess.Subject()
	// From here on the visitor's earlier cookie is worth nothing; what it stood for,
	// the cart for example, stays.
	if err := sess.SetSubject(name); err != nil {
		return err
	}
	if old != "" && old != name {
		// Of another user nothing may be left. This drops what is pending, so it is said
		// again; the other way round, a name that is refused would sign the user out.
		if err := sess.Invalidate(r.Context()); err != nil {
			return err
		}
		if err := sess.SetSubject(name); err != nil {
			return err
		}
	}
	deviceKey.Set(sess, deviceOf(r))

	// Both ways are spelled out, so that signing in again without "remember me" ends
	// being remembered.
	idle, absolute, expires := 30*time.Minute, 12*time.Hour, beaker.ExpiresWithBrowser
	if remember {
		idle, absolute, expires = remembered, remembered, beaker.ExpiresWithSession
	}
	sess.SetIdleTimeout(idle)
	sess.SetAbsoluteTimeout(absolute)
	a := sess.CookieAttributes()
	a.Expires = expires
	return sess.SetCookieAttributes(a)
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	name, remember := r.PostFormValue("name"), r.PostFormValue("remember") != ""
	if err := login(r, sess, name, remember); err != nil {
		return err
	}
	text := "You are signed in as " + sess.Subject() + "."
	if remember {
		text += " This browser is remembered for 30 days."
	}
	sess.AddFlash(text)
	goBack(w, r)
	return nil
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	//demo:sign-out
	// When it returns, the session is gone from the store, for good.
	if err := sess.Destroy(r.Context()); err != nil {
		return err // 503, and still signed in: better than a sign-out that was none
	}
	//demo:end
	goodbye(w, r)
	return nil
}

// goodbye answers whoever has just signed out.
func goodbye(w http.ResponseWriter, r *http.Request) {
	//demo:sign-out
	// Chromium keeps pages in memory even if they say no-store, and went
	// back to one of them after the cookie was gone. Not after this.
	w.Header().Set("Clear-Site-Data", `"cache"`)
	//demo:end
	goTo(w, r, "/signed-out")
}
