package main

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func open(t *testing.T) (*sessiontest.Env, *sessiontest.Browser) {
	t.Helper()
	env := sessiontest.New(t, func(cfg *beaker.Config) { cfg.ErrorHandler = answerError })
	return env, env.Browser(api(env.Sessions))
}

func TestCart(t *testing.T) {
	_, browser := open(t)
	if r := browser.Get("/api/cart"); r.Body != "null\n" || len(browser.Cookies()) != 0 {
		t.Errorf("empty: %q", r.Body)
	}
	browser.PostForm("/api/cart/apple", nil)
	if r := browser.PostForm("/api/cart/pear", nil); r.Body != `{"apple":1,"pear":1}`+"\n" {
		t.Errorf("%q", r.Body)
	}
	if r := browser.Get("/page/"); !strings.Contains(r.Body, "<h1>Cart") {
		t.Errorf("the page: %d %q", r.Status, r.Body)
	}
}

func TestClicksAtOnce(t *testing.T) {
	_, browser := open(t)
	browser.PostForm("/api/cart/apple", nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { browser.PostForm("/api/cart/apple", nil) })
	}
	all.Wait()
	if r := browser.Get("/api/cart"); r.Body != `{"apple":21}`+"\n" {
		t.Errorf("%q", r.Body)
	}
}

func TestErrorsAreJSON(t *testing.T) {
	env, browser := open(t)
	browser.PostForm("/api/cart/apple", nil)
	env.Faults.Down(nil)
	r := browser.Get("/api/cart")
	if r.Status != 503 || r.Body != `{"error":"try_again"}`+"\n" || r.Header.Get("Retry-After") == "" {
		t.Errorf("down: %d %q", r.Status, r.Body)
	}
	env.Faults.Up()
	if r := browser.From("https://evil.example").PostForm("/api/cart/apple", nil); r.Status != 403 {
		t.Errorf("another site's page: %d", r.Status)
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"ended": {beaker.ErrEnded, `409 {"error":"session_ended"}`},
		"large": {&beaker.TooLargeError{}, `413 {"error":"too_much"}`},
	} {
		w := httptest.NewRecorder()
		answerError(w, nil, c.err)
		if got := strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
