package guide

import (
	"fmt"
	"net/http"

	"github.com/seed12c5fab1/beaker"
)

// apiFor serves an API to its own origin and to the pages of another one.
func apiFor(sessions *beaker.Manager, mux *http.ServeMux) (http.Handler, error) {
	//docs:begin trusted
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin("https://app.example.com"); err != nil {
		return nil, err
	}
	return protection.Handler(sessions.Wrap(mux)), nil
	//docs:end trusted
}

var coupon = beaker.NewKey[string]("coupon")

func redeem(sessions *beaker.Manager) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		//docs:begin once
		code, ok, err := coupon.Take(r.Context(), sessions)
		switch {
		case err != nil:
			sessions.Error(w, r, err)
		case !ok:
			http.Error(w, "it was used already", http.StatusGone)
		default:
			fmt.Fprintln(w, "only one request gets", code)
		}
		//docs:end once
	}
}
