package sessiontest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

// RFC 6265bis 5.8.3 and 5.2: which cookies go with which request, and in what order.
func TestBrowserSendsCookiesAsBrowsersDo(t *testing.T) {
	type planted struct{ from, line string }
	jar := func(lines ...string) (all []planted) {
		for _, line := range lines {
			all = append(all, planted{site, line})
		}
		return all
	}
	get := func(ref string) func(b *sessiontest.Browser) *sessiontest.Response {
		return func(b *sessiontest.Browser) *sessiontest.Response { return b.Get(ref) }
	}
	three := jar("lax=1; SameSite=Lax; Path=/", "strict=1; SameSite=Strict; Path=/", "none=1; SameSite=None; Secure; Path=/", "unsaid=1; Path=/")
	rows := []struct {
		desc string
		have []planted
		do   func(b *sessiontest.Browser) *sessiontest.Response
		want string
	}{
		{"longest path first, then the oldest", jar("c=3; Path=/", "a=1; Path=/dir/page", "d=4; Path=/", "b=2; Path=/dir"), get("/dir/page"), "a=1; b=2; c=3; d=4"},
		{"what is replaced keeps its age", jar("a=1; Path=/", "b=2; Path=/", "a=3; Path=/"), get("/"), "a=3; b=2"},
		{"a nameless cookie is its value", jar("token"), get("/dir/x"), "token"},
		{"a path is matched by whole segments", jar("a=1; Path=/dir"), get("/directory"), ""},
		{"a path matches itself", jar("a=1; Path=/dir"), get("/dir"), "a=1"},
		{"a path with / matches what is below", jar("a=1; Path=/dir/"), get("/dir/x"), "a=1"},
		{"a path with / does not match without", jar("a=1; Path=/dir/"), get("/dir"), ""},
		{"a host's cookie stays with the host", jar("a=1; Path=/"), get("https://x.www.shop.example/"), ""},
		{"a domain's cookie goes to its hosts", jar("a=1; Path=/; Domain=shop.example"), get("https://blog.shop.example/"), "a=1"},
		{"not to a host that merely ends like it", jar("a=1; Path=/; Domain=shop.example"), get("https://workshop.example/"), ""},
		{"ports do not matter", jar("a=1; Path=/"), get("https://www.shop.example:8443/"), "a=1"},
		{"Secure stays off plain HTTP", jar("a=1; Path=/; Secure", "b=1; Path=/"), get("http://www.shop.example/"), "b=1"},
		{"Secure goes to http://localhost", []planted{{"http://localhost/", "a=1; Secure"}}, get("http://localhost:8080/"), "a=1"},
		{"Safari keeps it from there", []planted{{"http://localhost/", "a=1; Secure"}}, func(b *sessiontest.Browser) *sessiontest.Response {
			return b.Safari().Get("http://localhost:8080/")
		}, ""},

		{"what the user types carries all", three, get("/"), "lax=1; strict=1; none=1; unsaid=1"},
		{"a link from the same site carries all", three, func(b *sessiontest.Browser) *sessiontest.Response {
			return b.From("https://blog.shop.example").Get("/")
		}, "lax=1; strict=1; none=1; unsaid=1"},
		{"a link from another site leaves Strict behind", three, func(b *sessiontest.Browser) *sessiontest.Response {
			return b.From("https://evil.example").Get("/")
		}, "lax=1; none=1; unsaid=1"},
		{"a link from plain HTTP is from another site", three, func(b *sessiontest.Browser) *sessiontest.Response {
			return b.From("http://www.shop.example").Get("/")
		}, "lax=1; none=1; unsaid=1"},
		{"a form of the own site carries all", three, func(b *sessiontest.Browser) *sessiontest.Response {
			return b.PostForm("/", url.Values{"x": {"y"}})
		}, "lax=1; strict=1; none=1; unsaid=1"},
		{"a form of another site carries None only", three, func(b *sessiontest.Browser) *sessiontest.Response {
			return b.From("https://evil.example").PostForm("/", nil)
		}, "none=1"},
		{"a page of another site embeds with None only", three, func(b *sessiontest.Browser) *sessiontest.Response {
			return b.From("https://evil.example").Embedded().Get("/")
		}, "none=1"},
		{"a page of the same site embeds with all", three, func(b *sessiontest.Browser) *sessiontest.Response {
			return b.From("https://shop.example").Embedded().Get("/")
		}, "lax=1; strict=1; none=1; unsaid=1"},
		{"a partitioned cookie stays with the page's site", jar("a=1; Path=/; Secure; SameSite=None; Partitioned"), func(b *sessiontest.Browser) *sessiontest.Response {
			return b.From("https://evil.example").Embedded().Get("/")
		}, ""},
		{"and is there on its own", jar("a=1; Path=/; Secure; SameSite=None; Partitioned"), get("/"), "a=1"},
		{"a Cookie header of the request's own replaces the jar", three, func(b *sessiontest.Browser) *sessiontest.Response {
			req, _ := http.NewRequest(http.MethodGet, site, http.NoBody)
			req.Header.Set("Cookie", "forged=1")
			return b.Do(req)
		}, "forged=1"},
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			b := sessiontest.NewBrowser(echo, "https://www.shop.example").UseClock(sessiontest.NewClock(time.Time{}))
			for _, p := range row.have {
				if v := b.SetCookie(p.from, p.line); !v.OK() {
					t.Fatalf("the cookie that is to be there: %v", v)
				}
			}
			if got := row.do(b).Body; got != row.want {
				t.Errorf("Cookie = %q, want %q", got, row.want)
			}
		})
	}
}

func TestPartitionedCookieComesBackInThePageThatItWasSetIn(t *testing.T) {
	b := sessiontest.NewBrowser(echo, "https://widget.example")
	in := func(origin string) *sessiontest.Browser { return b.From(origin).Embedded() }
	in("https://one.example").SetCookie("/", "w=1; Path=/; Secure; SameSite=None; Partitioned")
	in("https://two.example").SetCookie("/", "w=2; Path=/; Secure; SameSite=None; Partitioned")
	for origin, want := range map[string]string{"https://one.example": "w=1", "https://www.two.example": "w=2", "https://three.example": ""} {
		if got := in(origin).Get("/").Body; got != want {
			t.Errorf("in %s: Cookie = %q, want %q", origin, got, want)
		}
	}
}

func TestCopyIsAnotherBrowser(t *testing.T) {
	b := sessiontest.NewBrowser(echo, "https://www.shop.example")
	b.SetCookie("/", "a=1")
	thief := b.Copy()
	b.SetCookie("/", "a=2")
	thief.SetCookie("/", "b=3")
	if got, stolen := b.Get("/").Body, thief.Get("/").Body; got != "a=2" || stolen != "a=1; b=3" {
		t.Errorf("browser = %q, copy = %q", got, stolen)
	}
}

// What net/http.CrossOriginProtection and the like look at.
func TestBrowserSaysWhereARequestComesFrom(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode"} {
			w.Header().Set("Got-"+name, r.Header.Get(name))
		}
	})
	b := sessiontest.NewBrowser(h, "https://www.shop.example")
	rows := []struct {
		desc               string
		resp               *sessiontest.Response
		origin, site, mode string
	}{
		{"typed", b.Get("/"), "", "none", "navigate"},
		{"own form", b.PostForm("/", nil), "https://www.shop.example", "same-origin", "navigate"},
		{"sibling's link", b.From("https://shop.example").Get("/"), "", "same-site", "navigate"},
		{"other's form", b.From("https://evil.example").PostForm("/", nil), "https://evil.example", "cross-site", "navigate"},
		{"other's frame", b.From("https://evil.example").Embedded().Get("/"), "", "cross-site", "no-cors"},
		{"own frame", b.Embedded().Get("/"), "", "same-origin", "no-cors"},
		{"plain HTTP", b.Get("http://www.shop.example/"), "", "", ""},
	}
	for _, row := range rows {
		h := row.resp.Header
		if got := h.Get("Got-Origin"); got != row.origin {
			t.Errorf("%s: Origin = %q, want %q", row.desc, got, row.origin)
		}
		if got := h.Get("Got-Sec-Fetch-Site"); got != row.site {
			t.Errorf("%s: Sec-Fetch-Site = %q, want %q", row.desc, got, row.site)
		}
		if got := h.Get("Got-Sec-Fetch-Mode"); got != row.mode {
			t.Errorf("%s: Sec-Fetch-Mode = %q, want %q", row.desc, got, row.mode)
		}
	}
	protected := sessiontest.NewBrowser(http.NewCrossOriginProtection().Handler(echo), "https://www.shop.example")
	if own, evil := protected.PostForm("/", nil), protected.From("https://evil.example").PostForm("/", nil); own.Status != 200 || evil.Status != 403 {
		t.Errorf("CrossOriginProtection answers %d and %d, want 200 and 403", own.Status, evil.Status)
	}
}

func TestFollowDoesWhatBrowsersDo(t *testing.T) {
	mux := http.NewServeMux()
	for _, status := range []int{301, 302, 303, 307, 308} {
		mux.HandleFunc("/"+http.StatusText(status)[:3]+"/", redirect(status))
	}
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Method + " " + r.FormValue("x") + " " + r.Header.Get("Cookie") + " " + r.Header.Get("Origin")))
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	b := sessiontest.NewBrowser(mux, "https://www.shop.example")
	form := url.Values{"x": {"1"}}
	rows := []struct {
		status int
		want   string
	}{
		{301, "GET  seen=301 "},
		{302, "GET  seen=302 "},
		{303, "GET  seen=303 "},
		{307, "POST 1 seen=307 https://www.shop.example"},
		{308, "POST 1 seen=308 https://www.shop.example"},
	}
	for _, row := range rows {
		resp := b.PostForm("/"+http.StatusText(row.status)[:3]+"/", form)
		if resp.Status != row.status {
			t.Errorf("status = %d, want %d: redirects are not followed unasked", resp.Status, row.status)
		}
		if got := b.Follow(resp).Body; got != row.want {
			t.Errorf("%d: the end saw %q, want %q", row.status, got, row.want)
		}
	}
	if loop := b.Follow(b.Get("/loop")); loop.Err == nil || !strings.Contains(loop.Err.Error(), "redirects") {
		t.Errorf("a loop ends with %v", loop.Err)
	}
	if end := b.Get("/end"); b.Follow(end) != end {
		t.Error("what is no redirect was not returned as it is")
	}
}

func TestFollowRemembersWhoBegan(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/here", redirect(http.StatusSeeOther))
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://other.example/end", http.StatusSeeOther)
	})
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Header.Get("Sec-Fetch-Site") + " " + r.Header.Get("Cookie")))
	})
	b := sessiontest.NewBrowser(mux, "https://www.shop.example")
	b.SetCookie("/", "strict=1; SameSite=Strict; Path=/")
	evil := b.From("https://evil.example")
	rows := []struct {
		desc  string
		first *sessiontest.Response
		want  string
	}{
		{"typed", b.Get("/here"), "none strict=1; seen=303"},
		{"own form", b.PostForm("/here", nil), "same-origin strict=1; seen=303"},
		{"other's link", evil.Get("/here"), "cross-site seen=303"},
		{"own form that leads away", b.PostForm("/away", nil), "cross-site "},
	}
	for _, row := range rows {
		if got := b.Follow(row.first).Body; got != row.want {
			t.Errorf("%s: the end saw %q, want %q", row.desc, got, row.want)
		}
	}
}

// redirect redirects to the end, and sets a cookie that is to arrive there.
func redirect(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", fmt.Sprintf("seen=%d; Path=/", status))
		w.Header().Set("Location", "/end")
		w.WriteHeader(status)
	}
}
