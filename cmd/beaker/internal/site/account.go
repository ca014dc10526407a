package site

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// What sessions hold here. Each item of the cart is a value of its own, so that
// requests that overlap do not undo each other's.
var (
	visitsKey = beaker.NewKey[int64]("visits")
	themeKey  = beaker.NewKey[string]("theme")
	deviceKey = beaker.NewKey[device]("device")
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

// logOutDevice ends one of the visitor's sessions. With the visitor's own it does what
// signing out does, so that the browser forgets the cookie.
func (s *Site) logOutDevice(ctx context.Context, sess *beaker.Session, text string) (own bool, err error) {
	h, err := beaker.ParseHandle(text)
	if err != nil {
		return false, &problem{http.StatusBadRequest, "a handle is 64 hexadecimal digits in lower case"}
	}
	if sess.Subject() == "" {
		return false, errNotSignedIn
	}
	if h == sess.Handle() {
		return true, sess.Destroy(ctx)
	}
	// The handle comes from the client: RevokeOwn, not Revoke.
	err = s.sessions.RevokeOwn(ctx, sess.Subject(), h)
	if errors.Is(err, beaker.ErrNotFound) {
		return false, &problem{http.StatusNotFound, "you have no such session; maybe it was signed out already"}
	}
	return false, err
}

// logOutOthers ends all of the visitor's sessions but the one in use.
func (s *Site) logOutOthers(ctx context.Context, sess *beaker.Session) (int, error) {
	if sess.Subject() == "" {
		return 0, errNotSignedIn
	}
	return s.sessions.RevokeAll(ctx, sess.Subject(), sess.Handle())
}
