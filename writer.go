package beaker

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// writer is the ResponseWriter that the handler gets. It commits the session before
// anything is sent. Every way in which a handler can send headers goes through here:
// what is not intercepted would send the response without the session's cookie.
//
// It is one pointer, so that no variant of it costs an allocation.
type writer struct{ rq *request }

// Unwrap is for http.ResponseController: deadlines and full duplex need no commit.
func (w writer) Unwrap() http.ResponseWriter { return w.rq.w }

func (w writer) beakerRequest() *request { return w.rq }

func (w writer) Header() http.Header { return w.rq.w.Header() }

func (w writer) WriteHeader(status int) {
	// An informational response is not the response: no cookie goes with it, and the
	// session may still change. 101 is final.
	informational := status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
	if !informational && w.rq.commit(status, deliver) != nil {
		return
	}
	w.rq.w.WriteHeader(status)
}

func (w writer) Write(b []byte) (int, error) {
	if err := w.rq.commit(http.StatusOK, deliver); err != nil {
		return 0, err
	}
	return w.rq.w.Write(b)
}

func (w writer) WriteString(s string) (int, error) {
	if err := w.rq.commit(http.StatusOK, deliver); err != nil {
		return 0, err
	}
	return io.WriteString(w.rq.w, s)
}

// ReadFrom keeps sendfile working where the outer writer has it.
func (w writer) ReadFrom(src io.Reader) (int64, error) {
	if err := w.rq.commit(http.StatusOK, deliver); err != nil {
		return 0, err
	}
	return io.Copy(w.rq.w, src)
}

func (w writer) flush() error {
	err := w.rq.commit(http.StatusOK, deliver)
	if ferr := http.NewResponseController(w.rq.w).Flush(); err == nil {
		err = ferr
	}
	return err
}

func (w writer) hijack() (net.Conn, *bufio.ReadWriter, error) {
	rq := w.rq
	if s := rq.loaded(); s != nil && !rq.sent && s.owesCookie() {
		return nil, nil, ErrCookieUndeliverable
	}
	committed := rq.sent
	if err := rq.commit(http.StatusSwitchingProtocols, withoutCookie); err != nil {
		return nil, nil, err
	}
	conn, buf, err := http.NewResponseController(rq.w).Hijack()
	if err != nil && !committed {
		rq.reopen() // the handler answers in another way, with headers
	}
	return conn, buf, err
}

func (w writer) push(target string, opts *http.PushOptions) error {
	for rw := w.rq.w; ; {
		if p, ok := rw.(http.Pusher); ok {
			return p.Push(target, opts)
		}
		u, ok := rw.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return http.ErrNotSupported
		}
		rw = u.Unwrap()
	}
}

// The variants offer what the outer writer, or one that it wraps, offers: a handler
// that asks "is this a Flusher?" gets the true answer, over HTTP/1 and over HTTP/2.
type (
	writerF   struct{ writer }
	writerH   struct{ writer }
	writerP   struct{ writer }
	writerFH  struct{ writer }
	writerFP  struct{ writer }
	writerHP  struct{ writer }
	writerFHP struct{ writer }
)

func (w writerF) Flush()              { _ = w.flush() } // http.Flusher has no error; FlushError has
func (w writerF) FlushError() error   { return w.flush() }
func (w writerFH) Flush()             { _ = w.flush() }
func (w writerFH) FlushError() error  { return w.flush() }
func (w writerFP) Flush()             { _ = w.flush() }
func (w writerFP) FlushError() error  { return w.flush() }
func (w writerFHP) Flush()            { _ = w.flush() }
func (w writerFHP) FlushError() error { return w.flush() }

func (w writerH) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w writerFH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerHP) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerFHP) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w writerP) Push(target string, o *http.PushOptions) error   { return w.push(target, o) }
func (w writerFP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w writerHP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w writerFHP) Push(target string, o *http.PushOptions) error { return w.push(target, o) }

const (
	canFlush = 1 << iota
	canHijack
	canPush
)

func abilities(w http.ResponseWriter) (can int) {
	for {
		switch w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			can |= canFlush
		}
		if _, ok := w.(http.Hijacker); ok {
			can |= canHijack
		}
		if _, ok := w.(http.Pusher); ok {
			can |= canPush
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return can
		}
		w = u.Unwrap()
	}
}

func (rq *request) writer() http.ResponseWriter {
	w := writer{rq}
	switch abilities(rq.w) {
	case canFlush:
		return writerF{w}
	case canHijack:
		return writerH{w}
	case canPush:
		return writerP{w}
	case canFlush | canHijack:
		return writerFH{w}
	case canFlush | canPush:
		return writerFP{w}
	case canHijack | canPush:
		return writerHP{w}
	case canFlush | canHijack | canPush:
		return writerFHP{w}
	}
	return w
}
