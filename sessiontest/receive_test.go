package sessiontest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

// echo answers with the Cookie header that it got.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, strings.Join(r.Header["Cookie"], " | "))
})

const (
	site  = "https://www.shop.example/dir/page"
	plain = "http://www.shop.example/dir/page"
)

// Each row is a rule of RFC 6265bis 5.6 and 5.7, of the cookie prefixes or of CHIPS.
func TestBrowserReceivesCookiesAsBrowsersDo(t *testing.T) {
	long := strings.Repeat("x", 4096)
	type row struct {
		desc    string
		from    string // site if empty
		have    []string
		view    func(b *sessiontest.Browser) *sessiontest.Browser
		line    string
		want    sessiontest.Outcome
		reason  string // part of the reason, or of what was ignored
		ignored bool
		domain  string // of the cookie, checked if not empty
		path    string
	}
	embedded := func(b *sessiontest.Browser) *sessiontest.Browser { return b.From("https://evil.example").Embedded() }
	embeddedAtHome := func(b *sessiontest.Browser) *sessiontest.Browser {
		return b.From("https://blog.shop.example").Embedded()
	}
	link := func(b *sessiontest.Browser) *sessiontest.Browser { return b.From("https://evil.example") }
	safari := func(b *sessiontest.Browser) *sessiontest.Browser { return b.Safari() }
	rows := []row{
		{desc: "the plainest cookie is kept for its host and the page's directory", line: "a=1", want: sessiontest.Stored, domain: "www.shop.example", path: "/dir"},
		{desc: "the default path of a page at the top is /", from: "https://www.shop.example/page", line: "a=1", want: sessiontest.Stored, path: "/"},
		{desc: "white space around name and value does not count", have: []string{"a=1"}, line: " \ta \t= \t2 ", want: sessiontest.Replaced},
		{desc: "a cookie without = has no name", line: "token", want: sessiontest.Stored},
		{desc: "neither name nor value is no cookie", line: "=", want: sessiontest.Refused, reason: "neither"},
		{desc: "an empty value is one", line: "a=", want: sessiontest.Stored},
		{desc: "a quote is part of the value", line: `a="1"`, want: sessiontest.Stored},
		{desc: "names differ by case", have: []string{"a=1"}, line: "A=2", want: sessiontest.Stored},

		{desc: "a NUL drops the line", line: "a=1\x00", want: sessiontest.Refused, reason: "0x00"},
		{desc: "a line break drops the line", line: "a=1\r\n", want: sessiontest.Refused, reason: "0x0d"},
		{desc: "a control character in an attribute drops the line", line: "a=1; Path=/\x01", want: sessiontest.Refused, reason: "0x01"},
		{desc: "DEL drops the line", line: "a=\x7f", want: sessiontest.Refused, reason: "0x7f"},
		{desc: "a tab within the value does not", line: "a=1\t2", want: sessiontest.Stored},

		{desc: "4096 bytes of name and value are kept", line: "a=" + long[:4095], want: sessiontest.Stored},
		{desc: "4097 are not", line: "a=" + long, want: sessiontest.Refused, reason: "4097"},
		{desc: "attributes do not count towards them", line: "a=" + long[:4095] + "; Path=/" + long[:1000], want: sessiontest.Stored},
		{desc: "an attribute value of 1024 bytes counts", line: "a=1; Path=/" + long[:1023], want: sessiontest.Stored, path: "/" + long[:1023]},
		{desc: "one of 1025 is passed over, and the cookie kept", line: "a=1; Path=/" + long[:1024], want: sessiontest.Stored, ignored: true, reason: "1025", path: "/dir"},

		{desc: "Domain may be the host", line: "a=1; Domain=www.shop.example", want: sessiontest.Stored, domain: "www.shop.example"},
		{desc: "Domain may be above the host", line: "a=1; Domain=shop.example", want: sessiontest.Stored, domain: "shop.example"},
		{desc: "a leading dot and upper case do not matter", line: "a=1; Domain=.Shop.Example", want: sessiontest.Stored, domain: "shop.example"},
		{desc: "an empty Domain is none", line: "a=1; Domain=", want: sessiontest.Stored, domain: "www.shop.example"},
		{desc: "Domain may not be below the host", line: "a=1; Domain=x.www.shop.example", want: sessiontest.Refused, reason: "not the host"},
		{desc: "Domain may not be a sibling", line: "a=1; Domain=blog.shop.example", want: sessiontest.Refused, reason: "not the host"},
		{desc: "Domain may not merely end like the host", line: "a=1; Domain=hop.example", want: sessiontest.Refused, reason: "not the host"},
		{desc: "Domain may not be a public suffix", line: "a=1; Domain=example", want: sessiontest.Refused, reason: "public suffix"},
		{desc: "Domain must be ASCII", line: "a=1; Domain=ähm.example", want: sessiontest.Refused, reason: "ASCII"},
		{desc: "a host that is itself a public suffix gets a cookie of its own", from: "http://localhost:8080/", line: "a=1; Domain=localhost", want: sessiontest.Stored, domain: "localhost"},
		{desc: "part of an address is no domain", from: "http://127.0.0.1/", line: "a=1; Domain=0.0.1", want: sessiontest.Refused, reason: "not the host"},
		{desc: "the last Domain counts", line: "a=1; Domain=other.example; Domain=shop.example", want: sessiontest.Stored, domain: "shop.example"},

		{desc: "any Path may be given", line: "a=1; Path=/elsewhere", want: sessiontest.Stored, path: "/elsewhere"},
		{desc: "a Path without / is passed over", line: "a=1; Path=elsewhere", want: sessiontest.Stored, ignored: true, reason: "Path", path: "/dir"},
		{desc: "an unknown attribute is passed over", line: "a=1; Secret", want: sessiontest.Stored, ignored: true, reason: "unknown"},
		{desc: "names of attributes have no case", line: "__Secure-a=1; SECURE; pAtH=/", want: sessiontest.Stored, path: "/"},
		{desc: "an unknown SameSite is passed over", line: "a=1; SameSite=Sometimes", want: sessiontest.Stored, ignored: true, reason: "SameSite"},
		{desc: "a Max-Age that is no number is passed over", line: "a=1; Max-Age=1h", want: sessiontest.Stored, ignored: true, reason: "Max-Age"},
		{desc: "an Expires that is no date is passed over", line: "a=1; Expires=soon", want: sessiontest.Stored, ignored: true, reason: "Expires"},

		{desc: "Secure is refused over plain HTTP", from: plain, line: "a=1; Secure", want: sessiontest.Refused, reason: "Secure"},
		{desc: "Secure is taken from http://localhost", from: "http://localhost:8080/", line: "a=1; Secure", want: sessiontest.Stored},
		{desc: "Secure is taken from http://app.localhost", from: "http://app.localhost/", line: "a=1; Secure", want: sessiontest.Stored},
		{desc: "Secure is taken from loopback addresses", from: "http://[::1]:8080/", line: "a=1; Secure", want: sessiontest.Stored, domain: "::1"},
		{desc: "Safari refuses it there", from: "http://localhost:8080/", view: safari, line: "a=1; Secure", want: sessiontest.Refused, reason: "Secure"},
		{desc: "Safari takes it over https", view: safari, line: "a=1; Secure", want: sessiontest.Stored},
		{desc: "Secure is refused from a private address", from: "http://192.168.0.1/", line: "a=1; Secure", want: sessiontest.Refused, reason: "Secure"},

		{desc: "a Secure cookie is not hidden from plain HTTP", from: plain, have: []string{"a=1; Secure; Path=/"}, line: "a=2; Path=/", want: sessiontest.Refused, reason: "hide"},
		{desc: "not by one for a domain above", from: plain, have: []string{"a=1; Secure; Path=/"}, line: "a=2; Domain=shop.example; Path=/", want: sessiontest.Refused, reason: "hide"},
		{desc: "not by one with a longer path", from: plain, have: []string{"a=1; Secure; Path=/"}, line: "a=2; Path=/dir", want: sessiontest.Refused, reason: "hide"},
		{desc: "but one with a shorter path is kept", from: plain, have: []string{"a=1; Secure; Path=/dir"}, line: "a=2; Path=/", want: sessiontest.Stored},
		{desc: "and one of another name", from: plain, have: []string{"a=1; Secure; Path=/"}, line: "b=2; Path=/", want: sessiontest.Stored},
		{desc: "nor deleted from plain HTTP", from: plain, have: []string{"a=1; Secure; Path=/"}, line: "a=; Path=/; Max-Age=0", want: sessiontest.Refused, reason: "hide"},

		{desc: "SameSite=None needs Secure", line: "a=1; SameSite=None", want: sessiontest.Refused, reason: "SameSite=None"},
		{desc: "SameSite=None with Secure is kept", line: "a=1; SameSite=None; Secure", want: sessiontest.Stored},
		{desc: "Partitioned needs Secure", line: "a=1; Partitioned", want: sessiontest.Refused, reason: "Partitioned"},
		{desc: "Partitioned with Secure is kept", line: "a=1; Partitioned; Secure; SameSite=None", want: sessiontest.Stored},
		{desc: "Lax is refused within a page of another site", view: embedded, line: "a=1; SameSite=Lax", want: sessiontest.Refused, reason: "another site"},
		{desc: "so is what does not say SameSite", view: embedded, line: "a=1", want: sessiontest.Refused, reason: "another site"},
		{desc: "None is kept there", view: embedded, line: "a=1; SameSite=None; Secure", want: sessiontest.Stored},
		{desc: "Lax is kept within a page of the same site", view: embeddedAtHome, line: "a=1; SameSite=Lax", want: sessiontest.Stored},
		{desc: "Strict is kept after a link from another site", view: link, line: "a=1; SameSite=Strict", want: sessiontest.Stored},

		{desc: "__Secure- needs Secure", line: "__Secure-a=1", want: sessiontest.Refused, reason: "needs Secure"},
		{desc: "__Secure- is kept with Secure, Domain and Path", line: "__Secure-a=1; Secure; Domain=shop.example; Path=/x", want: sessiontest.Stored},
		{desc: "__Host- needs Secure", line: "__Host-a=1; Path=/", want: sessiontest.Refused, reason: "needs Secure"},
		{desc: "__Host- needs Path", from: "https://www.shop.example/", line: "__Host-a=1; Secure", want: sessiontest.Refused, reason: "Path=/"},
		{desc: "__Host- needs the Path /", line: "__Host-a=1; Secure; Path=/x", want: sessiontest.Refused, reason: "Path=/"},
		{desc: "__Host- forbids Domain", line: "__Host-a=1; Secure; Path=/; Domain=www.shop.example", want: sessiontest.Refused, reason: "forbids Domain"},
		{desc: "__Host- is kept", line: "__Host-a=1; Secure; Path=/", want: sessiontest.Stored},
		{desc: "__Host- is kept on http://localhost", from: "http://localhost:8080/", line: "__Host-a=1; Secure; Path=/", want: sessiontest.Stored},
		{desc: "prefixes have no case", line: "__hOsT-a=1; Path=/", want: sessiontest.Refused, reason: "needs Secure"},
		{desc: "__SECURE- has none either", line: "__SECURE-a=1", want: sessiontest.Refused, reason: "needs Secure"},
		{desc: "__Http- needs HttpOnly", line: "__Http-a=1; Secure", want: sessiontest.Refused, reason: "HttpOnly"},
		{desc: "__Http- needs Secure", line: "__Http-a=1; HttpOnly", want: sessiontest.Refused, reason: "needs Secure"},
		{desc: "__Http- is kept with both and a Domain", line: "__Http-a=1; Secure; HttpOnly; Domain=shop.example", want: sessiontest.Stored},
		{desc: "__Host-Http- needs HttpOnly", line: "__Host-Http-a=1; Secure; Path=/", want: sessiontest.Refused, reason: "HttpOnly"},
		{desc: "__Host-Http- forbids Domain", line: "__Host-Http-a=1; Secure; HttpOnly; Path=/; Domain=shop.example", want: sessiontest.Refused, reason: "forbids Domain"},
		{desc: "__Host-Http- is kept", line: "__Host-Http-a=1; Secure; HttpOnly; Path=/", want: sessiontest.Stored},
		{desc: "a value cannot pretend to be a prefixed name", line: "=__Host-a=1; Secure; Path=/", want: sessiontest.Refused, reason: "without a name"},
		{desc: "nor without the =", line: "__secure-a", want: sessiontest.Refused, reason: "without a name"},

		{desc: "the same name, domain and path replaces", have: []string{"a=1; Path=/"}, line: "a=2; Path=/", want: sessiontest.Replaced},
		{desc: "another path is another cookie", have: []string{"a=1; Path=/"}, line: "a=2; Path=/dir", want: sessiontest.Stored},
		{desc: "a host's cookie and its domain's are two", have: []string{"a=1; Path=/"}, line: "a=2; Path=/; Domain=www.shop.example", want: sessiontest.Stored},
		{desc: "Max-Age=0 deletes", have: []string{"a=1; Path=/"}, line: "a=; Path=/; Max-Age=0", want: sessiontest.Deleted},
		{desc: "a negative Max-Age deletes", have: []string{"a=1; Path=/"}, line: "a=; Path=/; Max-Age=-5", want: sessiontest.Deleted},
		{desc: "a past Expires deletes", have: []string{"a=1; Path=/"}, line: "a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", want: sessiontest.Deleted},
		{desc: "not with another path", have: []string{"a=1; Path=/"}, line: "a=; Path=/dir; Max-Age=0", want: sessiontest.NothingToDelete},
		{desc: "not with another domain", have: []string{"a=1; Path=/; Domain=shop.example"}, line: "a=; Path=/; Max-Age=0", want: sessiontest.NothingToDelete},
		{desc: "not without Partitioned", have: []string{"a=1; Path=/; Partitioned; Secure"}, line: "a=; Path=/; Secure; Max-Age=0", want: sessiontest.NothingToDelete},
		{desc: "a __Host- deletion without Secure is refused (TE-1)", have: []string{"__Host-a=1; Path=/; Secure"}, line: "__Host-a=; Path=/; Max-Age=0", want: sessiontest.Refused, reason: "needs Secure"},
		{desc: "Max-Age goes before Expires", have: []string{"a=1; Path=/"}, line: "a=2; Path=/; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", want: sessiontest.Replaced},
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			b := sessiontest.NewBrowser(echo, site).UseClock(sessiontest.NewClock(time.Time{}))
			for _, line := range row.have {
				if v := b.SetCookie(site, line); v.Outcome != sessiontest.Stored {
					t.Fatalf("the cookie that is to be there: %v", v)
				}
			}
			view := b
			if row.view != nil {
				view = row.view(b)
			}
			from := row.from
			if from == "" {
				from = site
			}
			v := view.SetCookie(from, row.line)
			if v.Outcome != row.want {
				t.Fatalf("%v; want %s", v, row.want)
			}
			if why := v.Reason + strings.Join(v.Ignored, " "); !strings.Contains(why, row.reason) || (row.reason == "") != (why == "") {
				t.Errorf("reason = %q, want %q in it", why, row.reason)
			}
			if (len(v.Ignored) > 0) != row.ignored {
				t.Errorf("ignored = %q", v.Ignored)
			}
			if row.domain != "" && v.Cookie.Domain != row.domain {
				t.Errorf("domain = %q, want %q", v.Cookie.Domain, row.domain)
			}
			if row.path != "" && v.Cookie.Path != row.path {
				t.Errorf("path = %q, want %q", v.Cookie.Path, row.path)
			}
			wantOK := (row.want != sessiontest.Refused && row.want != sessiontest.NothingToDelete) && !row.ignored
			if v.OK() != wantOK {
				t.Errorf("OK = %v", v.OK())
			}
		})
	}
}

func TestVerdictDoesNotShowTheValue(t *testing.T) {
	b := sessiontest.NewBrowser(echo, site)
	if v := b.SetCookie("/", "a=secret; Secure; Path=x"); strings.Contains(v.String(), "secret") || !strings.Contains(v.String(), `"a"`) {
		t.Errorf("verdict = %q", v)
	}
}

// RFC 6265bis 5.1.1, 5.5.
func TestCookiesEndWhenBrowsersEndThem(t *testing.T) {
	const day = 24 * time.Hour
	rows := []struct {
		desc string
		line string
		want time.Duration // from now; 0: with the browser
	}{
		{"without an expiry it ends with the browser", "a=1", 0},
		{"Max-Age counts seconds", "a=1; Max-Age=60", time.Minute},
		{"it is at most 400 days", "a=1; Max-Age=34560001", 400 * day},
		{"also if the number is too large for any type", "a=1; Max-Age=99999999999999999999999999", 400 * day},
		{"Expires is at most 400 days", "a=1; Expires=Fri, 01 Jan 2038 00:00:00 GMT", 400 * day},
		{"the date of net/http", "a=1; Expires=Sat, 03 Jan 2026 15:04:05 GMT", day},
		{"the date of RFC 850, with two digits of the year", "a=1; Expires=Saturday, 03-Jan-26 15:04:05 GMT", day},
		{"the date of asctime", "a=1; Expires=Sat Jan  3 15:04:05 2026", day},
		{"a zone is passed over", "a=1; Expires=Sat, 03 Jan 2026 15:04:05 +0500", day},
		{"the last Max-Age counts", "a=1; Max-Age=10; Max-Age=60", time.Minute},
		{"a Max-Age that is none leaves Expires", "a=1; Max-Age=x; Expires=Sat, 03 Jan 2026 15:04:05 GMT", day},
		{"a day that no month has is no date", "a=1; Expires=Tue, 31 Feb 2026 15:04:05 GMT", 0},
		{"an hour that no day has is no date", "a=1; Expires=Sat, 03 Jan 2026 24:04:05 GMT", 0},
		{"a time without seconds is no date", "a=1; Expires=Sat, 03 Jan 2026 15:04 GMT", 0},
		{"a year before 1601 is no date", "a=1; Expires=Sat, 03 Jan 1600 15:04:05 GMT", 0},
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			now := time.Date(2026, time.January, 2, 15, 4, 5, 0, time.UTC)
			clock := sessiontest.NewClock(now)
			b := sessiontest.NewBrowser(echo, site).UseClock(clock)
			v := b.SetCookie("/", row.line)
			if row.want == 0 {
				if !v.Cookie.Expires.IsZero() {
					t.Fatalf("expires = %v, want never", v.Cookie.Expires)
				}
				b.Restart()
				if _, ok := b.Cookie("a"); ok {
					t.Error("it outlives the browser")
				}
				return
			}
			if got := v.Cookie.Expires.Sub(now); got != row.want {
				t.Fatalf("expires after %v, want %v", got, row.want)
			}
			b.Restart()
			clock.Advance(row.want - time.Second)
			if got := b.Get("/").Body; got != "a=1" {
				t.Errorf("before the end: Cookie = %q", got)
			}
			clock.Advance(time.Second)
			if got := b.Get("/").Body; got != "" {
				t.Errorf("at the end: Cookie = %q", got)
			}
		})
	}
}

// The time of a response is when it arrives, also if its handler has moved the clock.
func TestCookieAgesFromWhenItArrives(t *testing.T) {
	clock := sessiontest.NewClock(time.Time{})
	b := sessiontest.NewBrowser(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		clock.Advance(time.Hour)
		w.Header().Set("Set-Cookie", "a=1; Max-Age=60")
	}), site).UseClock(clock)
	b.Get("/")
	if c, ok := b.Cookie("a"); !ok || !c.Expires.Equal(clock.Now().Add(time.Minute)) {
		t.Errorf("cookie = %+v, %v", c, ok)
	}
}

// Whatever a server sends, the browser survives it and sends nothing that it may not.
//
//beaker:decodes parseSetCookie parseMaxAge parseCookieDate parseTime parseMonth leadingNumber number
func FuzzSetCookie(f *testing.F) {
	for _, line := range []string{
		"a=1", "", "=", ";", "__Host-a=1; Secure; Path=/", "__host-a=1; Path=/; Domain=.", "a=1; Domain=..", "a=1; Domain=shop.example.",
		"a=1; Expires=Sat, 03-Jan-26 15:04:05 GMT; Max-Age=-", "a=1; Path=; SameSite=; Partitioned=1", "\xff\xfe=\x80; \xff",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		b := sessiontest.NewBrowser(echo, site).UseClock(sessiontest.NewClock(time.Time{}))
		v := b.SetCookie(site, line)
		c, ok := b.Cookie(v.Cookie.Name)
		if ok != (v.Outcome == sessiontest.Stored) {
			t.Fatalf("%v, but the browser has it: %v", v, ok)
		}
		if (v.Reason != "") != (v.Outcome == sessiontest.Refused) {
			t.Errorf("%s with the reason %q", v.Outcome, v.Reason)
		}
		if !ok {
			return
		}
		if lower := strings.ToLower(c.Name); strings.HasPrefix(lower, "__host-") && (!c.Secure || !c.HostOnly || c.Path != "/") {
			t.Errorf("kept %+v", c)
		}
		if len(c.Name)+len(c.Value) > 4096 || strings.ContainsAny(c.Name+c.Value, "\x00\r\n;") {
			t.Errorf("kept %+v", c)
		}
	})
}
