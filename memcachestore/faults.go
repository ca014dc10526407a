package memcachestore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// verdict is what an error says about the command that it answers.
type verdict int

const (
	unknown verdict = iota // nothing: it may have been performed, or still be
	unsent                 // it never reached the server whole, over this connection
	refused                // it was not performed
)

func judge(err error) verdict {
	switch {
	case errors.Is(err, errStale):
		return unsent
	case errors.As(err, new(tooLateError)), unreachable(err), errors.Is(err, errNoCAS),
		errors.Is(err, memcache.ErrNoServers), errors.Is(err, memcache.ErrMalformedKey):
		return refused
	case final(said(err)):
		return refused
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "write" {
		// A command ends with what is written last, and without its end it is none.
		return unsent
	}
	return unknown
}

// unreachable reports whether the connection could not be made.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var slow *memcache.ConnectTimeoutError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) || errors.As(err, &slow)
}

func timedOut(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// said returns what the server answered in place of a result, such as "SERVER_ERROR out
// of memory storing object". The client has it in the texts of its errors only, quoted.
func said(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		if !strings.HasPrefix(text, "memcache: unexpected ") {
			continue
		}
		for _, word := range [...]string{`"SERVER_ERROR`, `"CLIENT_ERROR`, `"ERROR`} {
			if i := strings.Index(text, word); i >= 0 {
				line, _, _ := strings.Cut(text[i+1:], `\r`)
				return strings.TrimRight(line, `"`)
			}
		}
	}
	return ""
}

const (
	saidTooLarge  = "SERVER_ERROR object too large"
	saidMemory    = "SERVER_ERROR out of memory"
	saidTooMany   = "ERROR Too many open connections"
	saidPassword  = "CLIENT_ERROR unauthenticated"
	serverTrouble = "SERVER_ERROR"
)

// final reports whether an answer means that nothing was done. A proxy answers
// SERVER_ERROR also when it lost the server, and then nobody knows.
func final(answer string) bool {
	return answer != "" && (!strings.HasPrefix(answer, serverTrouble) ||
		strings.HasPrefix(answer, saidTooLarge) || strings.HasPrefix(answer, saidMemory))
}

var errNoCAS = errors.New("the server gives no cas ids, so changes that overlap would be lost")

// The remedies, for people who have not read the documentation of all that is involved.
const (
	remedyNoServers = "memcache.New drops the list if one name in it cannot be looked up: use Open, or SetServers and its error"
	remedyNoCAS     = "start memcached without -C"
	remedyAway      = "check that memcached runs and listens there; its sessions are unavailable until it does"
	remedyTimeout   = "no answer in time: check the server, and the client's Timeout"
	remedyMemory    = "memcached is full and must not evict: give it more memory, -m, or start it without -M"
	remedyTooLarge  = "raise memcached's -I and Options.MaxItemBytes, or lower Config.MaxBytes"
	remedyTooMany   = "raise memcached's -c, or lower Options.MaxIdleConns"
	remedyPassword  = "the client cannot authenticate: start memcached without -Y, or use TLS with client certificates"
	remedyBroke     = "the connection broke: check that the server runs"
)

func remedyOf(err error) string {
	answer := said(err)
	switch {
	case errors.Is(err, memcache.ErrNoServers):
		return remedyNoServers
	case errors.Is(err, errNoCAS):
		return remedyNoCAS
	case strings.HasPrefix(answer, saidMemory):
		return remedyMemory
	case strings.HasPrefix(answer, saidTooLarge):
		return remedyTooLarge
	case strings.HasPrefix(answer, saidTooMany):
		return remedyTooMany
	case strings.HasPrefix(answer, saidPassword):
		return remedyPassword
	case unreachable(err):
		return remedyAway
	case timedOut(err):
		return remedyTimeout
	case broke(err):
		return remedyBroke
	}
	return ""
}

// storeError keeps the client's error for errors.Is and errors.As, but not its text
// where that may hold parts of a session.
type storeError struct {
	op, text string
	err      error
}

func (e *storeError) Error() string { return "memcachestore: " + e.op + ": " + e.text }
func (e *storeError) Unwrap() error { return e.err }

// failed says which operation went wrong, why, and what to do about it.
func (s *Store) failed(ctx context.Context, op string, err error) error {
	text := describe(err)
	if remedy := remedyOf(err); remedy != "" {
		text += " (" + remedy + ")"
	}
	switch {
	case strings.HasPrefix(said(err), saidMemory):
		err = fmt.Errorf("%w: %w", beaker.ErrStoreFull, err)
	case ended(ctx) != nil:
		err = fmt.Errorf("%w: %w", ended(ctx), err)
	}
	return &storeError{op, text, err}
}

// failedWrite is failed for an item that was not stored.
func (s *Store) failedWrite(ctx context.Context, op string, it *memcache.Item, err error) error {
	if strings.HasPrefix(said(err), saidTooLarge) {
		return &tooLargeError{op, beaker.TooLargeError{Bytes: itemBytes(it)}}
	}
	return s.failed(ctx, op, err)
}

// uncertain is failed for a change that may have been made all the same.
func (s *Store) uncertain(ctx context.Context, op string, err error) error {
	var done *storeError
	if !errors.As(err, &done) {
		err = s.failed(ctx, op, err)
	}
	return fmt.Errorf("%w: %w", beaker.ErrUncertain, err)
}

// describe returns the text of err if it is known to hold nothing of a session. The
// client quotes lines that it does not understand, and after a mistake of whoever
// answers a line can be anything.
func describe(err error) string {
	if answer := said(err); answer != "" {
		return "the server says " + answer
	}
	if strings.HasPrefix(err.Error(), "memcache: unexpected ") {
		return "the server's answer is not understood; errors.Unwrap has it"
	}
	return err.Error()
}

// ended is ctx.Err, but does not wait for the timer.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) { //nolint:forbidigo // a real wait, not session time
		return context.DeadlineExceeded
	}
	return nil
}

// itemBytes is what memcached counts: with its header, the cas id, and the ends of key
// and value.
func itemBytes(it *memcache.Item) int { return len(it.Key) + len(it.Value) + 48 + 8 + 1 + 2 }

// checkSize finds out before it is sent that an item is too large.
func (s *Store) checkSize(op string, it *memcache.Item) error {
	if n := itemBytes(it); n > s.o.MaxItemBytes {
		return &tooLargeError{op, beaker.TooLargeError{Bytes: n, MaxBytes: s.o.MaxItemBytes}}
	}
	return nil
}

// tooLargeError is a *beaker.TooLargeError with the remedy that helps here. MaxBytes is
// 0 where only the server knows.
type tooLargeError struct {
	op    string
	inner beaker.TooLargeError
}

func (e *tooLargeError) Error() string {
	limit := "more than the server takes"
	if e.inner.MaxBytes > 0 {
		limit = fmt.Sprintf("at most %d are allowed", e.inner.MaxBytes)
	}
	return fmt.Sprintf("memcachestore: %s: item too large: %d bytes, %s (%s)", e.op, e.inner.Bytes, limit, remedyTooLarge)
}

func (e *tooLargeError) Unwrap() error { return &e.inner }
