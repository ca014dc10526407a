package guide

import (
	"net/http"

	"github.com/seed12c5fab1/beaker"
)

// glance is what the README shows of a session. Real code looks at each error.
//
//nolint:ineffassign,staticcheck,wastedassign // one line for each call, as a reader skims them; the test looks at what they did
func glance(sessions *beaker.Manager, r *http.Request, s *beaker.Session) (n int, err error) {
	//docs:begin glance
	s.Set("theme", "dark")                              // saved when the response begins; no Save to forget
	s.AddFlash("Saved.")                                // for the next page
	err = s.SetSubject("user 17")                       // sign in: a new secret, a new deadline; found by List and RevokeAll
	err = s.Persist(r.Context())                        // saved now: before a mail is sent, say
	n, err = sessions.RevokeAll(r.Context(), "user 17") // sign out every device, and sign-ins that are just under way
	err = s.Destroy(r.Context())                        // sign out: gone from the store when it returns
	<-s.Watch(r.Context()).Done()                       // a stream that ends when its session does
	//docs:end glance
	return n, err
}
