package beaker

import (
	"errors"
	"net/http"
	"time"
)

// ErrSignInAgain means that what was asked for needs a sign-in that is more recent than
// the session's; see [Manager.RequireFresh]. Send the visitor to the sign-in page, and call
// SetSubject again.
var ErrSignInAgain = errors.New("beaker: the last sign-in is too long ago for this: sign in again")

// AuthenticatedWithin reports whether the session's subject was set less than d ago. Ask
// it before what a thief of the session must not do: to change the password or the
// address, to pay, to see secrets (OWASP ASVS 7.5.1, 7.5.3). Use, Regenerate and time
// spent on the page do not renew it; SetSubject does, with the same subject too. It is
// false for an anonymous session.
func (s *Session) AuthenticatedWithin(d time.Duration) bool {
	at := MillisOf(s.AuthenticatedAt())
	if at == 0 {
		return false
	}
	age := s.m.now() - at
	return max(age, 0) < inMillis(d) && age >= -maxSkew // another node's clock may be ahead, by so much
}

// RequireFresh is Require for handlers that ask for a recent sign-in: one less than
// maxAge ago. Otherwise it answers, as Error does, with [ErrSignInAgain], which is status
// 403, and does not run next. Let Config.ErrorHandler send the visitor to the sign-in
// page.
func (m *Manager) RequireFresh(maxAge time.Duration, next http.Handler) http.Handler {
	return m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err == nil && !s.AuthenticatedWithin(maxAge) {
			err = ErrSignInAgain
		}
		if err != nil {
			m.Error(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	}))
}
