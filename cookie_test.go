// Package beaker and not beaker_test: how long a cookie lasts is asked of the function
// that knows, at times that no handler could bring about.
package beaker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mapStore is the simplest store there is.
type mapStore struct {
	records map[RecordKey]*Record
	loads   int
}

func newMapStore() *mapStore { return &mapStore{records: map[RecordKey]*Record{}} }

func (s *mapStore) Create(_ context.Context, rec *Record) error {
	if s.records[rec.Key()] != nil {
		return ErrExists
	}
	s.records[rec.Key()] = rec
	return nil
}

func (s *mapStore) Load(_ context.Context, key RecordKey) (*Record, error) {
	s.loads++
	if rec := s.records[key]; rec != nil {
		return rec, nil
	}
	return nil, ErrNotFound
}

func (s *mapStore) Apply(_ context.Context, key RecordKey, ch *Change) (Version, error) {
	rec := s.records[key]
	if rec == nil {
		return 0, ErrNotFound
	}
	out, err := Merge(rec, ch)
	if err != nil {
		return 0, err
	}
	s.records[key] = out
	return out.Version(), nil
}

func (s *mapStore) Delete(_ context.Context, key RecordKey) error {
	delete(s.records, key)
	return nil
}

// receiveCookie is what a strict browser does with a Set-Cookie line that was received
// over HTTPS or plain HTTP (RFC 6265bis, 5.6 and 5.7; CHIPS; the __Http- prefixes of the
// layered-cookies draft): it returns why the cookie is refused, or not stored as it is
// written, which is as bad.
func receiveCookie(line string, https bool, now time.Time) error {
	for _, r := range line {
		if r < ' ' || r > '~' {
			return errors.New("a control character, or one that is not ASCII")
		}
	}
	parts := strings.Split(line, ";")
	name, value, ok := strings.Cut(parts[0], "=")
	switch {
	case !ok || name == "" || strings.ContainsAny(name, " \t\",/:<>?@[\\](){}="):
		return fmt.Errorf("no name, or not a token: %q", name)
	case strings.ContainsAny(value, " \",\\"):
		return fmt.Errorf("not a cookie value: %q", value)
	case len(name)+len(value) > 4096:
		return fmt.Errorf("%d bytes of name and value", len(name)+len(value))
	}
	attrs := map[string]string{}
	for _, p := range parts[1:] {
		p, ok := strings.CutPrefix(p, " ")
		key, val, _ := strings.Cut(p, "=")
		if !ok || p != strings.TrimSpace(p) || val != strings.TrimSpace(val) {
			return fmt.Errorf("blanks that browsers take away: %q", p)
		}
		if len(val) > 1024 {
			return fmt.Errorf("%s is %d bytes", key, len(val))
		}
		if _, twice := attrs[key]; twice {
			return fmt.Errorf("%s twice", key)
		}
		attrs[key] = val
		if !slices.Contains([]string{"Path", "Domain", "Max-Age", "Expires", "Secure", "HttpOnly", "SameSite", "Partitioned"}, key) {
			return fmt.Errorf("unknown attribute %q", key)
		}
	}
	has := func(key string) bool { _, ok := attrs[key]; return ok }
	secure, domain, path := has("Secure"), attrs["Domain"], attrs["Path"]
	switch {
	case !has("HttpOnly"):
		return errors.New("scripts can read it")
	case secure && !https:
		return errors.New("Secure over plain HTTP")
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("the path %q is replaced by the default path", path)
	case has("Domain") && (domain == "" || strings.HasPrefix(domain, ".") || !strings.Contains(domain, ".") || strings.ContainsAny(domain, " :/")):
		return fmt.Errorf("the domain %q", domain)
	case !slices.Contains([]string{"Lax", "Strict", "None"}, attrs["SameSite"]):
		return fmt.Errorf("SameSite %q is left to the browser", attrs["SameSite"])
	case attrs["SameSite"] == "None" && !secure:
		return errors.New("SameSite=None without Secure")
	case has("Partitioned") && !secure:
		return errors.New("Partitioned without Secure")
	case has("Partitioned") && attrs["SameSite"] != "None":
		return errors.New("Partitioned is of no use unless SameSite=None")
	}
	host := secure && !has("Domain") && path == "/"
	switch lower := strings.ToLower(name); { // in this order: each is a prefix of the next
	case strings.HasPrefix(lower, "__host-http-") && (!host || !has("HttpOnly")),
		strings.HasPrefix(lower, "__host-") && !host,
		strings.HasPrefix(lower, "__http-") && (!secure || !has("HttpOnly")),
		strings.HasPrefix(lower, "__secure-") && !secure:
		return errors.New("the name's prefix promises more than the attributes keep")
	}
	if has("Max-Age") {
		age, err := strconv.ParseInt(attrs["Max-Age"], 10, 64)
		if err != nil || age < 0 || age > 400*24*3600 {
			return fmt.Errorf("Max-Age %q", attrs["Max-Age"])
		}
		at, err := time.Parse(http.TimeFormat, attrs["Expires"])
		if err != nil {
			return fmt.Errorf("Expires %q beside Max-Age", attrs["Expires"])
		}
		if left := at.Sub(now.Truncate(time.Second)); age > 0 && left != time.Duration(age)*time.Second || age == 0 && left >= 0 {
			return fmt.Errorf("Expires is in %v, Max-Age in %d s", left, age)
		}
	} else if has("Expires") {
		return errors.New("Expires without Max-Age")
	}
	return nil
}

func TestTheStrictBrowserRefuses(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	good := "__Host-s=v; Path=/; Secure; HttpOnly; SameSite=Lax"
	if err := receiveCookie(good, true, now); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"", "=v", "a b=v" + good[10:], "s=a b" + good[10:], "s=v\r\nX: y", "s=v", "s=" + strings.Repeat("x", 4096) + good[10:],
		"__Host-s=v; Path=/; HttpOnly; SameSite=Lax", "__hOST-s=v; Path=/a; Secure; HttpOnly; SameSite=Lax", "__Host-s=v; Path=/; Domain=a.b; Secure; HttpOnly; SameSite=Lax",
		"__host-http-s=v; Path=/a; Secure; HttpOnly; SameSite=Lax", "__SECURE-s=v; Path=/; HttpOnly; SameSite=Lax", "__Http-s=v; Path=/; HttpOnly; SameSite=Lax",
		"s=v; Path=/; Secure; SameSite=Lax", "s=v; Path=/; Secure; HttpOnly", "s=v; Path=/; HttpOnly; SameSite=None", "s=v; Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned",
		"s=v; Path=/; HttpOnly; SameSite=None; Partitioned", "s=v; Path=a; Secure; HttpOnly; SameSite=Lax", "s=v; Path=/a ; Secure; HttpOnly; SameSite=Lax",
		"s=v; Path=/; Domain=; Secure; HttpOnly; SameSite=Lax", "s=v; Path=/; Domain=.a.b; Secure; HttpOnly; SameSite=Lax", "s=v; Path=/; Path=/; Secure; HttpOnly; SameSite=Lax",
		"s=v; Path=/" + strings.Repeat("a", 1024) + "; Secure; HttpOnly; SameSite=Lax", "s=v; Path=/; Max-Age=34560001; Expires=Mon, 05 Apr 2027 09:00:01 GMT; Secure; HttpOnly; SameSite=Lax",
		"s=v; Path=/; Max-Age=-1; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Secure; HttpOnly; SameSite=Lax", "s=v; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax",
		"s=v; Path=/; Max-Age=60; Expires=Sun, 01 Mar 2026 09:01:01 GMT; Secure; HttpOnly; SameSite=Lax", "s=v; Path=/; Evil; Secure; HttpOnly; SameSite=Lax",
	} {
		if receiveCookie(line, true, now) == nil {
			t.Errorf("%q is received: the tests that rely on it prove nothing", line)
		}
	}
	if receiveCookie(good, false, now) == nil {
		t.Error("Secure is received over plain HTTP")
	}
}

// cookieLines serves one request and returns the session's Set-Cookie lines.
func cookieLines(m *Manager, host, cookie string, f func(*Session, *http.Request)) []string {
	r := httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := m.Get(r.Context()); err == nil {
			f(s, r)
		}
	})).ServeHTTP(w, r)
	return w.Header().Values("Set-Cookie")
}

// CK-1 to CK-6, CK-8: whatever New accepts is a cookie that a strict browser stores as it
// is written, when it is set and when it is deleted, over HTTPS and over plain HTTP.
func TestEveryConfigThatIsAcceptedSetsACookieThatBrowsersTake(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 123e6, time.UTC)
	secrets := parseTestSecrets(t, "a:"+testKey("a"))
	store := newMapStore()
	accepted, refused := 0, 0
	ctx := t.Context()
	try := func(c Cookie) {
		m, err := New(Config{
			Store: store, Secrets: secrets, Cookie: c, Now: func() time.Time { return now },
			Observer: ObserverFunc(func(context.Context, Event) {}),
		})
		if err != nil {
			refused++
			return
		}
		accepted++
		defer m.Close()
		for _, host := range []string{"example.com", "dev.test"} {
			https := host == "example.com" || len(c.InsecureHosts) == 0
			lines := cookieLines(m, host, "", func(s *Session, _ *http.Request) { s.Set("a", 1) })
			if len(lines) != 1 {
				t.Fatalf("%+v: %d cookies are set", c, len(lines))
			}
			if err := receiveCookie(lines[0], https, now); err != nil {
				t.Errorf("%+v, %s: %v: %s", c, host, err, lines[0])
				return
			}
			pair, attrs, _ := strings.Cut(lines[0], ";")
			gone := cookieLines(m, host, pair, func(s *Session, r *http.Request) { _ = s.Destroy(r.Context()) })
			if len(gone) != 1 {
				t.Fatalf("%+v: %d cookies are deleted", c, len(gone))
			}
			if err := receiveCookie(gone[0], https, now); err != nil {
				t.Errorf("%+v, %s: deleting: %v: %s", c, host, err, gone[0])
			}
			// A browser deletes the cookie of the same name, domain, path and partition only.
			name, _, _ := strings.Cut(pair, "=")
			if !strings.HasPrefix(gone[0], name+"=;") || !strings.Contains(gone[0], "; Max-Age=0;") || place(attrs) != place(gone[0]) {
				t.Errorf("%+v, %s: %s does not delete %s", c, host, gone[0], lines[0])
			}
		}
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
	}
	for _, name := range []string{"", "sid", "__Host-s", "__HOST-s", "__Host-Http-s", "__host-HTTP-s", "__Secure-s", "__seCure-s", "__Http-s", "__Secure-__Host-s", "__Hostess"} {
		for _, domain := range []string{"", "example.com", ".Example.com", "localhost"} {
			for _, path := range []string{"", "/", "/app", "/a b,c", "app"} {
				for _, sameSite := range []http.SameSite{0, http.SameSiteDefaultMode, http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode} {
					for _, partitioned := range []bool{false, true} {
						for i, expires := range []Expiry{ExpiresWithBrowser, ExpiresWithSession, ExpiresAfter(time.Hour), ExpiresAfter(401 * 24 * time.Hour), ExpiresAt(now.Add(1e6 * time.Hour))} {
							c := Cookie{Name: name, Domain: domain, Path: path, SameSite: sameSite, Partitioned: partitioned, Expires: expires}
							if i%2 == 0 && !strings.HasPrefix(name, "__Secure-__") {
								c.InsecureHosts = []string{"dev.test"}
							}
							try(c)
						}
					}
				}
			}
		}
	}
	if accepted < 500 || refused < 500 {
		t.Errorf("%d accepted, %d refused: too one-sided to prove much", accepted, refused)
	}
}

// place is what of a cookie's attributes decides where the browser keeps it.
func place(attrs string) (p string) {
	for a := range strings.SplitSeq(attrs, ";") {
		a = strings.TrimSpace(a)
		if strings.HasPrefix(a, "Domain=") || strings.HasPrefix(a, "Path=") || a == "Partitioned" || a == "Secure" {
			p += a + ";"
		}
	}
	return p
}

// The attributes that a session has of its own obey the same rules.
func TestEveryAttributeThatASessionAcceptsIsOneThatBrowsersTake(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	accepted, refused := 0, 0
	for _, name := range []string{"sid", "__Host-s", "__HOST-HTTP-s", "__Secure-s"} {
		m, err := New(Config{Store: newMapStore(), Secrets: parseTestSecrets(t, "a:"+testKey("a")), Cookie: Cookie{Name: name}, Now: func() time.Time { return now }, Observer: ObserverFunc(func(context.Context, Event) {})})
		if err != nil {
			t.Fatal(err)
		}
		for _, domain := range []string{"", "example.com", "a;b", "evil.com\r\nX: y", "localhost"} {
			for _, path := range []string{"", "/", "/app", "x", "/;", "/\x00"} {
				for _, sameSite := range []http.SameSite{0, http.SameSiteDefaultMode, http.SameSiteStrictMode, http.SameSiteNoneMode, 17} {
					for _, expires := range []Expiry{0, ExpiresWithSession, ExpiresAfter(time.Minute), math.MaxInt64, ExpiresAt(now.Add(time.Hour))} {
						attrs := CookieAttributes{Domain: domain, Path: path, SameSite: sameSite, Partitioned: sameSite == http.SameSiteNoneMode, Expires: expires}
						lines := cookieLines(m, "example.com", "", func(s *Session, _ *http.Request) {
							s.Set("a", 1)
							if err := s.SetCookieAttributes(attrs); err != nil {
								refused++
								s.Revert()
								s.Set("a", 1)
								return
							}
							accepted++
						})
						if len(lines) != 1 {
							t.Fatalf("%s, %+v: %d cookies", name, attrs, len(lines))
						}
						if err := receiveCookie(lines[0], true, now); err != nil {
							t.Errorf("%s, %+v: %v: %q", name, attrs, err, lines[0])
						}
					}
				}
			}
		}
		_ = m.Close()
	}
	if accepted < 50 || refused < 50 {
		t.Errorf("%d accepted, %d refused: too one-sided to prove much", accepted, refused)
	}
}

// ID-4: what is not a token never reaches the store, and causes no work there.
func TestHostileCookiesDoNotReachTheStore(t *testing.T) {
	store := newMapStore()
	var reasons []Reason
	m, err := New(Config{
		Store: store, Secrets: parseTestSecrets(t, "a:"+testKey("a")),
		Observer: ObserverFunc(func(_ context.Context, e Event) {
			if e.Name == EventReject {
				reasons = append(reasons, e.Reason)
			}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	genuine := strings.TrimPrefix(strings.Split(cookieLines(m, "example.com", "", func(s *Session, _ *http.Request) { s.Set("a", 1) })[0], ";")[0], "__Host-session=")
	if cookieLines(m, "example.com", "__Host-session="+genuine, func(s *Session, _ *http.Request) { _, _ = s.Get("a") }); store.loads != 1 {
		t.Fatalf("the genuine cookie was loaded %d times: this proves nothing", store.loads)
	}
	for desc, value := range map[string]string{
		"nothing": "", "a path": "../../etc/passwd", "a star": "*", "too short": genuine[1:], "too long": genuine + "A", "900 KB": strings.Repeat("A", 900_000),
		"random of the right length": strings.Repeat("A", len(genuine)), "forged": genuine[:len(genuine)-1] + map[bool]string{true: "A", false: "B"}[!strings.HasSuffix(genuine, "A")],
		"quoted": `"` + genuine + `"`, "percent-encoded": strings.ReplaceAll(genuine, "A", "%41") + "%20", "padded": genuine + "=",
		"JSON": `{"a":1}`, "a record key": RecordKey{1}.String(), "twice": genuine + "; __Host-session=" + genuine,
	} {
		reasons = nil
		lines := cookieLines(m, "example.com", "__Host-session="+value, func(s *Session, _ *http.Request) {
			if !s.IsNew() || s.Len() != 0 {
				t.Errorf("%s: it opened a session", desc)
			}
		})
		if store.loads != 1 {
			t.Fatalf("%s: it reached the store", desc)
		}
		want := 1
		if desc == "JSON" {
			want = 0 // net/http drops what has quotes inside
		}
		if len(reasons) != want || len(lines) != 0 {
			t.Errorf("%s: reasons %q, cookies %q; want %d reasons and no cookie", desc, reasons, lines, want)
		}
	}
}

func TestExpiry(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 999e6, time.UTC)
	for _, c := range []struct {
		desc string
		got  Expiry
		text string
	}{
		{"the zero value", 0, "with browser"},
		{"with browser", ExpiresWithBrowser, "with browser"},
		{"with session", ExpiresWithSession, "with session"},
		{"after", ExpiresAfter(90*time.Second + 1), "after 90s"},
		{"after less than a second", ExpiresAfter(time.Millisecond), "after 1s"},
		{"after nothing", ExpiresAfter(0), "after 1s"},
		{"after a negative time", ExpiresAfter(math.MinInt64), "after 1s"},
		{"after the longest time", ExpiresAfter(math.MaxInt64), "after 9223372036s"},
		{"at", ExpiresAt(at), "at 2026-03-01T09:00:00Z"},
		{"at the epoch", ExpiresAt(time.Unix(0, 0)), "at 1970-01-01T00:00:01Z"},
		{"at the zero time", ExpiresAt(time.Time{}), "at 1970-01-01T00:00:01Z"},
		{"at the end of time", ExpiresAt(time.Unix(1<<62, 0)), ""},
	} {
		if got := c.got.String(); got != c.text && c.text != "" {
			t.Errorf("%s: %q, want %q", c.desc, got, c.text)
		}
		if c.got == ExpiresWithSession != (c.desc == "with session") {
			t.Errorf("%s is taken for ExpiresWithSession", c.desc)
		}
	}
}

// TO-3, CK-8, DO-5: Max-Age follows the session, is never 0 or negative by rounding, and
// never above 400 days; nothing overflows.
func TestCookieLifetime(t *testing.T) {
	const day = 24 * time.Hour
	now := MillisOf(time.Date(2026, 3, 1, 9, 0, 0, 500e6, time.UTC))
	gone := time.Duration(-1)
	for _, c := range []struct {
		desc   string
		expiry Expiry
		ends   Millis
		want   time.Duration
	}{
		{"with browser", ExpiresWithBrowser, now.Add(time.Hour), 0},
		{"with session", ExpiresWithSession, now.Add(time.Hour), time.Hour},
		{"with session, rounded up", ExpiresWithSession, now.Add(time.Hour) + 1, time.Hour + time.Second},
		{"with session, almost over", ExpiresWithSession, now + 1, time.Second},
		{"with session, over", ExpiresWithSession, now, time.Second},
		{"with session, long over", ExpiresWithSession, 0, time.Second},
		{"with session, 400 days", ExpiresWithSession, now.Add(400 * day), 400 * day},
		{"with session, more than 400 days", ExpiresWithSession, now.Add(400*day) + 1, 400 * day},
		{"with session, a hundred years", ExpiresWithSession, now.Add(100 * 365 * day), 400 * day},
		{"after", ExpiresAfter(time.Hour), now + 1, time.Hour},
		{"after 400 days", ExpiresAfter(400 * day), now + 1, 400 * day},
		{"at", ExpiresAt(now.Time().Add(time.Hour)), now + 1, time.Hour - time.Second},
		{"at, in 400 days", ExpiresAt(now.Time().Add(401 * day)), now + 1, 400 * day},
		{"at, in the year 10000", ExpiresAt(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), now + 1, 400 * day},
		{"at, at the end of time", ExpiresAt(time.Unix(1<<62, 0)), now + 1, 400 * day},
		{"at, in a moment", ExpiresAt(now.Time().Add(time.Second)), now + 1, gone},
		{"at, now", ExpiresAt(now.Time()), now + 1, gone},
		{"at, long ago", ExpiresAt(time.Time{}), now + 1, gone},
	} {
		t.Run(c.desc, func(t *testing.T) {
			maxAge, expires := c.expiry.lifetime(now, c.ends)
			if maxAge != c.want {
				t.Fatalf("Max-Age %v, want %v", maxAge, c.want)
			}
			switch {
			case maxAge == 0:
				if !expires.IsZero() {
					t.Errorf("Expires %v", expires)
				}
			case maxAge < 0:
				if !expires.Before(now.Time()) || expires.Unix() <= 0 {
					t.Errorf("Expires %v", expires)
				}
			case !expires.Equal(now.Time().Add(maxAge)) || maxAge%time.Second != 0 || maxAge > maxCookieAge:
				t.Errorf("Expires %v, Max-Age %v", expires, maxAge)
			}
		})
	}
}

func TestSetCookieRendersWhatItIsGiven(t *testing.T) {
	expires := time.Date(2026, 3, 1, 10, 0, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		attrs   CookieAttributes
		secure  bool
		maxAge  time.Duration
		expires time.Time
		want    string
	}{
		{CookieAttributes{Path: "/"}, true, 0, time.Time{}, "n=v; Path=/; Secure; HttpOnly; SameSite=Lax"},
		{CookieAttributes{Path: "/", SameSite: http.SameSiteStrictMode}, false, 0, time.Time{}, "n=v; Path=/; HttpOnly; SameSite=Strict"},
		{
			CookieAttributes{Domain: "example.com", Path: "/a", SameSite: http.SameSiteNoneMode, Partitioned: true},
			true, time.Hour + 1, expires,
			"n=v; Path=/a; Domain=example.com; Max-Age=3600; Expires=Sun, 01 Mar 2026 09:00:00 GMT; Secure; HttpOnly; SameSite=None; Partitioned",
		},
		{CookieAttributes{Path: "/"}, true, -1, time.Unix(1, 0), "n=v; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Secure; HttpOnly; SameSite=Lax"},
	} {
		if got := setCookie("n", []byte("v"), &c.attrs, c.secure, c.maxAge, c.expires); got != c.want {
			t.Errorf("\n%s, want\n%s", got, c.want)
		}
	}
}

func TestCookieAttributesRefuseOtherBytes(t *testing.T) {
	good, err := CookieAttributes{Domain: "example.com", Path: "/a", SameSite: http.SameSiteNoneMode, Partitioned: true, Expires: 5}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if err := new(CookieAttributes).UnmarshalBinary(good[:n]); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(good))
		}
	}
	if err := new(CookieAttributes).UnmarshalBinary(append(slices.Clone(good), 0)); err == nil {
		t.Error("a byte at the end is accepted")
	}
	for i, b := range map[int][]byte{0: {0, 2, 255}, 1: {5, 255}, 2: {2, 255}} {
		for _, v := range b {
			bad := slices.Clone(good)
			bad[i] = v
			if err := new(CookieAttributes).UnmarshalBinary(bad); err == nil {
				t.Errorf("byte %d may be %d", i, v)
			}
		}
	}
	for _, s := range []http.SameSite{-1, http.SameSiteNoneMode + 1} {
		if _, err := (CookieAttributes{SameSite: s}).MarshalBinary(); err == nil {
			t.Errorf("SameSite %d is encoded", s)
		}
	}
}
