package site

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/seed12c5fab1/beaker"
)

// problem is an error whose text is for the client.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

var (
	errNothingHere = &problem{http.StatusNotFound, "there is nothing at this address"}
	errNotSignedIn = &problem{http.StatusForbidden, "nobody is signed in"}
	errOtherSite   = &problem{http.StatusForbidden, "this request comes from another site, and such requests change nothing here"}
)

// explain returns what the client is told of an error: never the text of one that
// comes from below, which is for the log.
func (s *Site) explain(err error) (status int, text string) {
	var own *problem
	var large *http.MaxBytesError
	var cookie *beaker.CookieTooLargeError
	switch {
	case errors.As(err, &own):
		return own.status, own.text
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, "the request's body is too large"
	case errors.As(err, &cookie):
		return http.StatusRequestEntityTooLarge, tooLargeForCookie(cookie)
	case errors.Is(err, beaker.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, "the session would become too large; nothing was saved"
	case errors.Is(err, errors.ErrUnsupported) && s.sealed:
		return http.StatusNotImplemented, "sessions are in their cookies, so nobody can list them or end one by its handle"
	case errors.Is(err, errors.ErrUnsupported):
		return http.StatusNotImplemented, "this store cannot do that with the sessions of a user"
	case errors.Is(err, beaker.ErrInvalidName):
		return http.StatusBadRequest, "a key is at most 255 bytes of UTF-8 and does not start with NUL"
	case errors.Is(err, beaker.ErrInvalidSubject):
		return http.StatusBadRequest, "a name is at most 255 bytes of UTF-8 without control characters"
	}
	switch status = beaker.StatusOf(err); status {
	case http.StatusConflict:
		text = "the session ended while this request was under way; nothing was saved"
	case http.StatusServiceUnavailable:
		text = "the session store does not answer; try again"
	default:
		text = "this server made a mistake; its log says more"
	}
	return status, text
}

// tooLargeForCookie says which value takes the room: that can be mended. The values
// are the client's own, so nothing is given away.
func tooLargeForCookie(err *beaker.CookieTooLargeError) string {
	text := fmt.Sprintf("the session would become too large for a cookie: %d bytes, %d fit", err.Bytes, err.MaxBytes)
	if len(err.Sizes) > 0 {
		text += fmt.Sprintf("; the largest value is %s with %d", err.Sizes[0].Name, err.Sizes[0].Bytes)
	}
	return text + "; nothing was saved"
}

// errorPage is a page that says what went wrong, and what that means.
type errorPage struct {
	page
	Status int
	Title  string
	Text   string // what the JSON interface says, as a sentence
	More   string // what it means
	Again  string // where to try again
}

// titles are for people; the status's own text is for programs.
var titles = map[int]string{
	http.StatusBadRequest:            "That was not understood",
	http.StatusForbidden:             "Nobody is signed in",
	http.StatusNotFound:              "Nothing here",
	http.StatusMethodNotAllowed:      "Not in this way",
	http.StatusConflict:              "Your session ended meanwhile",
	http.StatusRequestEntityTooLarge: "Too much",
	http.StatusInternalServerError:   "Our mistake",
	http.StatusNotImplemented:        "Not with this store",
	http.StatusServiceUnavailable:    "The session store does not answer",
}

// fail answers a request that cannot be answered as it should: in JSON where that is
// spoken, with a page elsewhere. It is also the manager's ErrorHandler, for what shows
// only when the session is saved.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := s.explain(err)
	// Where the client has left, nothing went wrong and nobody reads this; what the
	// store cannot do did not go wrong either.
	if status >= http.StatusInternalServerError && status != http.StatusNotImplemented && r.Context().Err() == nil {
		s.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeJSON(w, status, map[string]string{"error": text})
		return
	}
	p := errorPage{page: page{Sealed: s.sealed}, Status: status, Title: titles[status], Text: strings.ToUpper(text[:1]) + text[1:]}
	if p.Title == "" {
		p.Title = http.StatusText(status)
	}
	if status == http.StatusServiceUnavailable && r.Method == http.MethodGet {
		p.Again = r.URL.Path
		if outageOf(r) {
			p.Again = "/outage"
		}
	}
	switch {
	case errors.Is(err, errOtherSite):
		p.Title = "This came from another site"
		p.More = "If you meant to do it, do it from a page of this site."
		p.Code = s.views.code("cross-origin")
	case status == http.StatusForbidden:
		p.More = "Maybe another device has signed this one out."
	case status == http.StatusConflict:
		p.More = "You have signed out meanwhile, here or from another device, and nothing brings a session back that has ended."
	case status == http.StatusServiceUnavailable:
		p.Text, p.More = "If you were signed in, you still are: your cookie was left alone", "When the store is back, so are you."
		p.Code = s.views.code("store-error")
	}
	s.views.render(w, s.log, status, "error", p)
}
