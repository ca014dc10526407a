package memstore

import (
	"encoding/base64"
	"encoding/binary"
	"hash/maphash"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// White box: a cursor names its store by a seed that no other process has, so one that
// goes on with a listing can only be made here.

// FuzzCursor: cursors come from links and forms. What this store would not have given is
// refused, and what it takes has one spelling. In the input, "\x01" at the beginning
// stands for the store's own id.
//
//beaker:decodes Store.parseCursor
func FuzzCursor(f *testing.F) {
	s, err := New(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Add("", []byte{})
	f.Add("user", append([]byte("\x01s\x00\x00\x00\x00"), make([]byte, 32)...))
	f.Add("", append([]byte("\x01a\x00\x00\x00\x01"), make([]byte, 32)...))
	f.Add("", append([]byte("\x01a\xff\xff\xff\xff"), make([]byte, 32)...))
	f.Add("", []byte("\x01a"))
	f.Add("", []byte("12345678a\x00\x00\x00\x0012345678901234567890123456789012"))
	f.Fuzz(func(t *testing.T, subject string, raw []byte) {
		own := len(raw) > 0 && raw[0] == 1
		if own {
			raw = append(binary.BigEndian.AppendUint64(nil, maphash.String(s.seed, "cursor")), raw[1:]...)
		}
		text := base64.RawURLEncoding.EncodeToString(raw)
		c, err := s.parseCursor(beaker.ListQuery{Subject: subject, Cursor: text})
		if err == nil && text != "" && (s.formatCursor(c) != text || !own || c.subject != (subject != "") || c.shard >= len(s.shards)) {
			t.Errorf("%q: %+v", text, c)
		}
		if err != nil && c != (cursor{}) {
			t.Errorf("%q was refused and left %+v behind", text, c)
		}
		for _, text := range []string{text, text + "A", string(raw)} {
			if page, next, err := s.List(t.Context(), beaker.ListQuery{Subject: subject, Cursor: text}); len(page) != 0 || next != "" || err != nil && page != nil {
				t.Errorf("%q of an empty store: %v %q %v", text, page, next, err)
			}
		}
	})
}
