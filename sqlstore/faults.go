package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// verdict is what an error says about the statement that it answers.
type verdict int

const (
	unknown verdict = iota // nothing: it may have been performed
	refused                // it was not performed
	again                  // it was not performed, and can be when it is repeated
)

func (e *engine) judge(err error) verdict {
	code := e.codeOf(err)
	switch {
	case code == "":
	case slices.Contains(e.again, code):
		return again
	case slices.ContainsFunc(e.unknown, func(prefix string) bool { return e.matches(code, prefix) }):
		return unknown
	default:
		return refused // the engine itself says so
	}
	if unreachable(err) {
		return refused
	}
	var safe interface{ SafeToRetry() bool } // pgx
	if errors.As(err, &safe) && safe.SafeToRetry() {
		return refused
	}
	// Also driver.ErrBadConn. A driver must not return it for what may have been
	// performed, and database/sql relies on that and repeats; but it is what is left
	// when the repeats failed too.
	return unknown
}

// matches compares codes; those of SQLSTATE begin with their class.
func (e *engine) matches(code, prefix string) bool {
	return code == prefix || e.classes && strings.HasPrefix(code, prefix)
}

// unreachable reports whether the connection could not be made.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// codeOf returns the engine's code in err, or nothing.
func (e *engine) codeOf(err error) string {
	if err == nil {
		return ""
	}
	if e.hook != nil {
		if code := e.hook(err); code != "" {
			return e.normal(code)
		}
	}
	return e.normal(e.code(err))
}

// normal cuts SQLite's extended result codes to the primary ones.
func (e *engine) normal(code string) string {
	if !e.primary {
		return code
	}
	if n, err := strconv.Atoi(code); err == nil {
		return strconv.Itoa(n & 0xff)
	}
	return code
}

func postgresCode(err error) string {
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) {
		return pg.SQLState()
	}
	return ""
}

func sqliteCode(err error) string {
	var lite interface{ Code() int }
	if errors.As(err, &lite) {
		return strconv.Itoa(lite.Code())
	}
	return ""
}

// mysqlCode reads "Error 1062 (23000): ...", which is how go-sql-driver/mysql prints
// its MySQLError: that has the number in a field only, which cannot be reached without
// importing the driver. What the server adds comes after it.
func mysqlCode(err error) string {
	if code := mysqlNumber(err.Error()); code != "" {
		return code
	}
	switch err := err.(type) { //nolint:errorlint // this is how errors are unwrapped
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			return mysqlCode(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			if code := mysqlCode(inner); code != "" {
				return code
			}
		}
	}
	return ""
}

func mysqlNumber(text string) string {
	rest, ok := strings.CutPrefix(text, "Error ")
	end := strings.IndexAny(rest, " :")
	if !ok || end < 0 {
		return ""
	}
	if _, err := strconv.ParseUint(rest[:end], 10, 16); err != nil {
		return ""
	}
	return rest[:end]
}

// ended is ctx.Err, but does not wait for the timer: a connection whose deadline is the
// context's fails a moment before the context does.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) { //nolint:forbidigo // a real wait, not session time
		return context.DeadlineExceeded
	}
	return nil
}

const (
	firstPause = time.Millisecond
	maxPause   = 128 * time.Millisecond
	// maxTries bounds the repeats where the context has no deadline.
	maxTries = 20
)

// retry repeats try as long as the engine asks for that.
func (e *engine) retry(ctx context.Context, try func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := try()
		if err == nil || e.judge(err) != again {
			return err
		}
		if _, limited := ctx.Deadline(); n >= maxTries && !limited {
			return err
		}
		if werr := sleep(ctx, jitter(pause)); werr != nil {
			return fmt.Errorf("%w; last: %w", werr, err)
		}
		pause = min(2*pause, maxPause)
	}
}

// jitter spreads those who met each other, so that they do not meet again.
func jitter(d time.Duration) time.Duration {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails
	return d/2 + d*time.Duration(b[0])/255
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
