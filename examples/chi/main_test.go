package main

import (
	"testing"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestRoutes(t *testing.T) {
	env := sessiontest.New(t)
	browser := env.Browser(router(env.Sessions))
	if r := browser.Get("/account/"); r.Status != 401 {
		t.Errorf("a stranger: %d", r.Status)
	}
	browser.PostForm("/signin", nil)
	if r := browser.Get("/account/"); r.Body != "only alice\n" {
		t.Errorf("signed in: %d %q", r.Status, r.Body)
	}
	env.Faults.Down(nil)
	if r := browser.Get("/account/"); r.Status != 503 {
		t.Errorf("the store is down: %d", r.Status)
	}
	if r := browser.Get("/"); r.Body != "anybody\n" {
		t.Errorf("a page without a session, the store is down: %d %q", r.Status, r.Body)
	}
	env.Faults.Up()
	if r := browser.Get("/account/"); r.Body != "only alice\n" {
		t.Errorf("the store is back: %d %q", r.Status, r.Body)
	}
}
