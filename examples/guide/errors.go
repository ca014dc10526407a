package guide

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/seed12c5fab1/beaker"
)

// sendToSignIn sends people whose session ended to the sign-in page.
func sendToSignIn(cfg *beaker.Config) {
	//docs:begin handler
	cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
		status := beaker.StatusOf(err)
		switch {
		case errors.Is(err, beaker.ErrEnded):
			http.Redirect(w, r, "/signin", http.StatusSeeOther) // signed out in another tab
			return
		case status == http.StatusServiceUnavailable:
			w.Header().Set("Retry-After", "5") // the store is down: still signed in, soon
		}
		// Not the error's text: it is for the log, not for visitors.
		http.Error(w, strconv.Itoa(status)+" "+http.StatusText(status), status)
	}
	//docs:end handler
}

func get(sessions *beaker.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		//docs:begin get
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		//docs:end get
		visits.Set(s, 1)
	})
}
