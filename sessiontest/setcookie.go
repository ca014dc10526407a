package sessiontest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits of RFC 6265bis.
const (
	maxPairBytes      = 4096                 // name and value, 5.6
	maxAttributeBytes = 1024                 // value of one attribute, 5.6
	maxLifetime       = 400 * 24 * time.Hour // 5.5
)

// setCookie is a Set-Cookie line as a browser reads it, before it decides whether it
// keeps the cookie. Of an attribute that is repeated the last one counts.
type setCookie struct {
	name, value string
	maxAge      *time.Duration // what is zero or less deletes
	expires     *time.Time
	domain      string // lower case, no leading dot; "": none
	path        string // "": none, or not one
	hasPath     bool   // the path was given and counts
	secure      bool
	httpOnly    bool
	sameSite    http.SameSite
	partitioned bool
	ignored     []string // what the browser passed over
}

// parseSetCookie follows RFC 6265bis 5.6. Its error is the reason why the whole line
// is dropped.
func parseSetCookie(line string) (*setCookie, error) {
	if i := strings.IndexFunc(line, isControl); i >= 0 {
		return nil, fmt.Errorf("control character 0x%02x", line[i])
	}
	pair, rest, _ := strings.Cut(line, ";")
	c := &setCookie{sameSite: http.SameSiteDefaultMode}
	var named bool
	if c.name, c.value, named = strings.Cut(pair, "="); !named {
		c.name, c.value = "", pair
	}
	c.name, c.value = trim(c.name), trim(c.value)
	if n := len(c.name) + len(c.value); n > maxPairBytes {
		return c, fmt.Errorf("name and value have %d bytes, more than %d", n, maxPairBytes)
	}
	for rest != "" {
		var attribute string
		attribute, rest, _ = strings.Cut(rest, ";")
		name, value, _ := strings.Cut(attribute, "=")
		c.attribute(trim(name), trim(value))
	}
	return c, nil
}

func (c *setCookie) attribute(name, value string) {
	ignore := func(why string) { c.ignored = append(c.ignored, fmt.Sprintf("%s: %s", name, why)) }
	if len(value) > maxAttributeBytes {
		ignore(fmt.Sprintf("its value has %d bytes, more than %d", len(value), maxAttributeBytes))
		return
	}
	switch strings.ToLower(name) {
	case "expires":
		at, ok := parseCookieDate(value)
		if !ok {
			ignore("not a date")
			return
		}
		c.expires = &at
	case "max-age":
		age, ok := parseMaxAge(value)
		if !ok {
			ignore("not a number")
			return
		}
		c.maxAge = &age
	case "domain":
		c.domain = strings.ToLower(strings.TrimPrefix(value, "."))
	case "path":
		c.path, c.hasPath = value, strings.HasPrefix(value, "/")
		if !c.hasPath {
			c.path = ""
			ignore("does not start with /")
		}
	case "secure":
		c.secure = true
	case "httponly":
		c.httpOnly = true
	case "samesite":
		switch strings.ToLower(value) {
		case "none":
			c.sameSite = http.SameSiteNoneMode
		case "strict":
			c.sameSite = http.SameSiteStrictMode
		case "lax":
			c.sameSite = http.SameSiteLaxMode
		default:
			c.sameSite = http.SameSiteDefaultMode
			ignore("not None, Lax or Strict")
		}
	case "partitioned":
		c.partitioned = true
	case "", "priority": // an empty one is a stray semicolon; the other one is Chrome's
	default:
		ignore("unknown attribute")
	}
}

// expiry returns when the cookie ends; the zero time stands for the end of the browser
// session. Max-Age goes before Expires, wherever it stands.
func (c *setCookie) expiry(now time.Time) time.Time {
	var end time.Time
	switch {
	case c.maxAge != nil:
		end = now.Add(*c.maxAge)
	case c.expires != nil:
		end = *c.expires
	default:
		return time.Time{}
	}
	if latest := now.Add(maxLifetime); end.After(latest) {
		return latest
	}
	return end
}

// prefixProblem returns what is wrong with a cookie whose name starts with a prefix
// that browsers check, in whatever case (RFC 6265bis 5.7; __Http- and __Host-Http- as
// in draft-ietf-httpbis-layered-cookies).
func (c *setCookie) prefixProblem() string {
	is := func(prefix string) bool { return hasPrefixFold(c.name, prefix) }
	if c.name == "" {
		for _, p := range []string{"__Secure-", "__Host-", "__Http-"} { // the last two cover __Host-Http-
			if hasPrefixFold(c.value, p) {
				return "a cookie without a name whose value starts with " + p
			}
		}
		return ""
	}
	if (is("__Secure-") || is("__Host-") || is("__Http-")) && !c.secure {
		return "the prefix of its name needs Secure"
	}
	if (is("__Http-") || is("__Host-Http-")) && !c.httpOnly {
		return "the prefix of its name needs HttpOnly"
	}
	if is("__Host-") && c.domain != "" {
		return "the prefix of its name forbids Domain"
	}
	if is("__Host-") && c.path != "/" {
		return "the prefix of its name needs Path=/"
	}
	return ""
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isControl leaves the tab out, as the RFC does.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func trim(s string) string { return strings.Trim(s, " \t") }

func parseMaxAge(s string) (time.Duration, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	if s[0] == '-' {
		return -1, true
	}
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if longest := int64(maxLifetime / time.Second); err != nil || seconds > longest {
		seconds = longest // it does not parse because it is so large
	}
	return time.Duration(seconds) * time.Second, true
}
