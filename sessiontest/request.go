package sessiontest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
)

// Response is what came back. The body has been read.
type Response struct {
	Status int // 0 if there was no response; see Err
	Header http.Header
	Body   string

	// SetCookies says what the browser did with each Set-Cookie line, in their order.
	SetCookies []Verdict

	// Early are the informational responses (1xx) that came before.
	Early []EarlyResponse

	// Request is what was sent, cookies included.
	Request *http.Request

	// Err says why there is no response, or why it broke off: the handler aborted,
	// the request's context ended, the connection failed.
	Err error

	body        []byte // of the request
	initiator   *url.URL
	embedded    bool
	superfluous int
}

// EarlyResponse is an informational response, such as 103 Early Hints.
type EarlyResponse struct {
	Status int
	Header http.Header
}

// SetCookie returns the verdict on the last Set-Cookie line for a name.
func (r *Response) SetCookie(name string) (v Verdict, ok bool) {
	for _, verdict := range r.SetCookies {
		if verdict.Cookie.Name == name {
			v, ok = verdict, true
		}
	}
	return v, ok
}

// String returns method, URL, status and verdicts, for a test's log. It leaves out
// bodies and cookies' values.
func (r *Response) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d", r.Request.Method, r.Request.URL, r.Status)
	if r.Err != nil {
		fmt.Fprintf(&b, " (%v)", r.Err)
	}
	for _, v := range r.SetCookies {
		fmt.Fprintf(&b, "; %v", v)
	}
	return b.String()
}

// Get requests a URL, which may be relative, as if the user had typed it.
func (b *Browser) Get(ref string) *Response {
	if t := b.strict(); t != nil {
		t.Helper()
	}
	return b.Do(b.newRequest(http.MethodGet, ref, ""))
}

// PostForm submits a form: one of b's own site, unless From says otherwise.
func (b *Browser) PostForm(ref string, form url.Values) *Response {
	if t := b.strict(); t != nil {
		t.Helper()
	}
	req := b.newRequest(http.MethodPost, ref, form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.Do(req)
}

func (b *Browser) newRequest(method, ref, body string) *http.Request {
	req, err := http.NewRequestWithContext(context.Background(), method, b.resolve(ref).String(), strings.NewReader(body))
	if err != nil {
		panic("sessiontest: " + err.Error()) // the URL was parsed before
	}
	return req
}

// Do sends a request, made by http.NewRequest or httptest.NewRequest, with what a
// browser adds: its cookies, Origin, User-Agent and the Sec-Fetch headers. A header
// that the request has already is left as it is; with a Cookie header of its own, it
// brings that and none of b's cookies. If the URL has no host, it is b's origin's.
//
// A request that is not a GET or HEAD comes from a page of the URL's own origin, unless
// From says otherwise. When req's context ends, the handler sees that the client is
// gone, and Do returns when the handler has.
func (b *Browser) Do(req *http.Request) *Response {
	if t := b.strict(); t != nil {
		t.Helper()
	}
	resp := &Response{}
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
			resp.Early = append(resp.Early, EarlyResponse{status, http.Header(h)})
			return nil
		},
	})
	out := req.Clone(ctx)
	out.RequestURI = ""
	if out.URL.Host == "" {
		out.URL = b.base.ResolveReference(out.URL)
		out.Host = ""
	}
	resp.Request = out
	if out.Method == "" {
		out.Method = http.MethodGet
	}
	if err := resp.takeBody(out); err != nil {
		resp.Err = err
		return b.judge(resp, nil, nil)
	}

	initiator := b.initiator
	navigates := out.Method == http.MethodGet || out.Method == http.MethodHead
	if initiator == nil && (!navigates || b.embedded) {
		initiator = out.URL
	}
	resp.initiator, resp.embedded = initiator, b.embedded
	b.mu.Lock()
	x := b.exchange(out.Method, out.URL, initiator)
	b.mu.Unlock()
	b.addHeaders(out, x, initiator)

	in, err := b.transport.RoundTrip(out)
	if err != nil {
		resp.Err = err
		return b.judge(resp, nil, nil)
	}
	defer func() { _ = in.Body.Close() }() // it was read to its end, or to its error
	body, err := io.ReadAll(in.Body)
	resp.Status, resp.Header, resp.Body, resp.Err = in.StatusCode, in.Header, string(body), err
	if rec, ok := in.Body.(*recorded); ok {
		resp.superfluous = rec.superfluous
	}
	return b.judge(resp, x, in.Header["Set-Cookie"])
}

// takeBody reads the request's body, since Follow may need it again.
func (r *Response) takeBody(out *http.Request) error {
	if out.Body == nil || out.Body == http.NoBody {
		out.Body = nil
		return nil
	}
	body, err := io.ReadAll(out.Body)
	err = errors.Join(err, out.Body.Close())
	if r.body = body; len(body) == 0 {
		out.Body, out.ContentLength = nil, 0
		return err
	}
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return err
}

func (b *Browser) addHeaders(out *http.Request, x *exchange, initiator *url.URL) {
	add := func(name, value string) {
		if _, ok := out.Header[name]; !ok && value != "" {
			out.Header.Set(name, value)
		}
	}
	b.mu.Lock()
	add("User-Agent", b.userAgent())
	add("Cookie", b.jar.header(x))
	trustworthy := isTrustworthy(out.URL, false) // what Safari does with cookies is another matter
	b.mu.Unlock()
	if out.Method != http.MethodGet && out.Method != http.MethodHead {
		add("Origin", originOf(initiator))
	}
	if !trustworthy {
		return
	}
	add("Sec-Fetch-Site", x.fetchSite(initiator))
	if b.embedded {
		add("Sec-Fetch-Mode", "no-cors")
		add("Sec-Fetch-Dest", "empty")
		return
	}
	add("Sec-Fetch-Mode", "navigate")
	add("Sec-Fetch-Dest", "document")
	add("Sec-Fetch-User", "?1")
}

// judge receives the response's cookies and looks at the invariants.
func (b *Browser) judge(resp *Response, x *exchange, lines []string) *Response {
	b.mu.Lock()
	if x != nil {
		x.now = b.now() // the handler may have moved the clock
	}
	for _, line := range lines {
		resp.SetCookies = append(resp.SetCookies, b.jar.receive(line, x))
	}
	problems := b.violations(resp, x)
	t := b.t
	if t == nil {
		b.problems = append(b.problems, problems...)
	}
	b.mu.Unlock()
	if t != nil {
		t.Helper()
		for _, p := range problems {
			t.Error(p)
		}
	}
	return resp
}

const maxRedirects = 20

// Follow follows the response's redirects as browsers do, and returns the response
// that is none, or the response itself if it is none. The requests come from the same
// page as the first one did, whichever view of b it is called on.
func (b *Browser) Follow(r *Response) *Response {
	if t := b.strict(); t != nil {
		t.Helper()
	}
	for range maxRedirects {
		location := r.Header.Get("Location")
		switch r.Status {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
			http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return r
		}
		to, err := r.Request.URL.Parse(location)
		if err != nil || location == "" {
			return r
		}
		view := &Browser{profile: b.profile, transport: b.transport, initiator: r.initiator, embedded: r.embedded}
		r = view.Do(redirected(r, to))
	}
	r.Err = errors.Join(r.Err, fmt.Errorf("sessiontest: more than %d redirects", maxRedirects))
	return r
}

func redirected(r *Response, to *url.URL) *http.Request {
	req := r.Request.Clone(r.Request.Context())
	req.URL, req.Host, req.Body, req.ContentLength = to, "", nil, 0
	for name := range req.Header {
		// The cookies are others now, and what the browser added depends on the URL.
		if name == "Cookie" || strings.HasPrefix(name, "Sec-Fetch-") {
			req.Header.Del(name)
		}
	}
	method := req.Method
	switch {
	case r.Status == http.StatusSeeOther && method != http.MethodHead,
		(r.Status == http.StatusMovedPermanently || r.Status == http.StatusFound) && method == http.MethodPost:
		req.Method = http.MethodGet
		for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Origin"} {
			req.Header.Del(name)
		}
	case len(r.body) > 0:
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(r.body)), int64(len(r.body))
	}
	return req
}
