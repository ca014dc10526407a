// Package floor holds handlers written by hand that do only what any correct session
// library must: parse the cookie, look the session up, decode what is asked for, write
// back, set the cookie. They verify no signature, hash no id, bound nothing and handle
// no races. What they cost is what cannot be saved.
//
// Where a session was read they send Vary: Cookie, and with a cookie
// Cache-Control: no-store, as this library does.
package floor

import (
	"crypto/rand"
	"encoding/base64"
	"io"
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

const cookieName = "session"

// lifetime is how long the floors' sessions live.
const lifetime = 12 * time.Hour

// newID makes an id of 256 random bits.
func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand crashes the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// idOf returns the id in the request's cookie; empty: none.
func idOf(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

func setCookie(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.Header().Set("Cache-Control", "no-store")
}

func vary(w http.ResponseWriter) { w.Header().Set("Vary", "Cookie") }

// answer writes the body. There is nobody to tell if the client is gone.
func answer(w http.ResponseWriter, text string) { _, _ = io.WriteString(w, text) } //nolint:gosec // what a session holds here was written by the benchmark

func fail(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

func untouched(w http.ResponseWriter, _ *http.Request) { answer(w, contest.OK) }
