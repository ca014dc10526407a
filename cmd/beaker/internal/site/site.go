// Package site is the demonstration: a few pages and a JSON interface that use the
// session library in the way that applications should.
package site

import (
	"context"
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
	revokes  bool     // the sessions of a user can be ended all at once
	log      *slog.Logger
	now      func() time.Time
	wait     func(context.Context, time.Duration) error
	views    *views
	files    map[string]file
	handler  http.Handler
}

// New makes the site. Close it at the end; the store stays open.
func New(cfg Config) (*Site, error) {
	s := &Site{log: cfg.Log, now: cfg.Sessions.Now, wait: cfg.Wait}
	if s.now == nil {
		s.now = time.Now
	}
	if s.wait == nil {
		s.wait = wait
	}
	var err error
	if s.files, err = readStatic(); err != nil {
		return nil, err
	}
	if s.views, err = newViews(s.files); err != nil {
		return nil, err
	}
	if cfg.Sessions.Store != nil {
		_, s.revokes = cfg.Sessions.Store.(beaker.SubjectRevoker)
		cfg.Sessions.Store = count(cfg.Sessions.Store)
	}
	if sealed := cfg.Sessions.Sealed; sealed != nil {
		s.sealed = true
		with := *sealed // the caller's stays as it is
		if with.Revoker != nil {
			s.revokes = true
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
	s.handler = s.observed(secured(s.protected(s.sessions.Wrap(s.routes()))))
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

// policy allows nothing but what the pages use: their style sheet, their script, what
// that fetches, their icon, and forms to this site. Trusted types: the script writes
// text, and the browser refuses anything that would be read as HTML.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// secured sets what every answer has, pages of errors included.
func secured(next http.Handler) http.Handler {
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

// protected refuses what other sites send, a form for example. It is why no form here
// carries a token: browsers say where a request comes from, and SameSite=Lax is a
// second wall.
func (s *Site) protected(next http.Handler) http.Handler {
	refused := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errOtherSite) })
	//demo:cross-origin
	protection := http.NewCrossOriginProtection() // in net/http since Go 1.25
	protection.SetDenyHandler(refused)
	return protection.Handler(next)
	//demo:end
}

// observed logs each request, when it is over and all store calls have been counted.
func (s *Site) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, t := withTally(r.Context())
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(sw, r.WithContext(ctx))
		level := slog.LevelInfo
		if strings.HasPrefix(r.URL.Path, "/static/") && sw.status < http.StatusBadRequest {
			level = slog.LevelDebug // the page that needs it says enough
		}
		s.log.LogAttrs(ctx, level, "request",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", sw.status),
			slog.Bool("loaded", t.wasLoaded()), slog.String("store_calls", names(t.calls(), " ")))
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
