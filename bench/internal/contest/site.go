package contest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Site is an application of a contender on net/http: a handler for each thing that
// scenarios do. Handlers answer OK unless another answer is named, in a body that they
// write with io.WriteString.
type Site struct {
	Untouched   http.Handler // does not look at the session
	Read        http.Handler // answers the value of KeyUID, or "" without a session
	Number      http.Handler // answers the value of KeyN in decimal
	Increment   http.Handler // adds one to KeyN
	Create      http.Handler // sets the 3 keys
	CreateLarge http.Handler // sets the 20 keys
	Anonymous   http.Handler // sets KeyN and KeyData
	SignIn      http.Handler // sets KeyUID, says whose session it is, gives it a new id

	// KeepsID means that SignIn cannot give the session a new id.
	KeepsID bool
	// Pass lets time pass, more than lies between two touches; it is only given by a
	// site that stands for Slow. Slow is a site with a clock of its own. Nil: the
	// contender cannot put off writing the time of use.
	Pass func()
	Slow *Site
	// Trips returns how often the store, or its server, was asked. Nil: not known.
	Trips func() int64
	// Close ends it.
	Close func() error
}

// Player returns a player that calls the handlers directly, with a prepared request
// and a ResponseWriter that does next to nothing.
func (s *Site) Player() Player { return sitePlayer{s} }

type sitePlayer struct{ site *Site }

// SiteOf returns the handlers of a player, for a server.
func SiteOf(p Player) (*Site, error) {
	sp, ok := p.(sitePlayer)
	if !ok {
		return nil, fmt.Errorf("%T has no handlers", p)
	}
	return sp.site, nil
}

func (p sitePlayer) Close() error {
	if p.site.Close == nil {
		return nil
	}
	return p.site.Close()
}

// ErrNoTouch is what Player.Case returns for Touch where there is no such case.
var ErrNoTouch = errors.New("it cannot put off writing the time of use")

func (p sitePlayer) Case(s Scenario) (Case, error) {
	c := &siteCase{site: p.site, scenario: s, client: NewClient()}
	switch s {
	case Untouched:
		c.handler, c.want = p.site.Untouched, OK
	case Read:
		c.handler, c.want = p.site.Read, UID
	case ReadLarge:
		c.handler, c.want = p.site.Read, UID
	case Touch:
		if c.site = p.site.Slow; c.site == nil {
			return nil, ErrNoTouch
		}
		c.handler, c.want = c.site.Read, UID
	case Increment:
		c.handler, c.want = p.site.Increment, OK
	case Create:
		c.handler, c.want = p.site.Create, OK
	case SignIn:
		c.handler, c.want = p.site.SignIn, OK
	}
	if c.handler == nil {
		return nil, fmt.Errorf("%v: no handler", s)
	}
	return c, nil
}

// siteCase is one scenario on a site.
type siteCase struct {
	site     *Site
	scenario Scenario
	client   *Client
	handler  http.Handler
	want     string

	before  int      // KeyN before a run
	cookies []string // of anonymous sessions, for SignIn
}

func (c *siteCase) Native() bool { return true }

func (c *siteCase) Trips() (int64, bool) {
	if c.site.Trips == nil {
		return 0, false
	}
	return c.site.Trips(), true
}

func (c *siteCase) Prepare(n int) error {
	switch c.scenario {
	case Create:
		return nil
	case SignIn:
		c.cookies = c.cookies[:0]
		for range n {
			c.client.Cookie = ""
			if err := c.client.Begin(c.site.Anonymous); err != nil {
				return err
			}
			c.cookies = append(c.cookies, c.client.Cookie)
		}
		return nil
	case ReadLarge:
		return c.begin(c.site.CreateLarge)
	}
	if err := c.begin(c.site.Create); err != nil {
		return err
	}
	if c.scenario == Increment {
		n, err := c.number()
		c.before = n
		return err
	}
	return nil
}

// begin makes a new session: one that is about to be touched would disturb the counts.
func (c *siteCase) begin(create http.Handler) error {
	c.client.Cookie = ""
	return c.client.Begin(create)
}

func (c *siteCase) number() (int, error) {
	if err := c.client.Do(c.site.Number); err != nil {
		return 0, err
	}
	return strconv.Atoi(c.client.Body())
}

func (c *siteCase) Run(n int) (Took, error) {
	began := time.Now()
	for i := range n {
		switch c.scenario {
		case Create:
			c.client.Cookie = ""
		case SignIn:
			c.client.Cookie = c.cookies[i]
		case Touch:
			c.site.Pass()
		}
		if err := c.client.Do(c.handler); err != nil {
			return Took{}, fmt.Errorf("request %d of %d: %w", i+1, n, err)
		}
		if string(c.client.body) != c.want {
			return Took{}, fmt.Errorf("request %d of %d: the answer is %.100q, want %q", i+1, n, c.client.body, c.want)
		}
		if c.client.Cookie == "" {
			return Took{}, fmt.Errorf("request %d of %d: there is no cookie", i+1, n)
		}
	}
	return Took{Wall: time.Since(began)}, nil
}

func (c *siteCase) Verify(n int) error {
	switch c.scenario {
	case Increment:
		after, err := c.number()
		if err != nil {
			return err
		}
		if after != c.before+n {
			return fmt.Errorf("%d increments made %d of %d", n, after, c.before)
		}
	case Create, SignIn:
		got, err := c.uid(c.client.Cookie)
		if err != nil {
			return err
		}
		if got != UID {
			return fmt.Errorf("the new session holds %q, want %q", got, UID)
		}
	}
	if c.scenario == SignIn {
		if old := c.cookies[n-1]; !c.site.KeepsID {
			if old == c.client.Cookie {
				return errors.New("the cookie is the same after sign-in")
			}
			got, err := c.uid(old)
			if err != nil {
				return err
			}
			if got == UID {
				return errors.New("the cookie from before the sign-in opens the session")
			}
		}
	}
	return nil
}

func (c *siteCase) uid(cookie string) (string, error) {
	c.client.Cookie = cookie
	err := c.client.Do(c.site.Read)
	return c.client.Body(), err
}

// Client calls handlers as a browser with one cookie would.
type Client struct {
	Cookie string // what the Cookie header says; empty: none

	header http.Header
	body   []byte
	status int

	request *http.Request
	saved   http.Request
	line    []string
	leave   context.CancelFunc // a client that leaves; none does
}

// NewClient returns a client without a cookie. As far as handlers can tell, it speaks
// HTTPS, so that Secure cookies come back, and its requests have a context that may end,
// as those of net/http's server have.
func NewClient() *Client {
	ctx := context.WithValue(context.Background(), http.ServerContextKey, &http.Server{ReadHeaderTimeout: time.Minute})
	ctx, cancel := context.WithCancel(context.WithValue(ctx, http.LocalAddrContextKey, &net.TCPAddr{Port: 443})) //nolint:gosec // see Client.leave
	r := (&http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: "/"}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {"text/html"}, "User-Agent": {"bench"}}, Body: http.NoBody, Host: "example.com",
		RemoteAddr: "192.0.2.1:1234", RequestURI: "/", TLS: &tls.ConnectionState{},
	}).WithContext(ctx)
	return &Client{header: http.Header{}, body: make([]byte, 0, 4096), request: r, saved: *r, line: []string{""}, leave: cancel}
}

// Do calls a handler once. A cookie in the answer is kept.
func (c *Client) Do(h http.Handler) error {
	// Some libraries write to the request; each gets one as the server would make it.
	*c.request = c.saved
	if c.Cookie == "" {
		delete(c.request.Header, "Cookie")
	} else {
		c.line[0] = c.Cookie
		c.request.Header["Cookie"] = c.line
	}
	clear(c.header)
	c.body, c.status = c.body[:0], 0
	h.ServeHTTP(c, c.request)
	if c.status != 0 && c.status != http.StatusOK {
		return fmt.Errorf("status %d: %.200q", c.status, c.body)
	}
	if set := c.header["Set-Cookie"]; len(set) > 0 {
		c.Cookie = set[0]
		if i := strings.IndexByte(c.Cookie, ';'); i >= 0 {
			c.Cookie = c.Cookie[:i]
		}
	}
	return nil
}

// Begin calls a handler that must answer OK and give a cookie.
func (c *Client) Begin(h http.Handler) error {
	if err := c.Do(h); err != nil {
		return err
	}
	if !bytes.Equal(c.body, []byte(OK)) || c.Cookie == "" {
		return fmt.Errorf("a session does not begin: answer %.100q, cookie %q", c.body, c.Cookie)
	}
	return nil
}

// Body returns the last answer.
func (c *Client) Body() string { return string(c.body) }

// Header implements http.ResponseWriter.
func (c *Client) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *Client) WriteHeader(status int) { c.status = status }

// Write implements http.ResponseWriter.
func (c *Client) Write(b []byte) (int, error) {
	c.body = append(c.body, b...)
	return len(b), nil
}

// WriteString implements io.StringWriter, as the server's writer does.
func (c *Client) WriteString(s string) (int, error) {
	c.body = append(c.body, s...)
	return len(s), nil
}
