package beaker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"
	"strings"
	"time"
)

// A record's values are one string: a count, then for each value, in ascending order
// of the names, the length of the name, the name, the length of the data, the data.
// Numbers are minimal uvarints, so there is exactly one encoding of a set of values.
// One value is found by skipping over the others; nothing else is decoded, which is
// why a read costs the same in a session of three keys and of twenty.

const noValues = "\x00"

// recordFormat is the first byte of a record's binary form. Raise it when the form
// changes, keep reading the old ones (the golden files say which), and teach the
// release before it to answer ErrNewerFormat, which it does.
const recordFormat = 1

const (
	recordFixed   = 2 + 3*32 + 8*8 // format, flags, key, two proofs, version, seven times
	recordTrailer = 4              // CRC-32C over all that precedes it: finds damage, not attackers
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendBinary appends the record's binary form, which ParseRecord reads. The hint
// is not part of it.
func (r *Record) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	var rot rotated
	if r.rot != nil {
		rot = *r.rot
	}
	dst = slices.Grow(dst, recordFixed+len(r.subject)+len(r.values)+recordTrailer+64)
	dst = append(dst, recordFormat, 0)
	dst = append(dst, r.key[:]...)
	dst = append(dst, r.proof[:]...)
	dst = append(dst, rot.prev[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.version))
	for _, t := range [...]Millis{rot.until, rot.at, r.created, r.touched, r.idle, r.abs, r.authAt} {
		dst = binary.BigEndian.AppendUint64(dst, uint64(t))
	}
	dst = appendString(dst, r.subject)
	if r.cookie == nil {
		dst = append(dst, 0)
	} else {
		c, err := r.cookie.MarshalBinary()
		if err != nil {
			return dst[:start], err
		}
		dst = appendString(dst, string(c))
	}
	dst = append(dst, r.values...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli)), nil
}

// ParseRecord reads the binary form. Bytes that AppendBinary would not have written
// are refused with ErrCorrupt, those of a later release with ErrNewerFormat. It does
// not keep b.
func ParseRecord(b []byte) (*Record, error) {
	if len(b) > recordTrailer && b[0] > recordFormat && sound(b) {
		return nil, fmt.Errorf("%w: format %d, this release reads up to %d", ErrNewerFormat, b[0], recordFormat)
	}
	if len(b) < recordFixed+recordTrailer || b[0] != recordFormat || b[1] != 0 {
		return nil, fmt.Errorf("%w: not a record", ErrCorrupt)
	}
	if !sound(b) {
		return nil, fmt.Errorf("%w: checksum does not match", ErrCorrupt)
	}
	body := b[:len(b)-recordTrailer]
	var m Meta
	p := body[2:]
	p = p[copy(m.Key[:], p):]
	p = p[copy(m.Proof[:], p):]
	p = p[copy(m.PrevProof[:], p):]
	next := func() Millis {
		v := binary.BigEndian.Uint64(p)
		p = p[8:]
		if v > uint64(NoLimit) { // more than any field may hold; the range is checked below
			return -1
		}
		return Millis(v)
	}
	m.Version = Version(next())
	m.PrevUntil, m.RotatedAt, m.Created, m.Touched = next(), next(), next(), next()
	idle := next()
	m.Absolute, m.AuthenticatedAt = next(), next()
	if idle <= 0 || idle > Millis(NoLimit/time.Millisecond) {
		return nil, fmt.Errorf("%w: idle timeout out of range", ErrCorrupt)
	}
	m.Idle = time.Duration(idle) * time.Millisecond

	rest := string(p)
	subject, rest, ok := cutString(rest)
	if !ok {
		return nil, fmt.Errorf("%w: subject", ErrCorrupt)
	}
	m.Subject = subject
	cookie, rest, ok := cutString(rest)
	if !ok {
		return nil, fmt.Errorf("%w: cookie attributes", ErrCorrupt)
	}
	if cookie != "" {
		m.Cookie = new(CookieAttributes)
		if err := m.Cookie.UnmarshalBinary([]byte(cookie)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	if err := checkValues(rest); err != nil {
		return nil, err
	}
	r, err := newRecord(m, rest)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return r, nil
}

// sound reports whether the checksum at the end matches. Every format has it there, so
// that a stray text is taken for damage and not for a later release's record.
func sound(b []byte) bool {
	body, sum := b[:len(b)-recordTrailer], b[len(b)-recordTrailer:]
	return crc32.Checksum(body, castagnoli) == binary.BigEndian.Uint32(sum)
}

// AppendValues appends the record's values in the form that RestoreRecord reads, for
// stores that keep the rest in columns.
func (r *Record) AppendValues(dst []byte) []byte { return append(dst, r.values...) }

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// cutString cuts a length-prefixed string off s.
func cutString(s string) (head, tail string, ok bool) {
	n, size := uvarint(s)
	if size <= 0 || n > uint64(len(s)-size) {
		return "", "", false
	}
	return s[size : size+int(n)], s[size+int(n):], true
}

// uvarint is binary.Uvarint for strings; it refuses encodings that are not minimal.
func uvarint(s string) (v uint64, size int) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		b := s[i]
		if b < 0x80 {
			if i > 0 && b == 0 || i == binary.MaxVarintLen64-1 && b > 1 {
				return 0, 0
			}
			return v | uint64(b)<<(7*i), i + 1
		}
		v |= uint64(b&0x7f) << (7 * i)
	}
	return 0, 0
}

func checkValues(s string) error {
	n, size := uvarint(s)
	if size <= 0 || n > uint64(len(s)) { // a value takes two bytes: a count cannot make us loop
		return fmt.Errorf("%w: values", ErrCorrupt)
	}
	rest, last := s[size:], ""
	for i := range n {
		name, tail, ok := cutString(rest)
		if !ok || i > 0 && name <= last {
			return fmt.Errorf("%w: values", ErrCorrupt)
		}
		if _, tail, ok = cutString(tail); !ok {
			return fmt.Errorf("%w: values", ErrCorrupt)
		}
		rest, last = tail, name
	}
	if rest != "" {
		return fmt.Errorf("%w: bytes after the values", ErrCorrupt)
	}
	return nil
}

var errDuplicateValue = errors.New("beaker: two values of one name")

func encodeValues(values []Value) (string, error) {
	if len(values) == 0 {
		return noValues, nil
	}
	values = sortedValues(values)
	for i := 1; i < len(values); i++ {
		if values[i].Name == values[i-1].Name {
			return "", errDuplicateValue
		}
	}
	enc, _ := joinValues(noValues, nil, values)
	return enc, nil
}

// The functions below are only called with values that were checked or made here.

func countValues(s string) int {
	n, _ := uvarint(s)
	return int(n)
}

func eachValue(s string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		n, size := uvarint(s)
		for s = s[size:]; n > 0; n-- {
			var name, data string
			name, s, _ = cutString(s)
			data, s, _ = cutString(s)
			if !yield(name, data) {
				return
			}
		}
	}
}

// findValue skips over what it does not look for: in nearly all records every length is
// one byte, and a name of another length is not compared.
func findValue(s, name string) (data string, ok bool) {
	n, size := uvarint(s)
	for s = s[size:]; n > 0; n-- {
		if k := int(s[0]); k < 0x80 && len(s) > k+1 && s[k+1] < 0x80 {
			from := k + 2
			to := from + int(s[k+1])
			if k == len(name) && s[1:k+1] == name {
				return s[from:to], true
			}
			s = s[to:]
			continue
		}
		var k string
		k, s, _ = cutString(s)
		data, s, _ = cutString(s)
		if k == name {
			return data, true
		}
	}
	return "", false
}

func sortedValues(values []Value) []Value {
	byName := func(a, b Value) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(values, byName) {
		return values
	}
	return slices.SortedFunc(slices.Values(values), byName)
}

// joinValues lays set, which is sorted, over old without the removed names. What stays
// is copied in pieces as long as possible, into what is allocated once.
func joinValues(old string, remove []string, set []Value) (enc string, keys int) {
	var few [8]edit
	all := edits(few[:0], old, remove, set)
	n, head := uvarint(old)
	keys = int(n)
	size := len(old) - head
	for _, e := range all {
		size -= e.to - e.from
		switch {
		case e.set == nil:
			keys--
			continue
		case e.from == e.to:
			keys++
		}
		size += uvarintLen(len(e.set.Name)) + len(e.set.Name) + uvarintLen(len(e.set.Data)) + len(e.set.Data)
	}
	var b strings.Builder
	b.Grow(uvarintLen(keys) + size)
	putUvarint(&b, keys)
	at := head
	for _, e := range all {
		b.WriteString(old[at:e.from])
		at = e.to
		if e.set != nil {
			putUvarint(&b, len(e.set.Name))
			b.WriteString(e.set.Name)
			putUvarint(&b, len(e.set.Data))
			b.Write(e.set.Data)
		}
	}
	b.WriteString(old[at:])
	return b.String(), keys
}

// edit says that set, or nothing, comes in place of a part of encoded values: of one
// value, or of none.
type edit struct {
	from, to int
	set      *Value
}

// edits appends what makes of old what joinValues returns, in order.
func edits(dst []edit, old string, remove []string, set []Value) []edit {
	n, at := uvarint(old)
	for ; n > 0 && (len(set) > 0 || len(remove) > 0); n-- {
		from := at
		var name string
		name, at = entryAt(old, from)
		for len(set) > 0 && set[0].Name < name {
			dst = append(dst, edit{from, from, &set[0]})
			set = set[1:]
		}
		switch {
		case len(set) > 0 && set[0].Name == name:
			dst = append(dst, edit{from, at, &set[0]})
			set = set[1:]
		case len(remove) > 0 && slices.Contains(remove, name):
			dst = append(dst, edit{from, at, nil})
		}
	}
	for i := range set {
		dst = append(dst, edit{len(old), len(old), &set[i]})
	}
	return dst
}

// entryAt returns the name of the value that begins at a position, and where it ends.
func entryAt(s string, at int) (name string, end int) {
	if k := int(s[at]); k < 0x80 && s[at+k+1] < 0x80 { // as in findValue
		return s[at+1 : at+k+1], at + k + 2 + int(s[at+k+1])
	}
	name, rest, _ := cutString(s[at:])
	_, rest, _ = cutString(rest)
	return name, len(s) - len(rest)
}

func uvarintLen(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

func putUvarint(b *strings.Builder, n int) {
	for ; n >= 0x80; n >>= 7 {
		b.WriteByte(byte(n) | 0x80)
	}
	b.WriteByte(byte(n))
}
