package site

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// page is what every page has.
type page struct {
	Theme string // empty: as the system has it
}

type errorPage struct {
	page
	Status      int
	Title, Text string
}

type homePage struct {
	page
	Flashes   []string
	Subject   string
	Visits    int64
	Items     []item
	Total     int64
	Themes    []choice
	Devices   []listedDevice
	NoDevices bool // they cannot be found
	Sealed    bool // the session is in the cookie
	Now       time.Time

	Session sessionView
	Calls   string
}

type untouchedPage struct {
	page
	Loaded bool
	Calls  int
}

type choice struct {
	Value, Name string
	Chosen      bool
}

func themes(chosen string) []choice {
	all := []choice{{Value: "", Name: "As my system has it"}, {Value: "light", Name: "Light"}, {Value: "dark", Name: "Dark"}}
	for i := range all {
		all[i].Chosen = all[i].Value == chosen
	}
	return all
}

// home sends the browser on to the first page with GET, so that reloading repeats
// nothing.
func home(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusSeeOther) }

func (s *Site) home(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	var p homePage
	for _, f := range sess.Flashes() {
		if text, ok := f.(string); ok {
			p.Flashes = append(p.Flashes, text)
		}
	}
	// Update and not Get and Set: of two tabs that are loaded at once, both count. It
	// saves at once, and with it that the messages have been shown.
	err := s.sessions.Update(r.Context(), func(sess *beaker.Session) error {
		n, _ := visitsKey.Get(sess)
		p.Visits = n + 1
		visitsKey.Set(sess, p.Visits)
		return nil
	})
	if err != nil {
		return err
	}
	if p.Subject = sess.Subject(); p.Subject != "" {
		p.Devices, err = s.devices(r.Context(), sess)
		if p.NoDevices = errors.Is(err, errors.ErrUnsupported); err != nil && !p.NoDevices {
			return err
		}
	}
	p.Sealed = s.sealed
	p.Theme, _ = themeKey.Get(sess)
	p.Themes = themes(p.Theme)
	p.Items, p.Total = cart(sess)
	p.Now = time.Now()
	p.Session = s.viewOf(r, sess)
	p.Calls = strings.Join(tallyOf(r.Context()).calls(), ", ")
	s.views.render(w, s.log, http.StatusOK, "home", p)
	return nil
}

func (s *Site) untouched(w http.ResponseWriter, r *http.Request) {
	t := tallyOf(r.Context())
	s.views.render(w, s.log, http.StatusOK, "untouched", untouchedPage{Loaded: t.wasLoaded(), Calls: len(t.calls())})
}

// signedOut is a page of its own: a message would need a session, and that has just
// ended.
func (s *Site) signedOut(w http.ResponseWriter, _ *http.Request) {
	s.views.render(w, s.log, http.StatusOK, "signedout", page{})
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	name, remember := r.PostFormValue("name"), r.PostFormValue("remember") != ""
	if err := login(r, sess, name, remember); err != nil {
		return err
	}
	sess.AddFlash("You are signed in as " + sess.Subject() + ".")
	home(w, r)
	return nil
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	if err := sess.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/signed-out", http.StatusSeeOther)
	return nil
}

func (s *Site) chooseTheme(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	theme := r.PostFormValue("theme")
	known := false
	for _, c := range themes(theme) {
		known = known || c.Chosen
	}
	switch {
	case !known || !r.PostForm.Has("theme"):
		return &problem{http.StatusBadRequest, "there is no such theme"}
	case theme == "":
		themeKey.Delete(sess)
	default:
		themeKey.Set(sess, theme)
	}
	home(w, r)
	return nil
}

func (s *Site) revokeDevice(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	own, err := s.logOutDevice(r.Context(), sess, r.PostFormValue("handle"))
	if err != nil {
		return err
	}
	if own {
		http.Redirect(w, r, "/signed-out", http.StatusSeeOther)
		return nil
	}
	sess.AddFlash("That device is signed out.")
	home(w, r)
	return nil
}

func (s *Site) revokeOtherDevices(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	n, err := s.logOutOthers(r.Context(), sess)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d other devices are signed out.", n)
	switch {
	case s.sealed: // how many there were nobody knows
		text = "All other devices are signed out."
	case n == 1:
		text = "1 other device is signed out."
	}
	sess.AddFlash(text)
	home(w, r)
	return nil
}
