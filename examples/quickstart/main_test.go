package main

import (
	"testing"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestVisitsAreCounted(t *testing.T) {
	env := sessiontest.New(t)
	browser, other := env.Browser(app(env.Sessions)), env.Browser(app(env.Sessions))
	for _, want := range []string{"visit 1\n", "visit 2\n", "visit 3\n"} {
		if got := browser.Get("/").Body; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := other.Get("/").Body; got != "visit 1\n" {
		t.Errorf("another browser: %q", got)
	}
}

func TestItStarts(t *testing.T) {
	t.Chdir(t.TempDir())
	sessions, err := newSessions()
	if err != nil {
		t.Fatal(err)
	}
	if err := sessions.Close(); err != nil {
		t.Error(err)
	}
}
