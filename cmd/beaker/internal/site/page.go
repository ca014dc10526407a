package site

import (
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// page is what every page has. Its zero value is for a page that does not use the
// session: it knows neither who looks at it nor how they like it.
type page struct {
	Path     string // its address, for the navigation; empty: it is not there
	Session  bool   // it uses the session
	Sealed   bool   // sessions are in their cookies
	Theme    string // empty: as the system has it
	Themes   []choice
	Subject  string
	Remember bool // she has asked to be remembered
	Flashes  []string
	Code     []span
	Panel    panel
	Now      time.Time
}

// panel is what the library did for the request.
type panel struct {
	New              bool // there was no session
	Stored           bool // there is one now
	Loaded           bool
	Handle           beaker.Handle
	Calls            []call
	Took             time.Duration // all calls
	Names            string
	CookieBytes      int
	IdleDeadline     *time.Time // nil: none
	AbsoluteDeadline time.Time
}

// open begins a page that uses the session.
func (s *Site) open(r *http.Request, sess *beaker.Session) page {
	p := page{Path: r.URL.Path, Session: true, Sealed: s.sealed, Subject: sess.Subject(), Now: s.now()}
	p.Theme, _ = themeKey.Get(sess)
	p.Themes = themes(p.Theme)
	//demo:flash
	for _, f := range sess.Flashes() { // each is shown once
		if text, ok := f.(string); ok {
			p.Flashes = append(p.Flashes, text)
		}
	}
	//demo:end
	return p
}

// close completes a page that open has begun, when nothing more will be asked of the
// session.
func (s *Site) close(p *page, r *http.Request, sess *beaker.Session, code string) {
	p.Panel.New = sess.IsNew()
	if !p.Panel.New {
		// Now and not with the headers, so that the page can count it. It fails only where
		// saving with the headers does too, or does not matter, as on a read.
		_ = sess.Persist(r.Context())
	}
	t := tallyOf(r.Context())
	p.Panel.Loaded = t.wasLoaded()
	p.Panel.Calls = t.calls()
	p.Panel.Names = names(p.Panel.Calls, ", ")
	for _, c := range p.Panel.Calls {
		p.Panel.Took += c.Took
	}
	p.Panel.Stored = !p.Panel.New || len(sess.Keys()) > 0
	p.Panel.Handle = sess.Handle()
	p.Panel.CookieBytes = s.cookieBytes(r)
	p.Panel.IdleDeadline = timeOrNull(sess.IdleDeadline())
	p.Panel.AbsoluteDeadline = sess.AbsoluteDeadline()
	p.Code = s.views.code(code)
}
