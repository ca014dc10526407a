package beaker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Expiry says how long the browser keeps the session cookie. It is a convenience of
// the browser's and never decides whether a session lives: that is the server's (see
// [Config.IdleTimeout]).
type Expiry int64

const (
	// ExpiresWithBrowser, the zero value, sends neither Max-Age nor Expires: the
	// cookie is gone when the browser session is.
	ExpiresWithBrowser Expiry = 0
	// ExpiresWithSession sends the time that the session has left, and again with
	// each touch.
	ExpiresWithSession Expiry = -1 << 63
)

// ExpiresAfter keeps the cookie for d, cut to seconds, from each time it is sent.
func ExpiresAfter(d time.Duration) Expiry { return Expiry(max(d/time.Second, 1)) }

// ExpiresAt keeps the cookie until t, cut to seconds.
func ExpiresAt(t time.Time) Expiry { return -Expiry(max(t.Unix(), 1)) }

// String says it in words.
func (e Expiry) String() string {
	switch {
	case e == ExpiresWithBrowser:
		return "with browser"
	case e == ExpiresWithSession:
		return "with session"
	case e > 0:
		return fmt.Sprintf("after %ds", int64(e))
	}
	return "at " + time.Unix(-int64(e), 0).UTC().Format(time.RFC3339)
}

// maxCookieAge is the longest that browsers keep a cookie (RFC 6265bis, 5.5).
const maxCookieAge = 400 * 24 * time.Hour

// CookieAttributes are the attributes of the session cookie that one session may have
// of its own. Secure and HttpOnly are not among them, on purpose: they are the
// manager's, so that no line of application code weakens them. The zero value is a
// cookie for this host only, for every path, with the manager's SameSite, kept until the
// browser ends.
type CookieAttributes struct {
	Domain      string        // empty: this host only
	Path        string        // empty: "/"
	SameSite    http.SameSite // zero: as Config.Cookie has it
	Partitioned bool          // CHIPS; needs SameSite None
	Expires     Expiry
}

var errCookieAttributes = errors.New("cookie attributes")

// MarshalBinary returns a form that has exactly one encoding of each value.
func (c CookieAttributes) MarshalBinary() ([]byte, error) {
	if c.SameSite < 0 || c.SameSite > http.SameSiteNoneMode {
		return nil, fmt.Errorf("%w: unknown SameSite", errCookieAttributes)
	}
	b := []byte{1, byte(c.SameSite), 0}
	if c.Partitioned {
		b[2] = 1
	}
	b = binary.BigEndian.AppendUint64(b, uint64(c.Expires))
	return appendString(appendString(b, c.Domain), c.Path), nil
}

// UnmarshalBinary reads what MarshalBinary wrote and refuses everything else.
func (c *CookieAttributes) UnmarshalBinary(b []byte) error {
	if len(b) < 11 || b[0] != 1 || b[1] > byte(http.SameSiteNoneMode) || b[2] > 1 {
		return errCookieAttributes
	}
	domain, rest, ok := cutString(string(b[11:]))
	if !ok {
		return errCookieAttributes
	}
	path, rest, ok := cutString(rest)
	if !ok || rest != "" {
		return errCookieAttributes
	}
	*c = CookieAttributes{
		Domain: domain, Path: path, SameSite: http.SameSite(b[1]), Partitioned: b[2] == 1,
		Expires: Expiry(binary.BigEndian.Uint64(b[3:])),
	}
	return nil
}

// attributes returns the part of c that a session may have of its own.
func (c *Cookie) attributes() CookieAttributes {
	return CookieAttributes{Domain: c.Domain, Path: c.Path, SameSite: c.SameSite, Partitioned: c.Partitioned, Expires: c.Expires}
}

// problems returns what browsers would refuse, or silently change, in a Secure
// cookie of that name; net/http checks none of it.
func (c CookieAttributes) problems(name string) (all []ConfigError) {
	bad := func(field, format string, args ...any) {
		all = append(all, ConfigError{field, fmt.Sprintf(format, args...)})
	}
	switch prefix := cookiePrefix(name); {
	case (prefix == "__Host-" || prefix == "__Host-Http-") && c.Domain != "":
		bad("Domain", "browsers refuse a %s cookie with a Domain: choose a Name that starts with __Secure-", prefix)
	case (prefix == "__Host-" || prefix == "__Host-Http-") && c.Path != "/":
		bad("Path", "browsers refuse a %s cookie with a Path other than /: choose a Name that starts with __Secure-", prefix)
	}
	if c.Domain != "" && !isDomain(c.Domain) {
		bad("Domain", "%q is not a domain: give a name such as example.com, in punycode where it is not ASCII", c.Domain)
	}
	if !strings.HasPrefix(c.Path, "/") || len(c.Path) > 1024 ||
		strings.ContainsFunc(c.Path, func(r rune) bool { return r <= ' ' || r > '~' || r == ';' }) {
		bad("Path", "%q is not a path: it must start with / and have neither blanks, semicolons nor control characters", c.Path)
	}
	switch c.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode:
	default:
		// Unset, browsers differ: Chrome sends it on cross-site POSTs for two minutes.
		bad("SameSite", "must be Lax, Strict or None")
	}
	if c.Partitioned && c.SameSite != http.SameSiteNoneMode {
		bad("Partitioned", "is for cookies of embedded pages and needs SameSite: http.SameSiteNoneMode")
	}
	if c.Expires > 0 && time.Duration(c.Expires) > maxCookieAge/time.Second {
		bad("Expires", "is more than the 400 days that browsers keep a cookie")
	}
	return all
}

// cookiePrefix returns the prefix that makes browsers check a cookie, in its right
// spelling: they compare without regard to case (RFC 6265bis, 5.7).
func cookiePrefix(name string) string {
	for _, p := range [...]string{"__Host-Http-", "__Host-", "__Http-", "__Secure-"} {
		if len(name) >= len(p) && strings.EqualFold(name[:len(p)], p) {
			return p
		}
	}
	return ""
}

func isToken(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func isDomain(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.ContainsFunc(label, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
			}) {
			return false
		}
	}
	return !isIP(s)
}

// maxCookieBytes is what browsers store of name and value; more they drop silently
// (RFC 6265bis, 5.6).
const maxCookieBytes = 4096

// setCookie renders a Set-Cookie line of parts that were checked before. net/http's
// own rendering drops and edits what it does not like, and takes three times as long.
func setCookie(name string, value []byte, a *CookieAttributes, secure bool, maxAge time.Duration, expires time.Time) string {
	var buf [512]byte
	b := append(append(append(buf[:0], name...), '='), value...)
	b = append(append(b, "; Path="...), a.Path...)
	if a.Domain != "" {
		b = append(append(b, "; Domain="...), a.Domain...)
	}
	if maxAge != 0 {
		b = strconv.AppendInt(append(b, "; Max-Age="...), int64(max(maxAge, 0)/time.Second), 10)
	}
	if !expires.IsZero() {
		b = expires.UTC().AppendFormat(append(b, "; Expires="...), http.TimeFormat)
	}
	if secure {
		b = append(b, "; Secure"...)
	}
	b = append(b, "; HttpOnly"...)
	switch a.SameSite {
	case http.SameSiteStrictMode:
		b = append(b, "; SameSite=Strict"...)
	case http.SameSiteNoneMode:
		b = append(b, "; SameSite=None"...)
	default:
		b = append(b, "; SameSite=Lax"...)
	}
	if a.Partitioned {
		b = append(b, "; Partitioned"...)
	}
	return string(b)
}

// lifetime returns Max-Age and Expires for a cookie that is sent at now.
func (e Expiry) lifetime(now, sessionEnds Millis) (maxAge time.Duration, expires time.Time) {
	switch {
	case e == ExpiresWithBrowser:
		return 0, time.Time{}
	case e == ExpiresWithSession:
		left := time.Duration(sessionEnds-now) * time.Millisecond
		maxAge = min(max(left, time.Second), maxCookieAge)
		if rest := maxAge % time.Second; rest != 0 {
			maxAge += time.Second - rest
		}
	case e > 0:
		maxAge = time.Duration(e) * time.Second
	default:
		at := time.Unix(-int64(e), 0)
		maxAge = min(at.Sub(now.Time()).Truncate(time.Second), maxCookieAge)
		if maxAge < time.Second {
			maxAge = -1
		}
	}
	if maxAge < 0 {
		return maxAge, time.Unix(1, 0)
	}
	return maxAge, now.Time().Add(maxAge)
}
