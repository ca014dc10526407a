// Command signin is a site with accounts: sign in, remember me, a list of one's devices,
// sign out here, there and everywhere.
package main

import (
	"crypto/subtle"
	"errors"
	"html/template"
	"log"
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

// Agent is what a device says of itself.
var Agent = beaker.NewKey[string]("agent")

func main() {
	store, err := filestore.Open("beaker-data/signin", nil)
	if err != nil {
		log.Fatal(err)
	}
	secrets, err := beaker.OpenSecrets("beaker-data/secrets") // made at the first start
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := beaker.New(beaker.Config{
		Store: store, Secrets: secrets,
		// The browser forgets the cookie when the session ends, not when it is closed.
		Cookie: beaker.Cookie{Expires: beaker.ExpiresWithSession},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Print("http://localhost:8080 (alice, open sesame)")
	log.Fatal(http.ListenAndServe("localhost:8080", (&site{sessions, onePassword}).handler()))
}

// onePassword stands for the check that the application has: of a password's hash, a
// passkey, what an identity provider says.
func onePassword(user, password string) bool {
	return user == "alice" && subtle.ConstantTimeCompare([]byte(password), []byte("open sesame")) == 1
}

type site struct {
	sessions *beaker.Manager
	check    func(user, password string) bool
}

func (a *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /signin", a.signIn)
	mux.HandleFunc("POST /signout", a.signOut)
	mux.HandleFunc("POST /devices/{handle}/signout", a.signOutDevice)
	mux.HandleFunc("POST /signout-everywhere", a.signOutEverywhere)
	// Sessions do not protect from forms of other sites; the standard library does.
	return http.NewCrossOriginProtection().Handler(a.sessions.Wrap(mux))
}

// session answers for pages that cannot do without one.
func (a *site) session(w http.ResponseWriter, r *http.Request) (*beaker.Session, bool) {
	s, err := a.sessions.Get(r.Context())
	if err != nil {
		a.sessions.Error(w, r, err)
		return nil, false
	}
	return s, true
}

//docs:begin signin

func (a *site) signIn(w http.ResponseWriter, r *http.Request) {
	s, ok := a.session(w, r)
	if !ok {
		return
	}
	user := r.PostFormValue("user")
	if !a.check(user, r.PostFormValue("password")) {
		s.AddFlash("That was not right.")
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	// A new secret: whoever planted the old cookie holds nothing.
	if err := s.SetSubject(user); err != nil {
		a.sessions.Error(w, r, err)
		return
	}
	Agent.Set(s, r.UserAgent())
	if r.PostFormValue("remember") != "" {
		s.SetIdleTimeout(14 * 24 * time.Hour)
		s.SetAbsoluteTimeout(30 * 24 * time.Hour)
	}
	s.AddFlash("Welcome, " + user + ".")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

//docs:end signin

//docs:begin signout

func (a *site) signOut(w http.ResponseWriter, r *http.Request) {
	s, ok := a.session(w, r)
	if !ok {
		return
	}
	// Gone from the store when it returns; an error means that it may not be.
	if err := s.Destroy(r.Context()); err != nil {
		a.sessions.Error(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

//docs:end signout

//docs:begin device

func (a *site) signOutDevice(w http.ResponseWriter, r *http.Request) {
	s, ok := a.session(w, r)
	if !ok {
		return
	}
	h, err := beaker.ParseHandle(r.PathValue("handle"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	// RevokeOwn, because the handle came from a browser: it ends nobody else's session.
	switch err := a.sessions.RevokeOwn(r.Context(), s.Subject(), h); {
	case errors.Is(err, beaker.ErrNotFound):
		s.AddFlash("That device was signed out already.")
	case err != nil:
		a.sessions.Error(w, r, err)
		return
	default:
		s.AddFlash("Signed out.")
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

//docs:end device

//docs:begin everywhere

func (a *site) signOutEverywhere(w http.ResponseWriter, r *http.Request) {
	s, ok := a.session(w, r)
	if !ok {
		return
	}
	if s.Subject() == "" {
		http.Error(w, "sign in first", http.StatusUnauthorized)
		return
	}
	// All but this one. After a change of the password, leave the exception out, and
	// sign this one in again: SetSubject in the same request is not refused.
	if _, err := a.sessions.RevokeAll(r.Context(), s.Subject(), s.Handle()); err != nil {
		a.sessions.Error(w, r, err)
		return
	}
	s.AddFlash("All other devices are signed out.")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

//docs:end everywhere

// device is a row of the list.
type device struct {
	Handle, Agent string
	Since, Seen   time.Time
	This          bool
}

//docs:begin devices

func (a *site) devices(r *http.Request, s *beaker.Session) (all []device, err error) {
	for info, err := range a.sessions.List(r.Context(), s.Subject()) {
		if err != nil {
			return nil, err
		}
		agent, _ := Agent.Get(info)
		all = append(all, device{
			Handle: info.Handle().String(), Agent: agent, This: info.Handle() == s.Handle(),
			Since: info.AuthenticatedAt(), Seen: info.LastAccessed(),
		})
	}
	return all, nil
}

//docs:end devices

func (a *site) home(w http.ResponseWriter, r *http.Request) {
	s, ok := a.session(w, r)
	if !ok {
		return
	}
	data := struct {
		User    string
		Flashes []any
		Devices []device
	}{User: s.Subject()}
	if data.User != "" {
		var err error
		if data.Devices, err = a.devices(r, s); err != nil {
			a.sessions.Error(w, r, err)
			return
		}
	}
	data.Flashes = s.Flashes()
	if err := page.Execute(w, data); err != nil {
		log.Print(err)
	}
}

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><title>Sign in</title>
{{range .Flashes}}<p role="status">{{.}}</p>{{end}}
{{if .User}}
<h1>{{.User}}</h1>
<ul>{{range .Devices}}
<li>{{.Agent}}, since {{.Since.Format "2 Jan 15:04"}}{{if .This}} (this one){{else}}
<form method="post" action="/devices/{{.Handle}}/signout"><button>Sign out</button></form>{{end}}</li>{{end}}
</ul>
<form method="post" action="/signout-everywhere"><button>Sign out all others</button></form>
<form method="post" action="/signout"><button>Sign out</button></form>
{{else}}
<form method="post" action="/signin">
<label>Name <input name="user" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<label><input type="checkbox" name="remember"> Remember me</label>
<button>Sign in</button>
</form>
{{end}}
</html>
`))
