package sessiontest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Cookie is a cookie as the browser keeps it.
type Cookie struct {
	Name, Value string
	Domain      string // lower case, without a leading dot
	HostOnly    bool   // it goes to Domain itself only, and not to the hosts below
	Path        string
	Secure      bool
	HTTPOnly    bool
	SameSite    http.SameSite // http.SameSiteDefaultMode if the server named none that browsers know
	Partition   string        // the site of the page that it is bound to; empty: to none
	Created     time.Time
	Expires     time.Time // the zero time: when the browser is closed

	order uint64 // of creation: clocks of tests stand still
}

// Outcome says what a browser did with a Set-Cookie line.
type Outcome string

// The outcomes.
const (
	Stored          Outcome = "stored"
	Replaced        Outcome = "replaced" // stored in place of a cookie of the same name, domain and path
	Deleted         Outcome = "deleted"
	NothingToDelete Outcome = "nothing to delete" // there was no cookie of that name with that very domain and path
	Refused         Outcome = "refused"
)

// Verdict is what a browser did with one Set-Cookie line, and why. Servers never hear
// of it.
type Verdict struct {
	Line    string
	Cookie  Cookie // as far as the line could be read
	Outcome Outcome
	Reason  string   // why it was refused
	Ignored []string // attributes that did not count, each with the reason
}

// OK reports whether the browser did what the server wanted: all attributes counted,
// and what was to be deleted was there.
func (v Verdict) OK() bool {
	return v.Outcome != Refused && v.Outcome != NothingToDelete && len(v.Ignored) == 0
}

// String says it in words, without the cookie's value.
func (v Verdict) String() string {
	s := fmt.Sprintf("cookie %q: %s", v.Cookie.Name, v.Outcome)
	if v.Reason != "" {
		s += ": " + v.Reason
	}
	for _, attribute := range v.Ignored {
		s += "; ignored " + attribute
	}
	return s
}

// jar keeps cookies by the rules of RFC 6265bis and CHIPS. It has no lock of its own.
type jar struct {
	cookies []Cookie
	orders  uint64
}

func (j *jar) clone() jar { return jar{cookies: slices.Clone(j.cookies), orders: j.orders} }

// exchange is what the rules need to know of a request and its response.
type exchange struct {
	url       *url.URL
	method    string
	topLevel  bool // it changes what the address bar shows
	crossSite bool
	partition string // the site in the address bar
	secure    bool   // as this browser sees it
	now       time.Time
	suffix    func(host string) string
}

// receive is the storage model of RFC 6265bis 5.7, in its order.
func (j *jar) receive(line string, x *exchange) Verdict {
	c, err := parseSetCookie(line)
	v := Verdict{Line: line, Outcome: Refused}
	if c != nil {
		v.Cookie.Name, v.Cookie.Value, v.Ignored = c.name, c.value, c.ignored
	}
	if err != nil {
		v.Reason = err.Error()
		return v
	}
	if c.name == "" && c.value == "" {
		v.Reason = "neither a name nor a value"
		return v
	}
	j.evict(x.now)
	cookie := Cookie{
		Name: c.name, Value: c.value, Path: c.path, Secure: c.secure, HTTPOnly: c.httpOnly,
		SameSite: c.sameSite, Created: x.now, Expires: c.expiry(x.now),
	}
	if !c.hasPath {
		cookie.Path = defaultPath(x.url.Path)
	}
	if c.partitioned {
		cookie.Partition = x.partition
	}
	domainProblem := cookie.bind(c.domain, x)
	v.Cookie = cookie
	if v.Reason = cmp.Or(domainProblem, j.problem(c, &cookie, x)); v.Reason != "" {
		return v
	}

	old := slices.IndexFunc(j.cookies, cookie.replaces)
	gone := c.maxAge != nil && *c.maxAge <= 0 || !cookie.Expires.IsZero() && !cookie.Expires.After(x.now)
	switch {
	case gone && old < 0:
		v.Outcome = NothingToDelete
	case gone:
		j.cookies = slices.Delete(j.cookies, old, old+1)
		v.Outcome = Deleted
	case old < 0:
		j.orders++
		cookie.order = j.orders
		j.cookies = append(j.cookies, cookie)
		v.Outcome = Stored
	default:
		cookie.Created, cookie.order = j.cookies[old].Created, j.cookies[old].order
		j.cookies[old] = cookie
		v.Outcome = Replaced
	}
	v.Cookie = cookie
	return v
}

// bind sets the domain that the cookie is for, or says why it may not be.
func (c *Cookie) bind(domain string, x *exchange) string {
	host := hostOf(x.url)
	c.Domain, c.HostOnly = host, true
	if domain == "" {
		return ""
	}
	if strings.ContainsFunc(domain, func(r rune) bool { return r > 0x7f }) {
		return "Domain is not ASCII"
	}
	if x.suffix(domain) == domain {
		if domain == host {
			return "" // then it is for this host only
		}
		return fmt.Sprintf("Domain %q is a public suffix", domain)
	}
	if !domainMatch(host, domain) {
		return fmt.Sprintf("Domain %q is not the host %q or one above it", domain, host)
	}
	c.Domain, c.HostOnly = domain, false
	return ""
}

// refusedCrossSite is the only reason that is no mistake of the server's.
const refusedCrossSite = "not SameSite=None, in the answer to a request from within a page of another site"

func (j *jar) problem(c *setCookie, cookie *Cookie, x *exchange) string {
	switch {
	case c.secure && !x.secure:
		return "Secure from an origin that is not secure"
	case !c.secure && !x.secure && j.shadowsSecure(cookie):
		return "it would hide a Secure cookie of that name from an origin that is not secure"
	case c.sameSite != http.SameSiteNoneMode && x.crossSite && !x.topLevel:
		return refusedCrossSite
	case c.sameSite == http.SameSiteNoneMode && !c.secure:
		return "SameSite=None needs Secure"
	case c.partitioned && !c.secure:
		return "Partitioned needs Secure"
	}
	return c.prefixProblem()
}

// shadowsSecure is "leave secure cookies alone".
func (j *jar) shadowsSecure(c *Cookie) bool {
	return slices.ContainsFunc(j.cookies, func(old Cookie) bool {
		return old.Secure && old.Name == c.Name && pathMatch(c.Path, old.Path) &&
			(domainMatch(old.Domain, c.Domain) || domainMatch(c.Domain, old.Domain))
	})
}

func (c *Cookie) replaces(old Cookie) bool {
	return c.Name == old.Name && c.Domain == old.Domain && c.HostOnly == old.HostOnly && c.Path == old.Path && c.Partition == old.Partition
}

func (j *jar) evict(now time.Time) {
	j.cookies = slices.DeleteFunc(j.cookies, func(c Cookie) bool { return !c.Expires.IsZero() && !c.Expires.After(now) })
}

func (j *jar) restart() {
	j.cookies = slices.DeleteFunc(j.cookies, func(c Cookie) bool { return c.Expires.IsZero() })
}

// matching returns the cookies for a host, those with the longest path first and, of
// these, the oldest first (RFC 6265bis 5.8.3).
func (j *jar) matching(host string, now time.Time, keep func(*Cookie) bool) []Cookie {
	j.evict(now)
	var found []Cookie
	for _, c := range j.cookies {
		if (c.Domain == host || !c.HostOnly && domainMatch(host, c.Domain)) && (keep == nil || keep(&c)) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b Cookie) int {
		return cmp.Or(cmp.Compare(len(b.Path), len(a.Path)), cmp.Compare(a.order, b.order))
	})
	return found
}

// header returns the value of the Cookie header for a request.
func (j *jar) header(x *exchange) string {
	path := x.url.Path
	if path == "" {
		path = "/"
	}
	safe := x.method == http.MethodGet || x.method == http.MethodHead || x.method == http.MethodOptions || x.method == http.MethodTrace
	var pairs []string
	for _, c := range j.matching(hostOf(x.url), x.now, func(c *Cookie) bool {
		switch {
		case !pathMatch(path, c.Path), c.Secure && !x.secure, c.Partition != "" && c.Partition != x.partition:
			return false
		case !x.crossSite || c.SameSite == http.SameSiteNoneMode:
			return true
		}
		return c.SameSite != http.SameSiteStrictMode && safe && x.topLevel
	}) {
		if c.Name == "" {
			pairs = append(pairs, c.Value)
			continue
		}
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}
