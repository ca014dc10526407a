package site

import "net/http"

func (s *Site) routes() http.Handler {
	mux := http.NewServeMux()

	mux.HandleFunc("GET /{$}", s.withSession(s.home))
	mux.HandleFunc("GET /cart", s.withSession(s.cartPage))
	mux.HandleFunc("GET /devices", s.withSession(s.devicesPage))
	mux.HandleFunc("GET /race", s.withSession(s.racePage))
	mux.HandleFunc("GET /outage", s.withSession(s.outagePage))
	mux.HandleFunc("GET /outage/now", s.outage)
	mux.HandleFunc("GET /untouched", s.untouched)
	mux.HandleFunc("GET /signed-out", s.signedOut)
	mux.HandleFunc("GET /static/{name}", s.serveStatic)
	mux.HandleFunc("POST /sign-in", s.withForm(s.signIn))
	mux.HandleFunc("POST /sign-out", s.withForm(s.signOut))
	mux.HandleFunc("POST /cart/add", s.withForm(s.addItem))
	mux.HandleFunc("POST /cart/remove", s.withForm(s.removeItem))
	mux.HandleFunc("POST /theme", s.withForm(s.chooseTheme))
	mux.HandleFunc("POST /race", s.race)
	mux.HandleFunc("POST /race/begin", s.withSession(s.raceBegin))
	mux.HandleFunc("POST /race/left", s.withForm(s.raceLeg(leftKey)))
	mux.HandleFunc("POST /race/right", s.withForm(s.raceLeg(rightKey)))
	mux.HandleFunc("POST /race/late", s.withForm(s.raceLate))
	mux.HandleFunc("POST /devices/revoke", s.withForm(s.revokeDevice))
	mux.HandleFunc("POST /devices/revoke-others", s.withForm(s.revokeOtherDevices))

	mux.HandleFunc("GET /api/untouched", apiUntouched)
	mux.HandleFunc("GET /api/session", s.withSession(s.apiSession))
	mux.HandleFunc("POST /api/login", s.withSession(s.apiLogin))
	mux.HandleFunc("POST /api/logout", s.withSession(s.apiLogout))
	mux.HandleFunc("POST /api/regenerate", s.withSession(s.apiRegenerate))
	mux.HandleFunc("POST /api/invalidate", s.withSession(s.apiInvalidate))
	mux.HandleFunc("GET /api/values/{key}", s.withSession(s.apiGetValue))
	mux.HandleFunc("PUT /api/values/{key}", s.withSession(s.apiSetValue))
	mux.HandleFunc("DELETE /api/values/{key}", s.withSession(s.apiDeleteValue))
	mux.HandleFunc("POST /api/incr/{key}", s.withSession(s.apiIncrement))
	mux.HandleFunc("GET /api/slow", s.withSession(s.apiSlowRead))
	mux.HandleFunc("POST /api/slow/{key}", s.withSession(s.apiSlowWrite))
	mux.HandleFunc("GET /api/devices", s.withSession(s.apiDevices))
	mux.HandleFunc("POST /api/devices/{handle}/revoke", s.withSession(s.apiRevokeDevice))
	mux.HandleFunc("POST /api/devices/revoke-others", s.withSession(s.apiRevokeOtherDevices))

	return limited(s.refusing(mux))
}

// refusing answers what the mux has no route for in the site's own way: the mux
// itself speaks plain text. What it would have said is asked of it first, because
// only it knows which methods a path has.
func (s *Site) refusing(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		refusal := &refusal{header: http.Header{}}
		h.ServeHTTP(refusal, r)
		if refusal.status == http.StatusMethodNotAllowed {
			allow := refusal.header.Get("Allow")
			w.Header().Set("Allow", allow)
			s.fail(w, r, &problem{refusal.status, "this address takes " + allow + ", not " + r.Method})
			return
		}
		s.fail(w, r, errNothingHere)
	})
}

// refusal keeps an answer's status and header and drops the rest.
type refusal struct {
	header http.Header
	status int
}

func (w *refusal) Header() http.Header         { return w.header }
func (w *refusal) WriteHeader(status int)      { w.status = status }
func (w *refusal) Write(b []byte) (int, error) { return len(b), nil }
