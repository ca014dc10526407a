package beaker

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// Millis is a point in time: milliseconds since 1970 in UTC. It is what stores
// compare and keep, so that no store needs a time zone or a parser. Zero means
// that there is no such time.
type Millis int64

// MillisOf returns t cut to the millisecond; the zero time is 0.
func MillisOf(t time.Time) Millis {
	if t.IsZero() {
		return 0
	}
	return Millis(t.UnixMilli())
}

// Time returns m in UTC; 0 is the zero time.
func (m Millis) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// Add returns m+d, with d cut to the millisecond.
func (m Millis) Add(d time.Duration) Millis { return m + inMillis(d) }

func inMillis(d time.Duration) Millis { return Millis(d / time.Millisecond) }

// NoLimit, as an idle timeout, means that only the absolute deadline ends the
// session.
//
// It is a very long time and not a flag, so that "touched plus idle" is the same
// sum in every store, SQL and Lua included, and stays below 2^53.
const NoLimit = 9223372036854 * time.Millisecond

// RecordKey is what a record is stored under: a hash of the stable half of what the
// browser holds. It is not secret and does not open a session.
type RecordKey [32]byte

// String returns 64 lower-case hexadecimal digits.
func (k RecordKey) String() string { return hex.EncodeToString(k[:]) }

// Proof is a hash over the secret half of what the browser holds. A change must
// carry the record's current proof; a rotation replaces it. It opens nothing, yet
// it is printed nowhere.
type Proof [32]byte

// IsZero reports whether p is the zero proof, which matches no record.
func (p Proof) IsZero() bool { return p == Proof{} }

// equal compares in constant time.
func (p Proof) equal(q Proof) bool { return subtle.ConstantTimeCompare(p[:], q[:]) == 1 }

// Version counts the data changes of a record, from 1. A touch does not raise it.
type Version uint64

// Limits bound the values of a session; zero means no limit.
type Limits struct {
	MaxBytes int // encoded names and values
	MaxKeys  int
}

// Meta is everything in a record but its values, for stores that keep it in columns
// or fields.
type Meta struct {
	Key       RecordKey
	Proof     Proof   // of whoever holds the session now
	PrevProof Proof   // the one before the last rotation; zero before the first
	PrevUntil Millis  // until when the previous proof still reads and applies
	RotatedAt Millis  // when the proof was last replaced; zero: never
	Version   Version // 1 for a new record
	Created   Millis
	Touched   Millis        // when it was last used
	Idle      time.Duration // how long it lives after Touched, in whole milliseconds; NoLimit
	Absolute  Millis        // when it ends in any case

	Subject         string // whose session it is; empty: anonymous
	AuthenticatedAt Millis // when the request began that set Subject

	Cookie *CookieAttributes // this session's own; nil: the manager's
}

// Record is one stored session. It is opaque and immutable: a store may share one
// between callers, and a change makes a new one (see [Merge]). The zero Record is
// not valid; records come from [NewRecord], [ParseRecord], [RestoreRecord] and Merge.
type Record struct {
	key     RecordKey
	proof   Proof
	rot     *rotated // nil: never rotated. Apart, because most records never are
	cookie  *CookieAttributes
	version Version
	created Millis
	touched Millis
	idle    Millis
	abs     Millis
	authAt  Millis
	subject string
	values  string // encoded, sorted by name: see binary.go. A string, so that nobody can write to it
	hint    any
}

type rotated struct {
	prev  Proof
	until Millis
	at    Millis
}

// maxMillis keeps sums of two times exact in a Lua number (2^53).
const maxMillis = Millis(1) << 51

const maxSubjectBytes = 255

var errMeta = errors.New("beaker: invalid record")

// NewRecord makes a record of its parts. It fails on parts that no correct caller
// has: a zero key or proof, a time out of range, a subject that is not valid.
func NewRecord(meta Meta, values []Value) (*Record, error) {
	enc, err := encodeValues(values)
	if err != nil {
		return nil, err
	}
	return newRecord(meta, enc)
}

// RestoreRecord is NewRecord for values in the form that AppendValues gave.
func RestoreRecord(meta Meta, values []byte) (*Record, error) {
	enc := string(values)
	if err := checkValues(enc); err != nil {
		return nil, err
	}
	return newRecord(meta, enc)
}

func newRecord(m Meta, values string) (*Record, error) {
	idle := Millis(m.Idle / time.Millisecond)
	switch {
	case m.Key == RecordKey{}:
		return nil, fmt.Errorf("%w: zero key", errMeta)
	case m.Proof.IsZero():
		return nil, fmt.Errorf("%w: zero proof", errMeta)
	case m.Version == 0 || m.Version > 1<<53:
		return nil, fmt.Errorf("%w: version out of range", errMeta)
	case idle <= 0:
		return nil, fmt.Errorf("%w: idle timeout must be at least a millisecond", errMeta)
	}
	for _, t := range [...]Millis{m.PrevUntil, m.RotatedAt, m.Created, m.Touched, m.Absolute, m.AuthenticatedAt} {
		if t < 0 || t > maxMillis {
			return nil, fmt.Errorf("%w: time out of range", errMeta)
		}
	}
	if err := checkSubject(m.Subject); err != nil {
		return nil, err
	}
	r := &Record{
		key: m.Key, proof: m.Proof, version: m.Version, created: m.Created, touched: m.Touched,
		idle: idle, abs: m.Absolute, authAt: m.AuthenticatedAt, subject: m.Subject, values: values,
	}
	if !m.PrevProof.IsZero() {
		r.rot = &rotated{prev: m.PrevProof, until: m.PrevUntil, at: m.RotatedAt}
	} else if m.PrevUntil != 0 || m.RotatedAt != 0 {
		return nil, fmt.Errorf("%w: a rotation without a previous proof", errMeta)
	}
	if m.Cookie != nil {
		if _, err := m.Cookie.MarshalBinary(); err != nil {
			return nil, err
		}
		c := *m.Cookie
		r.cookie = &c
	}
	return r, nil
}

func checkSubject(s string) error {
	switch {
	case len(s) > maxSubjectBytes:
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrInvalidSubject, len(s), maxSubjectBytes)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: it is not UTF-8", ErrInvalidSubject)
	case strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 }):
		return fmt.Errorf("%w: it contains control characters", ErrInvalidSubject)
	}
	return nil
}

// Meta returns a copy of everything but the values.
func (r *Record) Meta() Meta {
	m := Meta{
		Key: r.key, Proof: r.proof, Version: r.version, Created: r.created, Touched: r.touched,
		Idle: r.Idle(), Absolute: r.abs, Subject: r.subject, AuthenticatedAt: r.authAt,
	}
	if r.rot != nil {
		m.PrevProof, m.PrevUntil, m.RotatedAt = r.rot.prev, r.rot.until, r.rot.at
	}
	if r.cookie != nil {
		c := *r.cookie
		m.Cookie = &c
	}
	return m
}

// Key returns what the record is stored under.
func (r *Record) Key() RecordKey { return r.key }

// Version returns the record's version.
func (r *Record) Version() Version { return r.version }

// Subject returns whose session it is; empty means anonymous.
func (r *Record) Subject() string { return r.subject }

// Touched returns when the session was last used.
func (r *Record) Touched() Millis { return r.touched }

// Idle returns how long the session lives after Touched.
func (r *Record) Idle() time.Duration { return time.Duration(r.idle) * time.Millisecond }

// AuthenticatedAt returns when the request began that set the subject.
func (r *Record) AuthenticatedAt() Millis { return r.authAt }

// Expires returns when the session ends: the earlier of the absolute deadline and
// touched plus idle. It is expired at that very millisecond.
func (r *Record) Expires() Millis { return min(r.abs, r.touched+r.idle) }

// Expired reports whether the session is expired at now.
func (r *Record) Expired(now Millis) bool { return now >= r.Expires() }

// Hint returns what WithHint stored: the store's own token for this record, such as
// memcached's cas unique. It is never encoded.
func (r *Record) Hint() any { return r.hint }

// WithHint returns a copy of r that carries the store's own token.
func (r *Record) WithHint(hint any) *Record {
	c := *r
	c.hint = hint
	return &c
}

// Size returns about how many bytes of memory the record takes.
func (r *Record) Size() int {
	const fixed = 176 + 64 // the struct, and what a map needs for it
	n := fixed + len(r.values) + len(r.subject)
	if r.rot != nil {
		n += 48
	}
	if r.cookie != nil {
		n += 64 + len(r.cookie.Domain) + len(r.cookie.Path)
	}
	return n
}

// ProofStatus says what a proof is to a record.
type ProofStatus int

const (
	// ProofDead opens nothing: it never belonged to the record, or not for a long time.
	ProofDead ProofStatus = iota
	// ProofReplaced opens nothing, but was the current one until a moment ago: a
	// request that was in flight while the session was given a new secret.
	ProofReplaced
	// ProofPrevious reads and applies, and must not rotate: it is in its grace.
	ProofPrevious
	// ProofCurrent may do everything.
	ProofCurrent
)

// inFlight is how long after a rotation the replaced proof is taken for a request
// that was under way, and not for a stolen cookie.
const inFlight = Millis(60_000)

// CheckProof compares in constant time.
func (r *Record) CheckProof(p Proof, now Millis) ProofStatus {
	if p.IsZero() {
		return ProofDead
	}
	if subtle.ConstantTimeCompare(p[:], r.proof[:]) == 1 {
		return ProofCurrent
	}
	if r.rot == nil || subtle.ConstantTimeCompare(p[:], r.rot.prev[:]) != 1 {
		return ProofDead
	}
	switch {
	case now < r.rot.until:
		return ProofPrevious
	case now < max(r.rot.at, r.rot.until)+inFlight:
		return ProofReplaced
	}
	return ProofDead
}

// Len returns how many values the record holds, internal ones included.
func (r *Record) Len() int { return countValues(r.values) }

// Lookup finds one value without decoding the others.
func (r *Record) Lookup(name string) (data string, ok bool) { return findValue(r.values, name) }

// Values iterates over names and encoded values, sorted by name.
func (r *Record) Values() iter.Seq2[string, string] { return eachValue(r.values) }
