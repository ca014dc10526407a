package sessiontest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Strict fails the test at each response, from now on, that breaks what must hold of
// every response with a session cookie, and returns b:
//
//   - the browser accepts the cookie, with all its attributes (unless SameSite keeps it
//     out of another site's page, as it should), and a deletion finds the cookie that it
//     is meant for;
//   - there is one Set-Cookie line for a name at most (RFC 6265bis 4.1.1), and none in
//     an informational response;
//   - no cache keeps the response for others: Cache-Control has no-store, and Vary
//     names Cookie;
//   - the handler did not try to answer twice.
//
// The names are those of the session cookies; without names it is every cookie.
func (b *Browser) Strict(t testing.TB, names ...string) *Browser {
	t.Helper()
	b.Check(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.t, b.session = t, names
	return b
}

// strict returns the test of Strict, or nil. Whoever may fail it marks itself as a
// helper, so that the failure shows the test's own line.
func (b *Browser) strict() testing.TB {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.t
}

// Check fails the test if a response so far has broken what Strict describes, which
// it then forgets.
func (b *Browser) Check(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	problems := b.problems
	b.problems = nil
	b.mu.Unlock()
	for _, p := range problems {
		t.Error(p)
	}
}

// violations is called with the mutex held.
func (b *Browser) violations(r *Response, x *exchange) (all []string) {
	bad := func(format string, args ...any) {
		all = append(all, fmt.Sprintf("sessiontest: %s %s: ", r.Request.Method, r.Request.URL)+fmt.Sprintf(format, args...))
	}
	for _, early := range r.Early {
		for _, line := range early.Header["Set-Cookie"] {
			if name := nameOf(line); b.isSession(name) {
				bad("cookie %q: set in an informational response (%d), where browsers do not look", name, early.Status)
			}
		}
	}
	if r.superfluous > 0 {
		bad("WriteHeader was called %d times too often", r.superfluous)
	}
	seen := map[string]int{}
	for _, v := range r.SetCookies {
		name := v.Cookie.Name
		if v.Outcome == Refused && name == "" {
			name = nameOf(v.Line) // a line that could not be read
		}
		if !b.isSession(name) {
			continue
		}
		if seen[name]++; seen[name] == 2 {
			bad("cookie %q: more than one Set-Cookie line", name)
		}
		switch {
		case v.Reason == refusedCrossSite:
		case v.Outcome == Refused, len(v.Ignored) > 0:
			bad("%v", v)
		case v.Outcome == NothingToDelete && b.holds(name, x):
			bad("%v, while the browser has a cookie of that name with another domain or path", v)
		}
	}
	if len(seen) == 0 {
		return all
	}
	if !hasToken(r.Header, "Cache-Control", "no-store") {
		bad("sets a session cookie without Cache-Control: no-store (it is %q)", r.Header.Values("Cache-Control"))
	}
	if !hasToken(r.Header, "Vary", "Cookie") && !hasToken(r.Header, "Vary", "*") {
		bad("sets a session cookie without Vary: Cookie (it is %q)", r.Header.Values("Vary"))
	}
	return all
}

func (b *Browser) isSession(name string) bool {
	return len(b.session) == 0 || slices.Contains(b.session, name)
}

func (b *Browser) holds(name string, x *exchange) bool {
	return slices.ContainsFunc(b.jar.matching(hostOf(x.url), x.now, nil), func(c Cookie) bool { return c.Name == name })
}

// nameOf reads the name of a line that a browser would perhaps not read at all.
func nameOf(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	name, _, _ := strings.Cut(pair, "=")
	return trim(name)
}

func hasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for field := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(trim(field), token) {
				return true
			}
		}
	}
	return false
}
