package leaks

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

// Scanner remembers values and finds them again. It is used concurrently. The zero
// Scanner knows none.
type Scanner struct {
	mu      sync.RWMutex
	windows map[uint64]uint16 // the eight bytes at each multiple of eight of a value, to its kind
	kinds   []string
	values  int
	// filter says quickly that eight bytes are not among the windows.
	filter []uint64
}

const (
	window     = 8
	filterBits = 24
	// MinBytes is the length of the shortest value that is remembered: anything shorter
	// is found by chance, and is no bearer value.
	MinBytes = 16
)

// A find is a value in a place where it must not be.
type find struct{ kind, form string }

func bit(w uint64) (word int, mask uint64) {
	h := w * 0x9e3779b97f4a7c15 >> (64 - filterBits)
	return int(h >> 6), 1 << (h & 63)
}

// Remember adds a value, unless it is no more random than text or zeros, which would be
// found everywhere. It reports whether it was added.
func (s *Scanner) Remember(kind string, value []byte) bool {
	if len(value) < MinBytes || !random(value) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.windows == nil {
		s.windows, s.filter = map[uint64]uint16{}, make([]uint64, 1<<filterBits/64)
	}
	k := slices.Index(s.kinds, kind)
	if k < 0 {
		k = len(s.kinds)
		s.kinds = append(s.kinds, kind)
	}
	for i := 0; i+window <= len(value); i += window {
		w := binary.LittleEndian.Uint64(value[i:])
		s.windows[w] = uint16(k)
		word, mask := bit(w)
		s.filter[word] |= mask
	}
	s.values++
	return true
}

// random reports whether b may be a key. Of ten million keys of 16 bytes one is all
// printable, and none has so few different bytes.
func random(b []byte) bool {
	var seen [256]bool
	printable, distinct := true, 0
	for _, c := range b {
		printable = printable && c >= ' ' && c <= '~'
		if !seen[c] {
			seen[c] = true
			distinct++
		}
	}
	return !printable && distinct >= 10
}

// Values returns how many values are known.
func (s *Scanner) Values() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.values
}

// Cookie remembers the value of a session cookie, for what another process has issued.
// It reports whether it was one.
func (s *Scanner) Cookie(value string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) < 4+2*MinBytes {
		return false
	}
	switch body := raw[4:]; raw[0] {
	case 1: // a token: sid, secret, HMAC
		return s.Remember("the sid of a cookie", body[:16]) && s.Remember("the secret of a cookie", body[16:])
	case 2: // sealed
		return s.Remember("a sealed session", body)
	case 3: // signed: between the sid and the HMAC lie the user's own values, in the clear
		return s.Remember("the sid of a signed session", body[1:17]) && s.Remember("the signature of a session", body[len(body)-32:])
	}
	return false
}

// find returns what of the remembered values is in hay, each kind in each form once.
func (s *Scanner) find(hay []byte) (found []find) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.windows) == 0 {
		return nil
	}
	eachForm(hay, func(form string, b []byte) {
		for i := 0; i+window <= len(b); i++ {
			w := binary.LittleEndian.Uint64(b[i:])
			if word, mask := bit(w); s.filter[word]&mask == 0 {
				continue
			}
			if k, ok := s.windows[w]; ok {
				if f := (find{s.kinds[k], form}); !slices.Contains(found, f) {
					found = append(found, f)
				}
			}
		}
	})
	return found
}

// TB is what is needed of a *testing.T.
type TB interface {
	// Helper is testing.T's.
	Helper()
	// Errorf is testing.T's.
	Errorf(format string, args ...any)
}

// Check fails the test if hay holds a remembered value. Where says what hay is; the
// value is not shown.
func (s *Scanner) Check(t TB, where string, hay []byte) {
	t.Helper()
	for _, f := range s.find(hay) {
		t.Errorf("%s: in %s, %s", f.kind, where, f.form)
	}
}

// Printed is Check for values in each way in which they may get into a log: %v, %+v,
// %#v, %q.
func (s *Scanner) Printed(t TB, where string, values ...any) {
	t.Helper()
	var hay []byte
	for _, v := range values {
		hay = fmt.Appendf(hay, "%v\n%+v\n%#v\n%q\n", v, v, v, v)
	}
	s.Check(t, where, hay)
}
