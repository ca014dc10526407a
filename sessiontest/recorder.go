package sessiontest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// handlerTransport runs a handler in process, and keeps to what a client of a real
// server would see: httptest.ResponseRecorder forgets informational responses, accepts
// bodies where HTTP has none, and lets the client's context values through.
type handlerTransport struct{ handler http.Handler }

var errAborted = errors.New("sessiontest: the handler aborted the response")

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	client := req.Context()
	// A server knows neither the client's context values nor its deadline, only that it
	// is gone.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(client, cancel)()

	rec := &recorder{method: req.Method, header: http.Header{}, length: -1}
	if trace := httptrace.ContextClientTrace(client); trace != nil {
		rec.early = trace.Got1xxResponse
	}
	aborted := serve(t.handler, rec, serverRequest(ctx, req))
	return rec.response(req, client.Err(), aborted)
}

// serve reports whether the handler aborted. Any other panic is the test's.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		switch e := recover(); e {
		case nil:
		case http.ErrAbortHandler: // net/http compares it so too
			aborted = true
		default:
			panic(e)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

// serverRequest is the request as net/http's server would have read it.
func serverRequest(ctx context.Context, req *http.Request) *http.Request {
	r := (&http.Request{
		Method: req.Method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL:  &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery, ForceQuery: req.URL.ForceQuery},
		Host: req.Host, Header: req.Header.Clone(), Body: req.Body, ContentLength: req.ContentLength,
		TransferEncoding: req.TransferEncoding, Trailer: req.Trailer,
		RemoteAddr: "192.0.2.1:1234", RequestURI: req.URL.RequestURI(),
	}).WithContext(ctx)
	if r.URL.Path == "" {
		r.URL.Path = "/"
	}
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if req.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: req.URL.Hostname()}
	}
	return r
}

// recorder is the ResponseWriter of handlerTransport.
type recorder struct {
	mu          sync.Mutex
	method      string
	header      http.Header // the handler's, which it may go on changing
	sent        http.Header // as it was when the response began; nil: not begun
	status      int
	length      int64 // Content-Length as the handler declared it, or -1
	body        bytes.Buffer
	written     int64
	sniff       []byte // what was written before the first flush, for the content type
	flushed     bool
	superfluous int
	early       func(int, textproto.MIMEHeader) error
}

var (
	_ http.Flusher    = (*recorder)(nil)
	_ io.StringWriter = (*recorder)(nil)
)

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *recorder) writeHeader(status int) {
	if status < 100 || status > 999 {
		panic("sessiontest: invalid WriteHeader code " + strconv.Itoa(status)) // as net/http does
	}
	if w.sent != nil {
		w.superfluous++
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		if w.early != nil {
			_ = w.early(status, textproto.MIMEHeader(w.header.Clone())) // an error would end the request, and ours returns none
		}
		return
	}
	w.status, w.sent = status, w.header.Clone()
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		w.length = n
	}
}

func (w *recorder) Write(b []byte) (int, error) { return write(w, b) }

func (w *recorder) WriteString(s string) (int, error) { return write(w, s) }

func write[T []byte | string](w *recorder, data T) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent == nil {
		w.writeHeader(http.StatusOK)
	}
	if len(data) == 0 {
		return 0, nil
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if w.written += int64(len(data)); w.length >= 0 && w.written > w.length {
		return 0, http.ErrContentLength
	}
	if !w.flushed && len(w.sniff) < sniffBytes {
		w.sniff = append(w.sniff, data[:min(len(data), sniffBytes)]...)
	}
	if w.method == http.MethodHead {
		return len(data), nil
	}
	return w.body.Write([]byte(data))
}

func (w *recorder) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent == nil {
		w.writeHeader(http.StatusOK)
	}
	w.flushed = true
}

// FlushError is for http.ResponseController; a recorder is never disconnected.
func (w *recorder) FlushError() error { w.Flush(); return nil }

// SetReadDeadline and SetWriteDeadline are for http.ResponseController: handlers that
// stream use them, and here nothing is slow.
func (w *recorder) SetReadDeadline(time.Time) error { return nil }

func (w *recorder) SetWriteDeadline(time.Time) error { return nil }

// EnableFullDuplex is for http.ResponseController; in process there is no half.
func (w *recorder) EnableFullDuplex() error { return nil }

const sniffBytes = 512 // as much as http.DetectContentType looks at

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// response returns what the client gets. What was not flushed when a response breaks
// off has not left the server.
func (w *recorder) response(req *http.Request, gone error, aborted bool) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	broken := gone
	if aborted {
		broken = errAborted
	}
	if broken != nil && !w.flushed {
		return nil, broken
	}
	if w.sent == nil {
		w.writeHeader(http.StatusOK)
	}
	if broken == nil && w.length > w.written && w.method != http.MethodHead && bodyAllowed(w.status) {
		broken = io.ErrUnexpectedEOF // net/http closes the connection
	}
	h := w.sent.Clone()
	if _, given := h["Content-Type"]; !given && h.Get("Content-Encoding") == "" && len(w.sniff) > 0 {
		h.Set("Content-Type", http.DetectContentType(w.sniff))
	}
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			h.Del(name) // a trailer, which browsers take no cookies from
		}
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, ContentLength: w.length, Request: req,
		Body: &recorded{Reader: bytes.NewReader(bytes.Clone(w.body.Bytes())), broken: broken, superfluous: w.superfluous},
	}, nil
}

// recorded is the body of a recorded response, with what only a recorder knows.
type recorded struct {
	*bytes.Reader
	broken      error
	superfluous int
}

func (b *recorded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.broken != nil {
		err = b.broken
	}
	return n, err
}

// WriteTo hides the Reader's, which knows nothing of broken.
func (b *recorded) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{b}) }

func (b *recorded) Close() error { return nil }
