package site

import (
	"net/http"

	"github.com/seed12c5fab1/beaker"
)

type homePage struct {
	page
	Visits int64
}

//demo:visits
var visitsKey = beaker.NewKey[int64]("visits")

//demo:end

func (s *Site) home(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	p := homePage{page: s.open(r, sess, "visits")}
	// It saves at once, and with it that the messages have been shown.
	//demo:visits
	// Update, not Get and Set: of two tabs that load at once, both count.
	err := s.sessions.Update(r.Context(), func(sess *beaker.Session) error {
		n, _ := visitsKey.Get(sess)
		visitsKey.Set(sess, n+1)
		return nil
	})
	//demo:end
	if err != nil {
		return err
	}
	p.Visits, _ = visitsKey.Get(sess)
	s.show(w, r, sess, "home", &p.page, &p)
	return nil
}

type untouchedPage struct {
	page
	Loaded bool
	Calls  int
}

//demo:untouched

// untouched is behind the same middleware. It does not call
// sessions.Get: so nothing is loaded, and nothing is sent.
func (s *Site) untouched(w http.ResponseWriter, r *http.Request) {
	s.views.render(w, s.log, http.StatusOK, "untouched", s.proof(r))
}

//demo:end

// proof tells what was done for the request.
func (s *Site) proof(r *http.Request) untouchedPage {
	t := tallyOf(r.Context())
	p := untouchedPage{Loaded: t.wasLoaded(), Calls: len(t.calls())}
	p.Path, p.Code = r.URL.Path, s.views.code("untouched")
	return p
}

// signedOut is a page of its own: a message would need a session, and that has just
// ended.
func (s *Site) signedOut(w http.ResponseWriter, _ *http.Request) {
	s.views.render(w, s.log, http.StatusOK, "signedout", page{Sealed: s.sealed, Code: s.views.code("sign-out")})
}
