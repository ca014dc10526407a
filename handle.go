package beaker

import (
	"encoding/hex"
	"errors"
)

// Handle names a session: in logs, in lists of devices, in a form that signs one of
// them out. It opens nothing, and it stays the same when the session gets a new
// secret. In text it is 64 hexadecimal digits, the same that stores show for the
// record's key, so an operator can find one by the other. The zero Handle names none.
type Handle RecordKey

var errHandle = errors.New("beaker: a handle is 64 hexadecimal digits")

// ParseHandle reads what String returned.
func ParseHandle(text string) (h Handle, err error) {
	err = h.UnmarshalText([]byte(text))
	return h, err
}

// String returns 64 lower-case hexadecimal digits.
func (h Handle) String() string { return RecordKey(h).String() }

// IsZero reports whether h names no session.
func (h Handle) IsZero() bool { return h == Handle{} }

// MarshalText returns what String returns.
func (h Handle) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText accepts lower-case digits only, so that a handle has one spelling.
func (h *Handle) UnmarshalText(text []byte) error {
	var b Handle
	if len(text) != 2*len(b) {
		return errHandle
	}
	if _, err := hex.Decode(b[:], text); err != nil || b.String() != string(text) {
		return errHandle
	}
	*h = b
	return nil
}
