package beaker

import (
	"fmt"
	"io"
	"log/slog"
)

// The types of this file hold hashes of secrets or users' data. Whatever prints them
// (a log line, a panic, %+v in a test, a JSON dump) shows what they are and not what
// they hold. OWASP ASVS 5.0, 16.2.5.

func redacted(f fmt.State, what string) { _, _ = io.WriteString(f, what) }

// Format prints the type only.
func (p Proof) Format(f fmt.State, _ rune) { redacted(f, "beaker.Proof(redacted)") }

// LogValue prints the type only.
func (p Proof) LogValue() slog.Value { return slog.StringValue("beaker.Proof(redacted)") }

// MarshalText prints the type only.
func (p Proof) MarshalText() ([]byte, error) { return []byte("redacted"), nil }

func (r Record) text() string {
	return fmt.Sprintf("beaker.Record(%s version %d, %d values)", r.key, r.version, countValues(r.values))
}

// Format prints the key, the version and the number of values.
func (r Record) Format(f fmt.State, _ rune) { redacted(f, r.text()) }

// LogValue prints what Format prints.
func (r *Record) LogValue() slog.Value {
	if r == nil {
		return slog.StringValue("beaker.Record(nil)")
	}
	return slog.StringValue(r.text())
}

// MarshalText prints what Format prints; the stored form is AppendBinary's.
func (r Record) MarshalText() ([]byte, error) { return []byte(r.text()), nil }

func (ch Change) text() string {
	return fmt.Sprintf("beaker.Change(%d set, %d removed)", len(ch.Set), len(ch.Remove))
}

// Format prints the number of values set and removed.
func (ch Change) Format(f fmt.State, _ rune) { redacted(f, ch.text()) }

// LogValue prints what Format prints.
func (ch Change) LogValue() slog.Value { return slog.StringValue(ch.text()) }

// MarshalText prints what Format prints.
func (ch Change) MarshalText() ([]byte, error) { return []byte(ch.text()), nil }

// Format prints the length of the data only.
func (v Value) Format(f fmt.State, _ rune) {
	redacted(f, fmt.Sprintf("beaker.Value(%d bytes)", len(v.Data)))
}

// LogValue prints what Format prints.
func (v Value) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("beaker.Value(%d bytes)", len(v.Data)))
}

// MarshalText prints what Format prints.
func (v Value) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "beaker.Value(%d bytes)", len(v.Data)), nil
}

// Format prints the key and the version.
func (m Meta) Format(f fmt.State, _ rune) { redacted(f, m.text()) }

func (m Meta) text() string {
	return fmt.Sprintf("beaker.Meta(%s version %d)", m.Key, m.Version)
}

// LogValue prints what Format prints.
func (m Meta) LogValue() slog.Value { return slog.StringValue(m.text()) }

// MarshalText prints what Format prints.
func (m Meta) MarshalText() ([]byte, error) { return []byte(m.text()), nil }

func (i Info) text() string {
	if i.rec == nil {
		return "beaker.Info()"
	}
	return fmt.Sprintf("beaker.Info(%s)", i.rec.key)
}

// Format prints the handle only.
func (i Info) Format(f fmt.State, _ rune) { redacted(f, i.text()) }

// LogValue prints the handle only.
func (i Info) LogValue() slog.Value { return slog.StringValue(i.text()) }

// MarshalText prints the handle only.
func (i Info) MarshalText() ([]byte, error) { return []byte(i.text()), nil }
