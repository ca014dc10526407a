package peers

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

// fact is a row of the table: something that users expect of sessions.
type fact struct {
	says  string
	holds func(t *testing.T, s *site, g *gates) bool
}

func facts() []fact {
	return []fact{
		{"Two requests at once set different values: both are kept", bothKept},
		{"A slow request that saves something does not undo a sign-out", func(t *testing.T, s *site, g *gates) bool {
			return signOutStays(t, s, g, "/set?k=x&v=y&")
		}},
		{"A slow request that only reads does not undo a sign-out", func(t *testing.T, s *site, g *gates) bool {
			return signOutStays(t, s, g, "/read?")
		}},
		{"A slow request does not undo a sign-in", signInStays},
		{"The cookie from before the sign-in opens nothing", oldCookieDead},
		{"After the sign-out a copy of the cookie opens nothing", copyDead},
		{"Who reads the store cannot make a cookie of it", storeOpensNothing},
		{"A page that ignores the session works while the store is down", untouchedWorks},
		{"A store that is down does not make a visitor anonymous", neverAnonymous},
		{"What could not be saved is not answered as saved, not even in part", nothingPromised},
		{"Twenty reads write to the store at most once", readsDoNotWrite},
		{"A visitor who only looks leaves nothing in the store", lookingLeavesNothing},
		{"What is set before the first flush is kept", flushKeeps},
		{"By default the cookie is Secure, HttpOnly and SameSite", safeCookie},
	}
}

func signedIn(t *testing.T, s *site) jar {
	t.Helper()
	j := jar{}
	j.visit(t, s, "/set?k=before&v=1")
	j.visit(t, s, "/signin?user=alice")
	if a := j.visit(t, s, "/get?k=user"); a.body != "alice" {
		t.Fatalf("nobody is signed in: %d %q", a.status, a.body)
	}
	return j
}

func opens(t *testing.T, s *site, cookies jar) bool {
	t.Helper()
	return fetch(t, s, cookies, "/get?k=user").body == "alice"
}

func bothKept(t *testing.T, s *site, g *gates) bool {
	j := signedIn(t, s)
	j.keep(during(t, s, g, j, "/set?k=slow&v=1&", func() { j.visit(t, s, "/set?k=fast&v=2") }))
	return j.visit(t, s, "/get?k=slow").body == "1" && j.visit(t, s, "/get?k=fast").body == "2"
}

func signOutStays(t *testing.T, s *site, g *gates, slow string) bool {
	j := signedIn(t, s)
	stolen := maps.Clone(j)
	j.keep(during(t, s, g, j, slow, func() { j.visit(t, s, "/signout") }))
	return !opens(t, s, stolen) && !opens(t, s, j)
}

func signInStays(t *testing.T, s *site, g *gates) bool {
	j := jar{}
	j.visit(t, s, "/set?k=before&v=1")
	j.keep(during(t, s, g, j, "/set?k=x&v=y&", func() { j.visit(t, s, "/signin?user=alice") }))
	return opens(t, s, j)
}

func oldCookieDead(t *testing.T, s *site, _ *gates) bool {
	j := jar{}
	j.visit(t, s, "/set?k=before&v=1")
	planted := maps.Clone(j)
	j.visit(t, s, "/signin?user=alice")
	if !opens(t, s, j) {
		t.Fatal("nobody is signed in")
	}
	return !opens(t, s, planted)
}

func copyDead(t *testing.T, s *site, _ *gates) bool {
	j := signedIn(t, s)
	stolen := maps.Clone(j)
	j.visit(t, s, "/signout")
	return !opens(t, s, stolen)
}

func storeOpensNothing(t *testing.T, s *site, _ *gates) bool {
	signedIn(t, s)
	ids := s.ids(t)
	if len(ids) == 0 {
		t.Fatal("the store is empty")
	}
	for _, id := range ids {
		if opens(t, s, jar{s.cookie: id}) {
			return false
		}
	}
	return true
}

func untouchedWorks(t *testing.T, s *site, _ *gates) bool {
	j := signedIn(t, s)
	s.breaks(t)
	a := fetch(t, s, j, "/untouched")
	return a.status == http.StatusOK && a.body == "untouched"
}

func neverAnonymous(t *testing.T, s *site, _ *gates) bool {
	j := signedIn(t, s)
	s.breaks(t)
	a := fetch(t, s, j, "/get?k=user")
	return a.status >= 500 && len(a.set) == 0
}

func nothingPromised(t *testing.T, s *site, g *gates) bool {
	j := signedIn(t, s)
	a := during(t, s, g, j, "/set?k=x&v=secret&", func() { s.breaks(t) })
	return a.status >= 500 && !strings.Contains(a.body, "saved")
}

func readsDoNotWrite(t *testing.T, s *site, _ *gates) bool {
	j := signedIn(t, s)
	before := s.writes(t)
	after := before
	for range 20 {
		j.visit(t, s, "/get?k=user")
		after = s.writes(t)
	}
	return after-before <= 1
}

func lookingLeavesNothing(t *testing.T, s *site, _ *gates) bool {
	for range 3 {
		fetch(t, s, nil, "/get?k=user")
		fetch(t, s, nil, "/untouched")
	}
	return len(s.ids(t)) == 0
}

func flushKeeps(t *testing.T, s *site, _ *gates) bool {
	j := jar{}
	if a := j.visit(t, s, "/stream?k=x&v=kept"); !strings.HasSuffix(a.body, "streamed") {
		t.Fatalf("/stream: %d %q", a.status, a.body)
	}
	return j.visit(t, s, "/get?k=x").body == "kept"
}

func safeCookie(t *testing.T, s *site, _ *gates) bool {
	a := fetch(t, s, nil, "/set?k=x&v=y")
	for _, c := range a.set {
		if c.Name == s.cookie {
			return c.Secure && c.HttpOnly && (c.SameSite == http.SameSiteLaxMode || c.SameSite == http.SameSiteStrictMode)
		}
	}
	t.Fatalf("no cookie: %v", a.set)
	return false
}
