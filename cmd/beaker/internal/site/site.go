// Package site is the demonstration: a few pages and a JSON interface that use the
// session library in the way that applications should.
package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// Config says what the site runs on.
type Config struct {
	// Sessions configures the manager. New puts its own Observer and ErrorHandler in.
	Sessions beaker.Config

	// Log is told what happens.
	Log *slog.Logger

	// Wait ends after d, or earlier with the error of ctx. Nil is the real thing;
	// tests put a barrier here.
	Wait func(ctx context.Context, d time.Duration) error
}

// Site is the demonstration as a handler. It is made by New and is safe for
// concurrent use.
type Site struct {
	sessions *beaker.Manager
	cookies  []string // the names that the session cookie can have
	sealed   bool     // sessions are in their cookies
	log      *slog.Logger
	wait     func(context.Context, time.Duration) error
	views    *views
	handler  http.Handler
}

// New makes the site. Close it at the end; the store stays open.
func New(cfg Config) (*Site, error) {
	s := &Site{log: cfg.Log, wait: cfg.Wait}
	if s.wait == nil {
		s.wait = wait
	}
	var err error
	if s.views, err = newViews(); err != nil {
		return nil, err
	}
	if cfg.Sessions.Store != nil {
		cfg.Sessions.Store = count(cfg.Sessions.Store)
	}
	if sealed := cfg.Sessions.Sealed; sealed != nil {
		s.sealed = true
		with := *sealed // the caller's stays as it is
		if with.Revoker != nil {
			with.Revoker = count(with.Revoker)
		}
		cfg.Sessions.Sealed = &with
	}
	cfg.Sessions.Observer = beaker.Observers(beaker.SlogObserver(cfg.Log), beaker.ObserverFunc(noteLoad))
	cfg.Sessions.ErrorHandler = s.fail
	if s.sessions, err = beaker.New(cfg.Sessions); err != nil {
		return nil, err
	}
	s.cookies = []string{"__Host-session", "session"} // the defaults, and for InsecureHosts without the prefix

	// Inside out: the router, which needs sessions; before that the refusal of what
	// other sites send, which then costs nothing; before that what every answer gets.
	//
	// CrossOriginProtection is why no form here carries a token: browsers say where a
	// request comes from, and SameSite=Lax is a second wall.
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &problem{http.StatusForbidden, "this request comes from another site, and such requests change nothing here"})
	}))
	s.handler = s.observed(secured(protection.Handler(s.sessions.Wrap(s.routes()))))
	return s, nil
}

// ServeHTTP serves the site.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends what runs in the background.
func (s *Site) Close() error { return s.sessions.Close() }

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// secured sets what every answer has, pages of errors included.
func secured(next http.Handler) http.Handler {
	// Nothing is allowed but what the pages use: their style sheet, their icon, and
	// forms to this site. No script runs at all.
	const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with it browsers send "Origin: null" with forms, and over
		// plain HTTP to another host, where they send no Sec-Fetch-Site, that is all
		// that CrossOriginProtection has to go by.
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// observed logs each request, when it is over and all store calls have been counted.
func (s *Site) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, t := withTally(r.Context())
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(sw, r.WithContext(ctx))
		s.log.LogAttrs(ctx, slog.LevelInfo, "request",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", sw.status),
			slog.Bool("loaded", t.wasLoaded()), slog.String("store_calls", strings.Join(t.calls(), " ")))
	})
}

// statusWriter notes the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// action is a handler that uses the session. What it returns is answered with fail.
type action func(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error

// withSession loads the session for f.
func (s *Site) withSession(f action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sess, err := s.sessions.Get(r.Context())
		if err != nil {
			// The store does not answer. That is not "nobody is signed in".
			s.fail(w, r, err)
			return
		}
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

// problem is an error whose text is for the client.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

var (
	errNothingHere = &problem{http.StatusNotFound, "there is nothing at this address"}
	errNotSignedIn = &problem{http.StatusForbidden, "nobody is signed in"}
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
		return http.StatusNotImplemented, "this store cannot find the sessions of a user"
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
	s.views.render(w, s.log, status, "error", errorPage{Status: status, Title: http.StatusText(status), Text: text})
}
