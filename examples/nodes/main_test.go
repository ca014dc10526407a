package main

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestAVisitorMayComeToEitherNode(t *testing.T) {
	dir := t.TempDir()
	var nodes [2]*beaker.Manager
	for i := range nodes {
		sessions, err := node(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sessions.Close() })
		nodes[i] = sessions
	}
	one, two := sessiontest.NewBrowser(app(nodes[0], "node 1"), "https://app.example"), sessiontest.NewBrowser(app(nodes[1], "node 2"), "https://app.example")

	one.PostForm("/signin", nil)
	c, _ := one.Cookie("__Host-session")
	two.SetCookie("/", "__Host-session="+c.Value+"; Path=/; Secure; HttpOnly") // one browser, a balancer that chooses
	if r := two.Get("/"); r.Body != "node 2: \"alice\"\n" {
		t.Errorf("%q", r.Body)
	}
	two.PostForm("/signout-everywhere", nil)
	if r := one.Get("/"); r.Body != "node 1: \"\"\n" {
		t.Errorf("after the sign-out on the other node: %q", r.Body)
	}
}
