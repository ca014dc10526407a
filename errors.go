package beaker

import (
	"errors"
	"fmt"
)

// Errors of the [Store] contract. A store returns them wrapped or bare; callers
// compare with [errors.Is].
var (
	// ErrNotFound means that there is no such session: it was never created, it
	// ended, it expired, or the caller's proof was refused. Which of these it was
	// is deliberately not told apart.
	ErrNotFound = errors.New("beaker: session not found")

	// ErrExists means that Create met a record under the same key.
	ErrExists = errors.New("beaker: record exists")

	// ErrConflict means that the record no longer has the version named by
	// [Change.IfVersion]. Load again and retry.
	ErrConflict = errors.New("beaker: version conflict")

	// ErrCorrupt means that a record was found whose bytes do not decode.
	ErrCorrupt = errors.New("beaker: corrupt record")

	// ErrNewerFormat means that a record was written by a newer release in a form
	// that this one cannot read. It is an operator's problem (a rollback, a rolling
	// deploy in the wrong order), not corruption: the record is left alone and
	// requests are answered 503 until a release that reads it is back.
	ErrNewerFormat = errors.New("beaker: record has a newer format")

	// ErrRevoked means that every session of the subject was revoked after the
	// sign-in began. The session does not exist any more; sign in again.
	ErrRevoked = errors.New("beaker: subject revoked")

	// ErrUncertain means that the store cannot say whether a change was applied,
	// because the connection broke before the answer came. It is neither success
	// nor failure, and nothing is retried after it but what may be done twice.
	ErrUncertain = errors.New("beaker: outcome unknown")

	// ErrClosed means that the store or the manager was closed.
	ErrClosed = errors.New("beaker: closed")

	// ErrStoreFull means that a bounded store has no room and nothing in it that it
	// may evict.
	ErrStoreFull = errors.New("beaker: store is full")

	// ErrTooLarge means that a session would exceed its limits; see [TooLargeError].
	ErrTooLarge = errors.New("beaker: session too large")
)

// Errors of sessions and managers.
var (
	// ErrNoMiddleware means that the context did not pass through this manager's
	// [Manager.Wrap]. Wrap the handler (or the router) with it.
	ErrNoMiddleware = errors.New("beaker: no session in this context: the handler is not wrapped by this Manager's Wrap, or the context is not the request's")

	// ErrCommitted means that the change needs a cookie, but the response headers
	// have been sent, or the request is over. Change the session before the first
	// Write, WriteHeader or Flush.
	ErrCommitted = errors.New("beaker: the response headers are out: change the session before the first Write, WriteHeader or Flush")

	// ErrDestroyed means that the session was used after Destroy. Use Invalidate to
	// end a session and go on with a new one.
	ErrDestroyed = errors.New("beaker: session destroyed (use Invalidate to go on with a new one)")

	// ErrEnded means that the session ended, or was given a new secret, while this
	// request was using it: nothing was saved.
	ErrEnded = errors.New("beaker: session ended during this request")

	// ErrInert means that the session could not be loaded, so that nothing can be
	// written to it. It wraps the store's error where there is one.
	ErrInert = errors.New("beaker: session could not be loaded")

	// ErrCookieUndeliverable means that the connection is being taken over (Hijack)
	// while a session cookie still has to be sent. Change the session, answer, and
	// upgrade in the next request.
	ErrCookieUndeliverable = errors.New("beaker: cannot deliver the session cookie over a hijacked connection")

	// ErrInvalidName means that a value's name is not valid UTF-8, is longer than
	// 255 bytes or starts with a NUL byte.
	ErrInvalidName = errors.New("beaker: invalid value name")

	// ErrInvalidSubject means that a subject is not valid UTF-8, is longer than 255
	// bytes or contains control characters.
	ErrInvalidSubject = errors.New("beaker: invalid subject")

	// ErrInvalidTimeout means that SetIdleTimeout, SetAbsoluteTimeout or Grace was given
	// what no session can have.
	ErrInvalidTimeout = errors.New("beaker: invalid timeout")

	// ErrInUpdate means that a lifecycle method, Update or Take was called inside the
	// function given to Update, which may be run more than once. Call it outside.
	ErrInUpdate = errors.New("beaker: not possible inside Update")
)

// TooLargeError tells by how much a session exceeds its limits. It is
// [ErrTooLarge] to [errors.Is]. The stored session stays as it was.
type TooLargeError struct {
	Bytes, MaxBytes int // encoded names and values
	Keys, MaxKeys   int
}

func (e *TooLargeError) Error() string {
	if e.MaxKeys > 0 && e.Keys > e.MaxKeys {
		return fmt.Sprintf("beaker: session too large: %d keys, at most %d are allowed (Config.MaxKeys)", e.Keys, e.MaxKeys)
	}
	return fmt.Sprintf("beaker: session too large: %d bytes, at most %d are allowed (Config.MaxBytes)", e.Bytes, e.MaxBytes)
}

// Is makes errors.Is(err, ErrTooLarge) hold.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }
