package sessiontest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

// Each row is a handler that breaks one of the invariants, or none, and what Strict
// and Check say about it (CK-1, CK-6, CK-9, CA-1, CA-2, TE-1).
func TestStrictAndCheckSayWhatIsWrong(t *testing.T) {
	private := func(w http.ResponseWriter, lines ...string) {
		w.Header()["Set-Cookie"] = lines
		w.Header().Set("Cache-Control", "private, no-store")
		w.Header().Set("Vary", "Accept, cookie")
	}
	const good = "__Host-session=1; Path=/; Secure; HttpOnly; SameSite=Lax"
	rows := []struct {
		desc string
		have string
		h    func(w http.ResponseWriter)
		want string // "": nothing is wrong
	}{
		{"a good response", "", func(w http.ResponseWriter) { private(w, good) }, ""},
		{"no cookie, no duty", "", func(http.ResponseWriter) {}, ""},
		{"another cookie is none of its business", "", func(w http.ResponseWriter) { w.Header().Set("Set-Cookie", "theme=dark; SameSite=None") }, ""},
		{"a refused cookie", "", func(w http.ResponseWriter) { private(w, "__Host-session=1; Path=/") }, "needs Secure"},
		{"a cookie that cannot be read", "", func(w http.ResponseWriter) { private(w, "__Host-session=\x01; Path=/; Secure") }, "control character"},
		{"an attribute that does not count", "", func(w http.ResponseWriter) { private(w, good+"; SameSite=Laxx") }, "SameSite"},
		{"two lines for a name", "", func(w http.ResponseWriter) { private(w, good, good) }, "more than one"},
		{"a cookie with a 103", "", func(w http.ResponseWriter) {
			w.Header().Set("Set-Cookie", good)
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Set-Cookie")
		}, "informational"},
		{"a response that caches may keep", "", func(w http.ResponseWriter) { private(w, good); w.Header().Set("Cache-Control", "max-age=60") }, "no-store"},
		{"one that is the same for all", "", func(w http.ResponseWriter) { private(w, good); w.Header().Del("Vary") }, "Vary"},
		{"Vary: * is enough", "", func(w http.ResponseWriter) { private(w, good); w.Header().Set("Vary", "*") }, ""},
		{"a deletion", good, func(w http.ResponseWriter) { private(w, "__Host-session=; Path=/; Secure; Max-Age=0") }, ""},
		{"a deletion of what is not there", "", func(w http.ResponseWriter) { private(w, "__Host-session=; Path=/; Secure; Max-Age=0") }, ""},
		{"a deletion that misses", "session=1; Path=/", func(w http.ResponseWriter) { private(w, "session=; Path=/app; Max-Age=0") }, "another domain or path"},
		{"two answers", "", func(w http.ResponseWriter) { w.WriteHeader(200); w.WriteHeader(500) }, "too often"},
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				row.h(w)
				_, _ = io.WriteString(w, "ok")
			})
			check := func(name string, failures []string) {
				t.Helper()
				if row.want == "" {
					if len(failures) > 0 {
						t.Errorf("%s: %q", name, failures)
					}
					return
				}
				wantFailure(t, failures, row.want)
			}
			open := func() *sessiontest.Browser {
				b := sessiontest.NewBrowser(h, "https://www.shop.example")
				if row.have != "" {
					if v := b.SetCookie("/", row.have); !v.OK() {
						t.Fatal(v)
					}
				}
				return b
			}
			strict := &fakeT{}
			open().Strict(strict, "__Host-session", "session").Get("/")
			check("Strict", strict.done())

			// Check judges by the names of Strict; before it, by all, which only the row
			// about other cookies would tell.
			if row.desc == "another cookie is none of its business" {
				return
			}
			b, later, again := open(), &fakeT{}, &fakeT{}
			b.Get("/")
			b.Check(later)
			check("Check", later.done())
			b.Check(again)
			if failures := again.done(); len(failures) > 0 {
				t.Errorf("Check says it twice: %q", failures)
			}
		})
	}
}

// SameSite keeping a cookie out of another site's page is what it is for.
func TestStrictAcceptsWhatSameSiteKeepsOut(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "a=1; SameSite=Lax; Path=/")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Cookie")
	})
	b := sessiontest.NewBrowser(h, "https://www.shop.example").Strict(t)
	if resp := b.From("https://evil.example").Embedded().Get("/"); resp.SetCookies[0].Outcome != sessiontest.Refused {
		t.Errorf("verdict = %v", resp.SetCookies[0])
	}
}

func TestWithoutNamesEveryCookieIsChecked(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "theme=dark; SameSite=None")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Cookie")
	})
	failing := &fakeT{}
	sessiontest.NewBrowser(h, "https://www.shop.example").Strict(failing).Get("/")
	wantFailure(t, failing.done(), "SameSite=None needs Secure")
}
