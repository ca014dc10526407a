package main

import (
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestTwoSessionsOneBrowser(t *testing.T) {
	env := sessiontest.New(t)
	site, admin, err := managers(env.Config)
	if err != nil {
		t.Fatal(err)
	}
	browser := env.Browser(app(site, admin))
	hello := func(path string) string {
		_, rest, _ := strings.Cut(browser.Get(path).Body, `Hello, "`)
		name, _, _ := strings.Cut(rest, `"`)
		return name
	}
	browser.PostForm("/signin", nil)
	if got := hello("/") + "/" + hello("/admin/"); got != "alice/" {
		t.Errorf("signed in to the site: %q", got)
	}
	browser.PostForm("/admin/signin", nil)
	if got := hello("/") + "/" + hello("/admin/"); got != "alice/root" || len(browser.Cookies()) != 2 {
		t.Errorf("signed in to both: %q", got)
	}
	if n, err := admin.RevokeAll(t.Context(), "alice"); n != 1 || err != nil {
		// One store: who may use it can end everybody's sessions.
		t.Errorf("%d, %v", n, err)
	}
	env.Clock.Advance(6 * time.Minute)
	if got := hello("/admin/"); got != "" {
		t.Errorf("six minutes later: %q", got)
	}
}

func TestACookieIsGoodForItsOwnManagerOnly(t *testing.T) {
	env := sessiontest.New(t)
	site, admin, err := managers(env.Config)
	if err != nil {
		t.Fatal(err)
	}
	browser := env.Browser(app(site, admin))
	browser.PostForm("/signin", nil)
	c, _ := browser.Cookie("__Host-session")
	browser.SetCookie("/", "__Host-admin="+c.Value+"; Path=/; Secure")
	if body := browser.Get("/admin/").Body; strings.Contains(body, "alice") {
		t.Errorf("%s", body)
	}
}
