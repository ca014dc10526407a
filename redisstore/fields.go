package redisstore

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// The fields of a session's hash. Values have the field valuePrefix and their name, so
// no name can be taken for one of these. Each is short enough (64 bytes) for the compact
// encoding that Redis gives to small hashes.
const (
	fieldMeta    = "m" // format, version, created, touched, idle, absolute: decimal, with spaces between them
	fieldCount   = "n" // how many values there are, and how many bytes they take
	fieldProof   = "p" // the proof, and the one before the last rotation: 32 bytes each
	fieldRotated = "r" // until when the previous proof is good, and when it was replaced; only after a rotation
	fieldSubject = "s" // when the sign-in began, and the subject; only if there is one
	fieldCookie  = "c" // attributes of a cookie of its own; only if it has them

	valuePrefix = ":"

	// format is the first number of fieldMeta. A session of a later one was written by
	// a newer release, and is left alone.
	format = 1
)

const (
	maxMillis  = int64(1) << 51 // beaker's own bound on times
	maxVersion = int64(1) << 53
)

// fieldsOf appends the fields of a record and their data to args.
func fieldsOf(args []string, rec *beaker.Record, m *beaker.Meta) ([]string, error) {
	var buf [160]byte
	b := strconv.AppendInt(buf[:0], format, 10)
	for _, n := range [...]int64{int64(m.Version), int64(m.Created), int64(m.Touched), int64(m.Idle / time.Millisecond), int64(m.Absolute)} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	args = append(args, fieldMeta, string(b))

	size := 0
	for name, data := range rec.Values() {
		size += sizeOf(len(name)) + sizeOf(len(data))
	}
	args = append(args, fieldCount, twoNumbers(int64(rec.Len()), int64(size)))

	proof := append(buf[:0], m.Proof[:]...)
	if !m.PrevProof.IsZero() {
		proof = append(proof, m.PrevProof[:]...)
		args = append(args, fieldRotated, twoNumbers(int64(m.PrevUntil), int64(m.RotatedAt)))
	}
	args = append(args, fieldProof, string(proof))
	if m.Subject != "" || m.AuthenticatedAt != 0 {
		args = append(args, fieldSubject, subjectField(m.AuthenticatedAt, m.Subject))
	}
	if m.Cookie != nil {
		c, err := m.Cookie.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("redisstore: %w", err)
		}
		args = append(args, fieldCookie, string(c))
	}
	for name, data := range rec.Values() {
		args = append(args, valuePrefix+name, data)
	}
	return args, nil
}

func twoNumbers(a, b int64) string {
	var buf [48]byte
	return string(strconv.AppendInt(append(strconv.AppendInt(buf[:0], a, 10), ' '), b, 10))
}

func subjectField(at beaker.Millis, subject string) string {
	return strconv.FormatInt(int64(at), 10) + " " + subject
}

// sizeOf is what n bytes take in beaker's encoding of values, which limits are on: they
// and their length, of which a byte holds seven bits.
func sizeOf(n int) int { return n + max(1, (bits.Len(uint(n))+6)/7) }

var errFields = errors.New("the fields of the hash do not fit together")

// recordOf returns the record that is in the hash of a session. The error is
// ErrNotFound, ErrCorrupt or ErrNewerFormat.
func recordOf(key *beaker.RecordKey, msg *rueidis.RedisMessage) (*beaker.Record, error) {
	fields, err := msg.AsMap()
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, beaker.ErrNotFound
	}
	meta := text(fields, fieldMeta)
	if f, _, ok := cutNumber(meta, maxVersion); ok && f > format {
		return nil, fmt.Errorf("%w: redisstore: format %d, this release reads up to %d", beaker.ErrNewerFormat, f, format)
	}
	rec, err := restore(key, meta, fields)
	switch {
	case err == nil:
		return rec, nil
	case errors.Is(err, beaker.ErrCorrupt):
		return nil, err
	}
	return nil, fmt.Errorf("%w: redisstore: %w", beaker.ErrCorrupt, err)
}

func restore(key *beaker.RecordKey, meta string, fields map[string]rueidis.RedisMessage) (*beaker.Record, error) {
	var n [6]int64
	if !numbers(meta, n[:]) || n[0] != format {
		return nil, errFields
	}
	m := beaker.Meta{
		Key: *key, Version: beaker.Version(n[1]), Created: beaker.Millis(n[2]), Touched: beaker.Millis(n[3]), Absolute: beaker.Millis(n[5]),
	}
	if n[4] <= 0 || n[4] > int64(beaker.NoLimit/time.Millisecond) {
		return nil, errFields
	}
	m.Idle = time.Duration(n[4]) * time.Millisecond

	proof := text(fields, fieldProof)
	var rotated [2]int64
	switch r := text(fields, fieldRotated); {
	case len(proof) == len(m.Proof) && r == "":
	case len(proof) == 2*len(m.Proof) && numbers(r, rotated[:]):
		copy(m.PrevProof[:], proof[len(m.Proof):])
		m.PrevUntil, m.RotatedAt = beaker.Millis(rotated[0]), beaker.Millis(rotated[1])
	default:
		return nil, errFields
	}
	copy(m.Proof[:], proof)

	if s := text(fields, fieldSubject); s != "" {
		at, subject, ok := cutNumber(s, maxMillis)
		if !ok || subject == "" {
			return nil, errFields
		}
		m.AuthenticatedAt, m.Subject = beaker.Millis(at), subject[1:]
	}
	if c, ok := fields[fieldCookie]; ok {
		b, err := c.AsBytes()
		if err != nil {
			return nil, err
		}
		m.Cookie = new(beaker.CookieAttributes)
		if err := m.Cookie.UnmarshalBinary(b); err != nil {
			return nil, err
		}
	}

	var count [2]int64
	if !numbers(text(fields, fieldCount), count[:]) || count[0] > int64(len(fields)) {
		return nil, errFields
	}
	values := make([]beaker.Value, 0, count[0])
	size := 0
	for field, data := range fields {
		name, ok := strings.CutPrefix(field, valuePrefix)
		if !ok {
			continue // a field of a later release that this one can do without
		}
		b, err := data.AsBytes()
		if err != nil {
			return nil, err
		}
		size += sizeOf(len(name)) + sizeOf(len(b))
		values = append(values, beaker.Value{Name: name, Data: b})
	}
	if len(values) != int(count[0]) || size != int(count[1]) {
		return nil, errFields // edited by hand, or a script was stopped half way
	}
	slices.SortFunc(values, func(a, b beaker.Value) int { return strings.Compare(a.Name, b.Name) })
	return beaker.NewRecord(m, values)
}

func text(fields map[string]rueidis.RedisMessage, name string) string {
	msg, ok := fields[name]
	if !ok {
		return ""
	}
	s, err := msg.ToString()
	if err != nil {
		return ""
	}
	return s
}

// numbers reads decimal numbers with one space between them, and nothing else.
func numbers(s string, into []int64) bool {
	for i := range into {
		if i > 0 {
			if s == "" || s[0] != ' ' {
				return false
			}
			s = s[1:]
		}
		n, rest, ok := cutNumber(s, maxVersion)
		if !ok {
			return false
		}
		into[i], s = n, rest
	}
	return s == ""
}

// cutNumber cuts a decimal number off s, which must end there or at a space.
func cutNumber(s string, limit int64) (n int64, rest string, ok bool) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if n = n*10 + int64(s[i]-'0'); n > limit {
			return 0, "", false
		}
	}
	if i == 0 || i < len(s) && s[i] != ' ' {
		return 0, "", false
	}
	return n, s[i:], true
}
