package site

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// visitor sends requests to this site from inside, each through everything that a
// request from outside goes through. For the pages that show what requests do to each
// other it leads them to where they meet, which no browser without scripts can do.
type visitor struct {
	site   *Site
	of     *http.Request // where it comes from: address, host, browser
	cookie string        // as in the header Cookie
	set    []string      // all Set-Cookie lines that it was given
}

// answer is what a visitor was answered.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header is for http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader is for http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write is for http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// failed reports whether the answer is an error.
func (a *answer) failed() bool { return a.status >= http.StatusBadRequest }

// replay gives the answer to w.
func (a *answer) replay(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the client is gone
}

// onlyEnd is a context that ends with another one and has none of its values: in there
// are the session and the tally of the request that sends others.
type onlyEnd struct{ context.Context }

// Value is for context.Context.
func (onlyEnd) Value(any) any { return nil }

// send sends one request and waits for the answer. At hold it stops, if that is not nil.
func (v *visitor) send(method, path string, form url.Values, hold *hold) *answer {
	a := &answer{header: http.Header{}}
	defer func() {
		// As net/http does: one request that panics is no reason to end the program.
		if p := recover(); p != nil {
			v.site.log.LogAttrs(v.of.Context(), slog.LevelError, "panic", slog.String("path", path), slog.Any("value", p))
			a.status = http.StatusInternalServerError
		}
		if hold != nil {
			hold.leave()
		}
	}()
	ctx := context.WithValue(onlyEnd{v.of.Context()}, holdKey{}, hold)
	r := v.of.Clone(ctx)
	body := form.Encode()
	r.Method, r.URL, r.RequestURI = method, &url.URL{Path: path}, path
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.Header = http.Header{"User-Agent": v.of.Header["User-Agent"], "Content-Type": {"application/x-www-form-urlencoded"}}
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil
	v.site.ServeHTTP(a, r)
	a.WriteHeader(http.StatusOK)
	return a
}

// take keeps the cookies of an answer, as a browser does.
func (v *visitor) take(a *answer) {
	for _, line := range a.header["Set-Cookie"] {
		v.set = append(v.set, line)
		v.cookie, _, _ = strings.Cut(line, ";") // it has no others than the session's
	}
}

// hold is where a request stops until it may go on.
type hold struct {
	arrived chan struct{} // closed when it has stopped there, or is over
	goOn    chan struct{}
	came    bool
}

func newHold() *hold { return &hold{arrived: make(chan struct{}), goOn: make(chan struct{})} }

// stop is called by the request.
func (h *hold) stop(ctx context.Context) error {
	h.leave()
	select {
	case <-h.goOn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave tells that there is nothing to wait for any more.
func (h *hold) leave() {
	if !h.came {
		h.came = true
		close(h.arrived)
	}
}

type holdKey struct{}

// holdOf returns the request's, or nil.
func holdOf(ctx context.Context) *hold {
	h, _ := ctx.Value(holdKey{}).(*hold)
	return h
}
