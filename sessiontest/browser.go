package sessiontest

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Browser is a client that treats cookies as browsers do (RFC 6265bis, with cookie
// prefixes, SameSite and CHIPS as today's browsers have them). It keeps what they
// keep, refuses what they refuse and says why, and sends what they send, also in
// requests that another site causes. It does not follow redirects unless told to, runs
// no script, keeps any number of cookies and does not block those of third parties.
//
// Its methods may be called concurrently. From and Embedded return another view of the
// same browser, Copy another browser.
type Browser struct {
	*profile
	transport http.RoundTripper
	initiator *url.URL // the page that the request comes from; nil: the user typed it
	embedded  bool     // inside that page, and not in its place
}

// profile is what the views of one browser share.
type profile struct {
	base *url.URL

	mu       sync.Mutex
	now      func() time.Time
	suffix   func(string) string
	safari   bool
	jar      jar
	t        testing.TB // of Strict
	session  []string   // names of session cookies; empty: every cookie
	problems []string
}

// NewBrowser returns a browser that runs the handler in process, for every host. The
// origin, such as "https://app.example", is where relative URLs lead; it may have a
// path. It panics if the origin is not an absolute URL.
//
// What the handler sees and does is as with net/http's server: an https origin gives
// the request a TLS state, informational responses are passed on, headers count as
// they were when the response began. Each request runs in the caller's goroutine until
// the handler has returned, and a panic goes through to the caller, except
// http.ErrAbortHandler. Connections cannot be hijacked: use NewBrowserFor for that.
func NewBrowser(h http.Handler, origin string) *Browser {
	return NewBrowserVia(handlerTransport{h}, origin)
}

// NewBrowserFor returns a browser that talks to a server over the network. Its clock is
// the real one until UseClock.
func NewBrowserFor(srv *httptest.Server) *Browser {
	return NewBrowserVia(srv.Client().Transport, srv.URL)
}

// NewBrowserVia returns a browser that sends its requests through a transport.
func NewBrowserVia(rt http.RoundTripper, origin string) *Browser {
	base, err := url.Parse(origin)
	if err != nil || base.Host == "" {
		panic(fmt.Sprintf("sessiontest: origin %q is not an absolute URL, such as https://app.example", origin))
	}
	if base.Path == "" {
		base.Path = "/"
	}
	return &Browser{profile: &profile{base: base, now: time.Now, suffix: lastLabel}, transport: rt}
}

// UseClock makes cookies expire by the clock, from now on, and returns b.
func (b *Browser) UseClock(c *Clock) *Browser {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = c.Now
	return b
}

// Safari makes b, from now on, take Secure cookies from https only, as Safari does,
// and call itself Safari; other browsers also take them from http://localhost. It
// returns b.
func (b *Browser) Safari() *Browser {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.safari = true
	return b
}

// PublicSuffixes says under which domains anybody can register one, which decides
// what a site is and which Domain attributes are refused; golang.org/x/net/publicsuffix
// has the real list. Without it, only the last label of a name is a public suffix.
// It returns b.
func (b *Browser) PublicSuffixes(list cookiejar.PublicSuffixList) *Browser {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.suffix = list.PublicSuffix
	return b
}

// From returns a view of b whose requests come from a page of the given origin: links
// that are followed and forms that are submitted there, in the same window. If it is
// another site, SameSite decides which cookies go with them. It panics if the origin is
// not an absolute URL.
func (b *Browser) From(origin string) *Browser {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		panic(fmt.Sprintf("sessiontest: origin %q is not an absolute URL, such as https://other.example", origin))
	}
	view := *b
	view.initiator = u
	return &view
}

// Embedded returns a view of b whose requests are made inside the page that they come
// from: images, frames and scripts' requests. The address bar shows that page.
func (b *Browser) Embedded() *Browser {
	view := *b
	view.embedded = true
	return &view
}

// through returns a view of b that goes another way, from no page.
func (b *Browser) through(rt http.RoundTripper) *Browser {
	return &Browser{profile: b.profile, transport: rt}
}

// Copy returns another browser that starts with the cookies of this one: a thief who
// has copied them, or a backup that is restored later. For a second tab of the same
// browser use b itself.
func (b *Browser) Copy() *Browser {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Browser{
		profile: &profile{
			base: b.base, now: b.now, suffix: b.suffix, safari: b.safari,
			jar: b.jar.clone(), t: b.t, session: b.session,
		},
		transport: b.transport, initiator: b.initiator, embedded: b.embedded,
	}
}

// Restart closes the browser and opens it again: cookies without an expiry are gone.
func (b *Browser) Restart() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jar.restart()
}

// Cookies returns the cookies for b's own host, whatever their path and SameSite: those
// with the longest path first and, of these, the oldest first.
func (b *Browser) Cookies() []Cookie {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jar.matching(hostOf(b.base), b.now(), nil)
}

// Cookie returns the first of Cookies that has the name.
func (b *Browser) Cookie(name string) (c Cookie, ok bool) {
	for _, c := range b.Cookies() {
		if c.Name == name {
			return c, true
		}
	}
	return Cookie{}, false
}

// SetCookie has b receive a Set-Cookie line as if it came with a response from the
// URL, which may be relative: to plant a cookie as an attacker on a sibling host or on
// the network would.
func (b *Browser) SetCookie(from, line string) Verdict {
	u := b.resolve(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jar.receive(line, b.exchange(http.MethodGet, u, b.initiator))
}

// resolve panics on what is not a URL: it is the test's own text.
func (b *Browser) resolve(ref string) *url.URL {
	u, err := url.Parse(ref)
	if err != nil {
		panic(fmt.Sprintf("sessiontest: %q is not a URL", ref))
	}
	return b.base.ResolveReference(u)
}

// exchange is called with the mutex held.
func (b *Browser) exchange(method string, u, initiator *url.URL) *exchange {
	x := &exchange{
		url: u, method: method, topLevel: !b.embedded, now: b.now(),
		secure: isTrustworthy(u, b.safari), suffix: b.suffix,
	}
	site := siteOf(u, b.suffix)
	x.partition = site
	if initiator != nil {
		x.crossSite = siteOf(initiator, b.suffix) != site
		if b.embedded {
			x.partition = siteOf(initiator, b.suffix)
		}
	}
	return x
}

// userAgent says "Safari/" only if it is Safari: servers look for it.
func (p *profile) userAgent() string {
	if p.safari {
		return "Mozilla/5.0 (sessiontest) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15"
	}
	return "Mozilla/5.0 (sessiontest)"
}

// fetchSite is the value of Sec-Fetch-Site.
func (x *exchange) fetchSite(initiator *url.URL) string {
	switch {
	case initiator == nil:
		return "none"
	case strings.EqualFold(originOf(initiator), originOf(x.url)):
		return "same-origin"
	case !x.crossSite:
		return "same-site"
	}
	return "cross-site"
}
