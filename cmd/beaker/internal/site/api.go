package site

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// sessionView is the session in JSON.
type sessionView struct {
	New              bool                       `json:"new"`
	Handle           beaker.Handle              `json:"handle"`
	Subject          string                     `json:"subject"`
	Created          time.Time                  `json:"created"`
	LastAccessed     *time.Time                 `json:"last_accessed"` // null: never before
	IdleDeadline     *time.Time                 `json:"idle_deadline"` // null: none
	AbsoluteDeadline time.Time                  `json:"absolute_deadline"`
	Values           map[string]json.RawMessage `json:"values"`
	Request          requestView                `json:"request"`
}

// requestView is what the library did for the request, so far.
type requestView struct {
	Loaded      bool `json:"loaded"`
	StoreCalls  int  `json:"store_calls"`
	CookieBytes int  `json:"cookie_bytes"`
}

func (s *Site) viewOf(r *http.Request, sess *beaker.Session) sessionView {
	v := sessionView{
		New: sess.IsNew(), Handle: sess.Handle(), Subject: sess.Subject(), Created: sess.CreatedAt(),
		LastAccessed: timeOrNull(sess.LastAccessed()), IdleDeadline: timeOrNull(sess.IdleDeadline()),
		AbsoluteDeadline: sess.AbsoluteDeadline(), Values: map[string]json.RawMessage{},
	}
	for _, name := range sess.Keys() {
		if data, ok := jsonKey(name).Get(sess); ok {
			v.Values[name] = data
		}
	}
	t := tallyOf(r.Context())
	v.Request = requestView{Loaded: t.wasLoaded(), StoreCalls: len(t.calls()), CookieBytes: s.cookieBytes(r)}
	return v
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s *Site) apiSession(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	if !sess.IsNew() {
		// Now and not with the headers, so that the answer can count it. It fails only
		// where saving with the headers does too, or does not matter, as on a read.
		_ = sess.Persist(r.Context())
	}
	writeJSON(w, http.StatusOK, s.viewOf(r, sess))
	return nil
}

// apiUntouched does not even look whether there is a cookie: then the answer would
// depend on it, and caches would have to be told.
func apiUntouched(w http.ResponseWriter, r *http.Request) {
	t := tallyOf(r.Context())
	writeJSON(w, http.StatusOK, map[string]any{"request": map[string]any{"loaded": t.wasLoaded(), "store_calls": len(t.calls())}})
}

func (s *Site) apiLogin(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	var body struct {
		Name     string `json:"name"`
		Remember bool   `json:"remember"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if err := login(r, sess, body.Name, body.Remember); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"subject": sess.Subject()})
	return nil
}

func (s *Site) apiLogout(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	if err := sess.Destroy(r.Context()); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"signed_out": true})
	return nil
}

func (s *Site) apiRegenerate(w http.ResponseWriter, _ *http.Request, sess *beaker.Session) error {
	if err := sess.Regenerate(); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"handle": sess.Handle()})
	return nil
}

func (s *Site) apiInvalidate(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	if err := sess.Invalidate(r.Context()); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"handle": sess.Handle()})
	return nil
}

func (s *Site) apiDevices(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	if sess.Subject() == "" {
		return errNotSignedIn
	}
	all, err := s.devices(r.Context(), sess)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"devices": all})
	return nil
}

func (s *Site) apiRevokeDevice(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	if _, err := s.logOutDevice(r.Context(), sess, r.PathValue("handle")); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"revoked": 1})
	return nil
}

func (s *Site) apiRevokeOtherDevices(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	n, err := s.logOutOthers(r.Context(), sess)
	if err != nil {
		return err
	}
	if s.sealed { // how many there were nobody knows
		writeJSON(w, http.StatusOK, map[string]any{"revoked": nil})
		return nil
	}
	writeJSON(w, http.StatusOK, map[string]any{"revoked": n})
	return nil
}
