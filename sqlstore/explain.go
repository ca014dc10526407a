package sqlstore

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/seed12c5fab1/beaker"
)

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
