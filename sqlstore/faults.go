package sqlstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
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

// failed says which operation went wrong, why, and what to do about it.
func (e *engine) failed(op string, err error) error {
	text := e.describe(err)
	if remedy := e.remedyOf(err); remedy != "" {
		text += " (" + remedy + ")"
	}
	return &storeError{op: op, text: text, err: err}
}

func (s *Store) failed(ctx context.Context, op string, err error) error {
	if cerr := ended(ctx); cerr != nil && !errors.Is(err, cerr) {
		// Drivers may tell of a timeout of theirs instead.
		err = fmt.Errorf("%w: %w", cerr, err)
	}
	return s.e.failed(op, err)
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

// failedWrite is failed for a statement that changes something; sent says whether the
// driver got as far as sending it.
func (s *Store) failedWrite(ctx context.Context, op string, err error, sent bool) error {
	out := s.failed(ctx, op, err)
	if sent && s.e.judge(err) == unknown {
		return fmt.Errorf("%w: %w", beaker.ErrUncertain, out)
	}
	return out
}

// storeError keeps the driver's error for errors.Is and errors.As, but not its text
// where that may hold parts of the DSN.
type storeError struct {
	op, text string
	err      error
}

func (e *storeError) Error() string { return "sqlstore: " + e.op + ": " + e.text }
func (e *storeError) Unwrap() error { return e.err }

// describe returns the text of err if it is known to hold no secret, and what is known
// of it otherwise.
func (e *engine) describe(err error) string {
	if e.quotesDSN(err) {
		return withoutDSN(err)
	}
	return err.Error()
}

// quotesDSN reports whether the text of err may hold parts of the DSN. What the engine
// says holds none. What is left are mostly complaints about the DSN.
func (e *engine) quotesDSN(err error) bool {
	text := strings.ToLower(err.Error())
	return e.codeOf(err) == "" && slices.ContainsFunc([]string{"://", "@", "password", "passwd", "pwd", "user="}, func(sign string) bool {
		return strings.Contains(text, sign)
	})
}

// withoutDSN describes an error whose text may quote the DSN by what it wraps.
func withoutDSN(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns):
		return "the server's name is not known" // it may be part of a password
	case errors.As(err, &op):
		return op.Error() // the part about the network
	case errors.As(err, &cert):
		return cert.Error()
	case strings.Contains(err.Error(), noTLS): // pgx has no type for it
		return noTLS
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded.Error()
	}
	return "the driver's message is withheld, as it may quote the DSN; errors.Unwrap has it"
}

const noTLS = "server refused TLS connection"

func (e *engine) remedyOf(err error) string {
	code := e.codeOf(err)
	if remedy := e.remedy[code]; remedy != "" {
		return remedy
	}
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case e.primary && code == "1" && strings.Contains(err.Error(), "no such "):
		return remedyMigrate // SQLite has one code for all mistakes in a statement
	case code != "":
		return ""
	case errors.As(err, &dns):
		return "check that the DSN has the server's name; in a URL, @ and / of a password are written %40 and %2F"
	case unreachable(err):
		return "check that the server runs and that the DSN has its address"
	case errors.As(err, &cert), strings.Contains(err.Error(), "TLS"):
		return "check what the DSN says about TLS (PostgreSQL: sslmode and sslrootcert; MySQL: tls)"
	case errors.Is(err, driver.ErrBadConn):
		return "the connection broke: check that the server runs"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ""
	}
	for d := SQLite; d <= MySQL; d++ {
		if other := d.engine(); other.name != e.name && other.code(err) != "" {
			return fmt.Sprintf("this is what %s says: give its dialect, or open the database with a driver for %s", other.name, e.name)
		}
	}
	if e.quotesDSN(err) {
		return "check the DSN"
	}
	return ""
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
