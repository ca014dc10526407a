package memcachestore

import (
	"context"
	"errors"
	"io"
	"net"
)

// tooLateError is a context that ended before a command was sent.
type tooLateError struct{ err error }

func (e tooLateError) Error() string { return e.err.Error() }
func (e tooLateError) Unwrap() error { return e.err }

// trip makes a round trip, unless ctx has ended. It is made again, over another
// connection, while again says so of its error. Doubt means that an attempt before the
// last one may have been performed.
func (s *Store) trip(ctx context.Context, do func() error, again func(error) bool) (doubt bool, err error) {
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return doubt, tooLateError{err}
		}
		err := do()
		if err == nil || n > s.tries(err) || !again(err) {
			return doubt, err
		}
		doubt = doubt || judge(err) == unknown
	}
}

// tries is how often a round trip is made again after an error, less one: as often as
// dead connections can be at hand. Where these are noticed before they are used, others
// are new, and to make one after the other would be an attack on whoever closes them.
func (s *Store) tries(err error) int {
	if s.own && !errors.Is(err, errStale) {
		return 0
	}
	return s.dead
}

// read makes a round trip that may be repeated, which is done if the connection broke,
// but not if the server was waited for in vain.
func (s *Store) read(ctx context.Context, do func() error) error {
	_, err := s.trip(ctx, do, broke)
	return err
}

// write makes a round trip that is repeated only if it did not reach the server.
func (s *Store) write(ctx context.Context, do func() error) error {
	_, err := s.trip(ctx, do, func(err error) bool { return judge(err) == unsent && !timedOut(err) })
	return err
}

// broke reports whether an error is the end of a connection that was open.
func broke(err error) bool {
	switch judge(err) {
	case unsent:
		return !timedOut(err)
	case unknown:
		var op *net.OpError
		return (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op)) && !timedOut(err)
	case refused:
	}
	return false
}
