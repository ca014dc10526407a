package wire_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// attributes are a Set-Cookie line's but for Max-Age and Expires, and Max-Age.
func attributes(line string) (pair, rest, maxAge string) {
	parts := strings.Split(line, "; ")
	kept := parts[1:1]
	for _, p := range parts[1:] {
		if age, ok := strings.CutPrefix(p, "Max-Age="); ok {
			maxAge = age
		} else if !strings.HasPrefix(p, "Expires=") {
			kept = append(kept, p)
		}
	}
	return parts[0], strings.Join(kept, "; "), maxAge
}

// CK-1 to CK-5, CK-8, CK-10, TO-3: what a new session's cookie looks like, over a connection
// that is not encrypted; that the value is nowhere else, each request of this package
// checks.
func TestTheCookie(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		secrets := beaker.NewSecret()
		const year = 365 * 24 * time.Hour
		for desc, c := range map[string]struct {
			change             func(*beaker.Config)
			name, want, maxAge string
		}{
			"by default":   {func(*beaker.Config) {}, "__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax", ""},
			"strict":       {func(c *beaker.Config) { c.Cookie.SameSite = http.SameSiteStrictMode }, "__Host-session", "Path=/; Secure; HttpOnly; SameSite=Strict", ""},
			"by HTTP only": {func(c *beaker.Config) { c.Cookie.Name = "__Host-Http-id" }, "__Host-Http-id", "Path=/; Secure; HttpOnly; SameSite=Lax", ""},
			"of a domain":  {func(c *beaker.Config) { c.Cookie.Domain = "example.com" }, "__Secure-session", "Path=/; Domain=example.com; Secure; HttpOnly; SameSite=Lax", ""},
			"of a path":    {func(c *beaker.Config) { c.Cookie.Path = "/in" }, "__Secure-session", "Path=/in; Secure; HttpOnly; SameSite=Lax", ""},
			"embedded": {func(c *beaker.Config) {
				c.Cookie.Partitioned, c.Cookie.SameSite = true, http.SameSiteNoneMode
			}, "__Host-session", "Path=/; Secure; HttpOnly; SameSite=None; Partitioned", ""},
			"of no prefix":        {func(c *beaker.Config) { c.Cookie.Name = "sid" }, "sid", "Path=/; Secure; HttpOnly; SameSite=Lax", ""},
			"for 400 days":        {func(c *beaker.Config) { c.Cookie.Expires = beaker.ExpiresAfter(400 * 24 * time.Hour) }, "__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax", "34560000"},
			"as long as the idle": {func(c *beaker.Config) { c.Cookie.Expires = beaker.ExpiresWithSession }, "__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax", "1800"},
			"longer than browsers": {func(c *beaker.Config) {
				c.Cookie.Expires, c.AbsoluteTimeout, c.IdleTimeout = beaker.ExpiresWithSession, 3*year, beaker.NoLimit
			}, "__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax", "34560000"},
		} {
			n := w.node(secrets, c.change)
			n.name = c.name
			lines := n.get("/in?who=alice").header["Set-Cookie"]
			if len(lines) != 1 {
				t.Errorf("%s: %q", desc, lines)
				continue
			}
			pair, rest, maxAge := attributes(lines[0])
			if !strings.HasPrefix(pair, c.name+"=") || rest != c.want || maxAge != c.maxAge {
				t.Errorf("%s: %q %q, want %q", desc, rest, maxAge, c.want)
			}
			if who := n.get("/", pair).body; who != "alice" {
				t.Errorf("%s: it opens %q", desc, who)
			}
			// TE-1: the cookie that ends it has the same attributes, or browsers ignore it.
			end := n.get("/out", pair).header["Set-Cookie"]
			if len(end) != 1 {
				t.Errorf("%s: signed out by %q", desc, end)
				continue
			}
			if pair, rest, maxAge := attributes(end[0]); pair != c.name+"=" || rest != c.want || maxAge != "0" {
				t.Errorf("%s: signed out by %q", desc, end[0])
			}
		}
	})
}

// CK-6: what a browser would drop is not sent, to the byte; the cookie that it has stays good.
func TestACookieThatBrowsersWouldDrop(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret(), func(c *beaker.Config) {
			if c.Sealed != nil {
				c.Sealed.MaxBytes = 4096
			}
		})
		size := 0
		n.on("/fill", func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) {
			s.Set("fill", strings.Repeat("x", size))
		})
		pair := n.signIn("alice")
		largest, refused := 0, 0
		for size = 2000; size < 3500; size += 1 + 200*btoi(size < 2800) {
			got := n.get("/fill", pair)
			lines := got.cookies(usual)
			if w.kind == "stored" {
				if got.status != 200 || len(lines) != 0 {
					t.Fatalf("%d bytes: %d %q", size, got.status, lines)
				}
				continue
			}
			switch {
			case got.status == 200 && len(lines) == 1:
				now, _, _ := strings.Cut(lines[0], ";")
				largest = max(largest, len(now))
				if refused > 0 || len(now) > 4096 {
					t.Fatalf("a cookie of %d bytes, after %d were refused", len(now), refused)
				}
				if size > 3000 {
					if who := n.get("/", now).body; who != "alice" {
						t.Fatalf("the cookie of %d bytes opens %q", len(now), who)
					}
				}
			case got.status == 500 && len(lines) == 0:
				refused++
			default:
				t.Fatalf("%d bytes: %d %q", size, got.status, lines)
			}
		}
		if w.kind != "stored" && (largest < 4093 || refused == 0) {
			t.Errorf("the largest has %d bytes, %d were refused: the limit was not met", largest, refused)
		}
		if who := n.get("/", pair).body; who != "alice" {
			t.Errorf("the cookie from before opens %q", who)
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// CK-9: one line for each name, whatever the handler does, and the application's own stay.
func TestOneSetCookieForEachName(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		n.on("/many", func(rw http.ResponseWriter, r *http.Request, s *beaker.Session) {
			rw.Header().Add("Set-Cookie", "mine=1")
			n.must(s.Regenerate())
			n.must(s.Persist(r.Context()))
			rw.Header().Add("Set-Cookie", usual+"=theirs; Path=/; Secure")
			s.Set("k", 2)
			n.must(s.Persist(r.Context()))
			n.must(s.SetSubject("bob"))
			n.must(s.Persist(r.Context()))
			if r.URL.Query().Get("end") != "" {
				n.must(s.Destroy(r.Context()))
			}
		})
		for _, path := range []string{"/many", "/many?end=1"} {
			got := n.get(path, n.signIn("alice"))
			if lines := got.header["Set-Cookie"]; len(lines) != 2 || lines[0] != "mine=1" || len(got.cookies(usual)) != 1 || strings.Contains(lines[1], "theirs") {
				t.Errorf("%s: %q", path, lines)
			}
		}
	})
}

// HP-1 to HP-4, HP-6: what the Cookie header may hold, in both orders, on one line and on
// two, over HTTP/2 in crumbs; for a name that browsers guard and for one that they do not.
func TestCookieHeaders(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, name := range []string{usual, "sid"} {
			n := w.node(beaker.NewSecret(), func(c *beaker.Config) { c.Cookie.Name = name })
			a, b := n.signIn("alice"), n.signIn("bob")
			v := value(a)
			two := "alice"
			if name == usual {
				two = "" // a browser never has two of that name
			}
			last := map[string]string{"A": "B"}[v[len(v)-1:]]
			if last == "" {
				last = "A"
			}
			for _, c := range []struct {
				desc, want string
				fields     []string
			}{
				{"one", "alice", []string{a}},
				{"among others", "alice", []string{"a=1; " + a + "; b=2"}},
				{"in crumbs", "alice", []string{"a=1", a, "b=2"}},
				{"without blanks", "alice", []string{"a=1;" + a + ";b=2"}},
				{"a planted one after it", two, []string{a + "; " + name + "=planted"}},
				{"a planted one before it", two, []string{name + "=planted; " + a}},
				{"a planted one in a field before it", two, []string{name + "=planted", a}},
				{"twice the same", two, []string{a, a}},
				{"two living ones", "", []string{a + "; " + b}},
				{"two living ones, the other way round", "", []string{b, a}},
				{"five of them", "", []string{strings.Repeat(name+"=x; ", 4) + a}},
				{"in quotes", "", []string{name + `="` + v + `"`}},
				{"half quoted", "", []string{name + `="` + v}},
				{"empty", "", []string{name + "="}},
				{"bare", "", []string{name}},
				{"without a name", "", []string{"=" + a}},
				{"in capitals", "", []string{strings.ToUpper(name) + "=" + v}},
				{"a name that is percent-encoded", "", []string{fmt.Sprintf("%%%x%s=%s", name[0], name[1:], v)}},
				{"a name after U+00A0", "", []string{"\u00a0" + a}},
				{"a name after U+2000", "", []string{"\u2000" + a}},
				{"a name after 0x85", "", []string{"\x85" + a}},
				{"a longer name", "", []string{"x" + a}},
				{"legacy attributes", "alice", []string{"$Version=1; " + a + "; $Path=/"}},
				{"after a comma", "", []string{"a=1, " + a}},
				{"a value that is percent-encoded", "", []string{fmt.Sprintf("%s=%%%x%s", name, v[0], v[1:])}},
				{"a blank in the value", "", []string{name + "=" + v[:20] + " " + v[20:]}},
				{"a comma after the value", "", []string{a + ",x"}},
				{"a backslash", "", []string{a + `\`}},
				{"a byte above 127", "", []string{a + "\xff"}},
				{"padding", "", []string{a + "="}},
				{"another last character", "", []string{a[:len(a)-1] + last}},
			} {
				got := n.get("/", c.fields...)
				if got.status != 200 || got.body != c.want || len(got.header["Set-Cookie"]) != 0 {
					t.Errorf("%s, %s: %d, opens %q and sets %q; want %q", name, c.desc, got.status, got.body, got.header["Set-Cookie"], c.want)
				}
			}
			for _, control := range []string{"\x00", "\x01", "\x7f"} {
				if got := n.get("/", a+control); got.body == "alice" {
					t.Errorf("%s: with %q it opens", name, control)
				}
			}
		}
	})
}

// HP-5, DO-4: many cookies and huge ones are nobody's, and the server goes on.
func TestHugeCookieHeaders(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		a := n.signIn("alice")
		for desc, c := range map[string]struct {
			header string
			want   []string
		}{
			"3000 pairs":               {strings.Repeat("a=1; ", 2999) + a, []string{"alice"}},
			"3001 pairs":               {strings.Repeat("a=1; ", 3000) + a, []string{""}},
			"one of 900 KB":            {usual + "=" + strings.Repeat("A", 900_000), []string{""}},
			"one of 900 KB beside it":  {"big=" + strings.Repeat("A", 900_000) + "; " + a, []string{"alice"}},
			"five of 8 KB of its name": {strings.Repeat(usual+"="+strings.Repeat("A", 8192)+"; ", 5), []string{""}},
		} {
			if got := n.get("/", c.header); got.status != 200 || !slices.Contains(c.want, got.body) || len(got.header["Set-Cookie"]) != 0 {
				t.Errorf("%s: %d %q", desc, got.status, got.body)
			}
		}
		if got := n.get("/", usual+"="+strings.Repeat("A", 3<<20)); got.status == 200 {
			t.Errorf("3 MB: %d", got.status) // net/http's own limit: 431, or the connection is closed
		}
		if who := n.get("/", a).body; who != "alice" {
			t.Errorf("afterwards: %q", who)
		}
	})
}

// ID-6, ID-3: only the cookie counts, and what this server did not issue is never used.
func TestOnlyTheCookieCounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		v := value(n.signIn("alice"))
		for _, path := range []string{"/?" + usual + "=" + v, "/?session=" + v, "/;" + usual + "=" + v} {
			if got := n.get(path); got.body == "alice" {
				t.Errorf("%s opens", path)
			}
		}
		for _, f := range [][2]string{{"Authorization", "Bearer " + v}, {"X-Session", v}, {"Cookie2", usual + "=" + v}, {"Set-Cookie", usual + "=" + v}} {
			if got := n.ask(request{"GET", "/", [][2]string{f}}); got.body == "alice" {
				t.Errorf("%s opens", f[0])
			}
		}
		planted := usual + "=" + strings.Repeat("A", len(v))
		if got := n.get("/in?who=mallory", planted); len(got.cookies(usual)) != 1 || strings.HasPrefix(got.cookies(usual)[0], planted) {
			t.Errorf("planted: %q", got.header["Set-Cookie"])
		}
		if who := n.get("/", planted).body; who != "" {
			t.Errorf("the planted cookie opens %q", who)
		}
	})
}
