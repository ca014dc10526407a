package site

import (
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// page is what every page has. Its zero value is for a page that does not use the
// session: it knows neither who looks at it nor how they like it.
type page struct {
	Path    string // its address, for the navigation; empty: it is not there
	Session bool   // it uses the session
	Sealed  bool   // sessions are in their cookies
	Theme   string // empty: as the system has it
	Themes  []choice
	Subject string
	Flashes []string
	Code    []span
	Panel   panel
	Now     time.Time
}

// panel is what the library did for the request.
type panel struct {
	Loaded           bool // there was a session
	Stored           bool // there is one now
	Handle           beaker.Handle
	Calls            []call
	Took             time.Duration // all calls
	Names            string
	CookieBytes      int
	IdleDeadline     *time.Time // nil: none
	AbsoluteDeadline time.Time
}

// open begins a page that uses the session, and shows the code of that name.
func (s *Site) open(r *http.Request, sess *beaker.Session, code string) page {
	p := page{Path: r.URL.Path, Session: true, Sealed: s.sealed, Subject: sess.Subject(), Code: s.views.code(code), Now: s.now()}
	p.Theme, _ = themeKey.Get(sess)
	p.Themes = themes(p.Theme)
	//demo:cart
	for _, f := range sess.Flashes() { // each is shown once
		if text, ok := f.(string); ok {
			p.Flashes = append(p.Flashes, text)
		}
	}
	//demo:end
	return p
}

// show sends a page that open has begun, as the last thing that the handler does. data
// is what the page shows, p the part of it that every page has.
func (s *Site) show(w http.ResponseWriter, r *http.Request, sess *beaker.Session, name string, p *page, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// The session is saved with the headers. After that the page is made, and can count
	// that too; if it could not be saved, an error has been sent and the rest is dropped.
	w.WriteHeader(http.StatusOK)
	t := tallyOf(r.Context())
	p.Panel = panel{
		Loaded: t.wasLoaded(), Stored: !sess.IsNew() || len(sess.Keys()) > 0, Handle: sess.Handle(),
		Calls: t.calls(), Names: names(t.calls(), ", "), CookieBytes: s.cookieBytes(r),
		IdleDeadline: timeOrNull(sess.IdleDeadline()), AbsoluteDeadline: sess.AbsoluteDeadline(),
	}
	for _, c := range p.Panel.Calls {
		p.Panel.Took += c.Took
	}
	body, err := s.views.make(name, data)
	if err != nil {
		s.log.Error("page", "name", name, "error", err)
	}
	_, _ = w.Write(body) // the client is gone, or has got an error in its place
}
