package site

import (
	"errors"
	"net/http"
	"slices"

	"github.com/seed12c5fab1/beaker"
)

// action is a handler that uses the session. What it returns is answered with fail.
type action func(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error

// withSession loads the session for f.
func (s *Site) withSession(f action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		//demo:store-error
		sess, err := s.sessions.Get(r.Context())
		if err != nil {
			// The store does not answer. That is not "nobody is signed in".
			s.fail(w, r, err) // or the library's own: sessions.Error
			return
		}
		//demo:end
		// What is in an answer depends on who asks, and after a sign-out the browser
		// must not show it again.
		w.Header().Set("Cache-Control", "no-store")
		if err := f(w, r, sess); err != nil {
			sess.Revert() // an answer that says no must not save half of what was asked
			s.fail(w, r, err)
		}
	}
}

// withForm is withSession for the actions of forms, which it reads before.
func (s *Site) withForm(f action) http.HandlerFunc {
	next := s.withSession(f)
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			if large := (*http.MaxBytesError)(nil); !errors.As(err, &large) {
				err = &problem{http.StatusBadRequest, "the form cannot be read"}
			}
			s.fail(w, r, err)
			return
		}
		next(w, r)
	}
}

// maxBody is what a form, or a value, may have.
const maxBody = 16 << 10

func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// goTo sends the browser on to a page with GET, so that reloading repeats nothing.
func goTo(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, path, http.StatusSeeOther)
}

// goBack is goTo for forms that several pages have: each says which one it is. An
// address that is none of them is no place to send anybody to.
func goBack(w http.ResponseWriter, r *http.Request) {
	path := r.PostFormValue("back")
	if !slices.Contains([]string{"/cart", "/devices", "/race", "/outage"}, path) {
		path = "/"
	}
	goTo(w, r, path)
}
