package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func open(t *testing.T) (*sessiontest.Env, *site) {
	t.Helper()
	env := sessiontest.New(t, func(cfg *beaker.Config) { cfg.Cookie.Expires = beaker.ExpiresWithSession })
	return env, &site{env.Sessions, onePassword}
}

func signIn(t *testing.T, b *sessiontest.Browser, more ...string) string {
	t.Helper()
	form := url.Values{"user": {"alice"}, "password": {"open sesame"}}
	for _, name := range more {
		form.Set(name, "on")
	}
	return b.Follow(b.PostForm("/signin", form)).Body
}

//docs:begin test

func TestSignInAndOut(t *testing.T) {
	env, site := open(t)
	browser := env.Browser(site.handler())

	planted, _ := browser.Copy().Cookie("__Host-session")
	wrong := browser.Follow(browser.PostForm("/signin", url.Values{"user": {"alice"}, "password": {"guess"}}))
	if !strings.Contains(wrong.Body, "That was not right.") || strings.Contains(wrong.Body, "<h1>") {
		t.Errorf("a wrong password: %s", wrong.Body)
	}
	if body := signIn(t, browser); !strings.Contains(body, "Welcome, alice.") {
		t.Errorf("signed in: %s", body)
	}
	if now, _ := browser.Cookie("__Host-session"); now.Value == planted.Value {
		t.Error("the cookie from before the sign-in is good for more")
	}
	thief := browser.Copy()
	browser.PostForm("/signout", nil)
	if body := thief.Get("/").Body; strings.Contains(body, "alice") {
		t.Errorf("a copied cookie, after the sign-out: %s", body)
	}
}

//docs:end test

func TestRememberMe(t *testing.T) {
	env, site := open(t)
	browser, other := env.Browser(site.handler()), env.Browser(site.handler())
	signIn(t, browser, "remember")
	signIn(t, other)
	browser.Restart()
	env.Clock.Advance(13 * 24 * time.Hour)
	if body := browser.Get("/").Body; !strings.Contains(body, "<h1>alice") {
		t.Errorf("after 13 days, remembered: %s", body)
	}
	if body := other.Get("/").Body; strings.Contains(body, "<h1>alice") {
		t.Errorf("after 13 days, not remembered: %s", body)
	}
	env.Clock.Advance(10 * 24 * time.Hour)
	browser.Get("/")
	env.Clock.Advance(8 * 24 * time.Hour)
	if body := browser.Get("/").Body; strings.Contains(body, "<h1>alice") {
		t.Errorf("after 31 days: %s", body)
	}
}

func TestDevices(t *testing.T) {
	env, site := open(t)
	phone, laptop, stranger := env.Browser(site.handler()), env.Browser(site.handler()), env.Browser(site.handler())
	signIn(t, phone)
	signIn(t, laptop)
	env.SignIn(stranger, "mallory")

	list := laptop.Get("/").Body
	if n := strings.Count(list, "<li>"); n != 2 || strings.Count(list, "(this one)") != 1 {
		t.Fatalf("%d devices: %s", n, list)
	}
	_, rest, _ := strings.Cut(list, `action="/devices/`)
	handle, _, _ := strings.Cut(rest, "/")

	stranger.PostForm("/devices/"+handle+"/signout", nil)
	if body := phone.Get("/").Body; !strings.Contains(body, "<h1>alice") {
		t.Fatal("a stranger signed the phone out")
	}
	if body := laptop.Follow(laptop.PostForm("/devices/"+handle+"/signout", nil)).Body; !strings.Contains(body, "Signed out.") {
		t.Errorf("sign out the phone: %s", body)
	}
	if body := phone.Get("/").Body; strings.Contains(body, "<h1>alice") {
		t.Error("the phone is still signed in")
	}
	if r := laptop.PostForm("/devices/nonsense/signout", nil); r.Status != 404 {
		t.Errorf("a handle that is none: %d", r.Status)
	}
	if body := laptop.Follow(laptop.PostForm("/devices/"+handle+"/signout", nil)).Body; !strings.Contains(body, "already") {
		t.Errorf("the phone again: %s", body)
	}
}

func TestSignOutEverywhereElse(t *testing.T) {
	env, site := open(t)
	phone, laptop := env.Browser(site.handler()), env.Browser(site.handler())
	signIn(t, phone)
	signIn(t, laptop)
	laptop.PostForm("/signout-everywhere", nil)
	if strings.Contains(phone.Get("/").Body, "<h1>alice") || !strings.Contains(laptop.Get("/").Body, "<h1>alice") {
		t.Error("not the others, or this one too")
	}
}

func TestAFormOfAnotherSite(t *testing.T) {
	env, site := open(t)
	browser := env.Browser(site.handler())
	signIn(t, browser)
	if r := browser.From("https://evil.example").PostForm("/signout-everywhere", nil); r.Status != 403 {
		t.Errorf("status %d", r.Status)
	}
}
