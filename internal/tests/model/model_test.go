package model_test

import (
	"context"
	"testing"

	"pgregory.net/rapid"
)

// TestStoredSessionsAreAsTheModelSays covers what sessions in a store promise, with
// requests that overlap and cookies that were copied. LC-1, RV-1.
func TestStoredSessionsAreAsTheModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { run(t, false) })
}

// TestSealedSessionsAreAsTheModelSays does the same for sealed sessions. A copy of an
// older cookie is an older state, and the model says so too.
func TestSealedSessionsAreAsTheModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { run(t, true) })
}

func run(t *rapid.T, sealed bool) {
	w := newWorld(t, sealed)
	defer w.close(t)
	browser := func(label string) *string { return &w.browsers[upTo(t, label, len(w.browsers)-1)] }
	acts := []struct {
		name   string
		weight int
		do     func(t *rapid.T)
	}{
		{"visit", 16, func(t *rapid.T) { w.serve(t, upTo(t, "browser", len(w.browsers)-1), 0) }},
		{"steal a cookie", 4, func(t *rapid.T) {
			var some []string
			for _, cookie := range w.browsers {
				if cookie != "" {
					some = append(some, cookie)
				}
			}
			if len(some) > 0 {
				*browser("thief") = oneOf(t, "cookie", some)
			}
		}},
		{"restore an old cookie", 1, func(t *rapid.T) {
			if len(w.issued) > 0 {
				*browser("browser") = oneOf(t, "cookie", w.issued)
			}
		}},
		{"time passes", 2, w.passTime},
		{"revoke", 1, w.revoke},
		{"revoke own", 1, w.revokeOwn},
		{"revoke all", 1, func(t *rapid.T) { w.revokeAll(context.Background(), t, nil) }},
		{"list", 1, w.list},
		{"look up", 2, w.lookup},
		{"purge", 1, w.purge},
	}
	var urn []int
	for i, a := range acts {
		for range a.weight {
			urn = append(urn, i)
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"": w.look,
		"act": func(t *rapid.T) {
			a := acts[oneOf(t, "act", urn)]
			t.Log(a.name)
			a.do(t)
		},
	})
}
