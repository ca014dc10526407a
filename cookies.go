package beaker

import (
	"net/http"
	"net/textproto"
	"strings"
)

// cookieValue is a cookie of our name as the request brought it.
type cookieValue struct {
	text   string
	quoted bool
}

// fewCookies is how many cookies of all names are looked through here. With more, which
// no browser sends, it is net/http's to say how many are too many.
const fewCookies = 64

// cookiesNamed appends the request's cookies of a name to dst, at most one more than
// maxCandidates: the same that http.Request.CookiesNamed finds, which allocates two
// objects and looks at every character. Only where there is one, and there nearly always
// is, it may be one that net/http would not show because of its bytes: that is for
// the caller to ask (bytes that decode are good ones). A test holds the two together.
func cookiesNamed(dst []cookieValue, r *http.Request, name string) []cookieValue {
	lines := r.Header["Cookie"]
	count := 0
	for _, line := range lines {
		count += strings.Count(line, ";") + 1
	}
	if count > fewCookies {
		for _, c := range r.CookiesNamed(name) {
			if len(dst) <= maxCandidates {
				dst = append(dst, cookieValue{c.Value, c.Quoted})
			}
		}
		return dst
	}
	for _, line := range lines {
		for rest := line; rest != ""; {
			var part string
			part, rest, _ = strings.Cut(rest, ";")
			part = textproto.TrimString(part)
			key, value, _ := strings.Cut(part, "=")
			// Our names have passed isToken, so one that is equal is a good one.
			if textproto.TrimString(key) != name || len(dst) > maxCandidates {
				continue
			}
			quoted := len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"'
			if quoted {
				value = value[1 : len(value)-1]
			}
			if len(dst) == 1 && !cookieBytes(dst[0].text) {
				dst = dst[:0]
			}
			if len(dst) == 0 || cookieBytes(value) {
				dst = append(dst, cookieValue{value, quoted})
			}
		}
	}
	return dst
}

// cookieBytes reports whether s is what net/http takes for a cookie's value.
func cookieBytes(s string) bool {
	for i := range len(s) {
		if !isCookieByte[s[i]] {
			return false
		}
	}
	return true
}

// isCookieByte says which bytes may be in a cookie's value: a table, as they are looked
// up for every character of every session cookie.
var isCookieByte = func() (t [256]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = c != '"' && c != ';' && c != '\\'
	}
	return t
}()
