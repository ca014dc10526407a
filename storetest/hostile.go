package storetest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seed12c5fab1/beaker"
)

// What an engine may take for syntax, a pattern, a path, padding or another spelling
// of the same. All of them are different names to a session.
var hostileWords = []string{
	"", " ", "  ", "a", "A", "a ", " a", "a\t", "\u00e9", "e\u0301", "\u0130", "i", "I", "\u0131", "ß", "ss",
	"'", `"`, "`", "''", "a'b", `a"b`, "a\\", `\'`, "--", "/*", ";", "'; DROP TABLE sessions; --", "$1", "?", ":1", "%s", "%00",
	"{", "}", "{a}", "{}", "[", "]", "(", ")", "<", ">", "*", "a*", "_", "%", "a%", "a_", "^", "$", ".", "..", "/", "../a", "a/b", `a\b`,
	"k:", "k:a", ":", "::", "a:b", "a,b", "a=b", "a&b", "|", "#", "@", "!", "~", "null", "NULL", "nil", "true", "0", "-1", "1e3",
	"__proto__", "constructor", "v", "p", "q", "g", "version", "data", "id", "expires", "subject",
}

// Names only: subjects hold no control characters and are UTF-8.
var hostileNames = []string{
	"\x00", "\x00a", "a\x00", "a\x00b", "\n", "a\n", "\r\n", "\x1b[0m", "\x7f", "\xff", "\xfe\xff", "\xc3", "a\xffb", "\xed\xa0\x80", "\xf0\x9f",
}

func hostileChecks() []check {
	return []check{
		{"names are told apart byte for byte", func(e *env) {
			names := append(append([]string{strings.Repeat("n", 254), strings.Repeat("n", 255), strings.Repeat("\xff", 255)}, hostileWords...), hostileNames...)
			var values []beaker.Value
			for i, name := range names {
				values = append(values, beaker.Value{Name: name, Data: fmt.Append(nil, i)})
			}
			created := e.holdRecord(e.record(e.meta(), values...))
			created.same("after Create")
			applied := e.hold()
			ch := applied.change()
			ch.Set = values
			applied.apply(ch)
			for i, name := range names { // each alone
				ch := applied.set(name, "new")
				ch.Remove = []string{names[(i+1)%len(names)]}
				applied.apply(ch)
			}
			created.same("after changes of another record")
		}},
		{"every byte of a value is kept", func(e *env) {
			all := make([]byte, 256)
			for i := range all {
				all[i] = byte(i)
			}
			values := []beaker.Value{
				{Name: "all", Data: all},
				{Name: "nil", Data: nil},
				{Name: "empty", Data: []byte{}},
				{Name: "zeros", Data: make([]byte, 100)},
				{Name: "ones", Data: bytes.Repeat([]byte{0xff}, 100)},
				{Name: "spaces", Data: []byte("  a  ")},
				{Name: "lines", Data: []byte("\r\n\n\r\nEND\r\n")},
				{Name: "text", Data: []byte("'\"\\%_{}*?$1")},
			}
			e.holdRecord(e.record(e.meta(), values...)).same("after Create")
			h := e.hold("all", "0", "empty", "full")
			ch := h.change()
			ch.Set = values
			h.apply(ch)
		}},
		{"a large value is kept", func(e *env) {
			large := strings.Repeat("0123456789abcdef", 60<<10/16)
			h := e.hold("large", large, "small", "1")
			h.same("after Create")
			h.apply(h.set("small", "2"))
			h.apply(h.set("large", large[1:]))
		}},
		{"many values are kept", func(e *env) {
			const many = 256
			var values []beaker.Value
			for i := range many {
				values = append(values, beaker.Value{Name: fmt.Sprintf("key-%d", i), Data: fmt.Append(nil, "value ", i)})
			}
			h := e.holdRecord(e.record(e.meta(), values...))
			h.same("after Create")
			ch := h.change()
			for i := range many {
				if i%2 == 0 {
					ch.Remove = append(ch.Remove, values[i].Name)
				} else {
					ch.Set = append(ch.Set, beaker.Value{Name: values[i].Name, Data: []byte("new")})
				}
			}
			h.apply(ch)
			ch = h.change()
			ch.Set = values
			h.apply(ch)
		}},
		{"subjects are told apart byte for byte", func(e *env) {
			var all []*held
			for _, subject := range hostileSubjects() {
				all = append(all, e.holdMeta(func(m *beaker.Meta) { m.Subject, m.AuthenticatedAt = subject, e.base }, "k", subject))
				h := e.hold("k", subject)
				ch := h.change()
				ch.Subject, ch.AuthenticatedAt = &subject, e.base
				h.apply(ch)
				all = append(all, h)
			}
			for _, h := range all {
				h.same(fmt.Sprintf("subject %.40q", h.rec.Subject()))
			}
		}},
		{"keys are told apart byte for byte", func(e *env) {
			var all []*held
			for i, key := range hostileKeys() {
				m := e.meta()
				m.Key = key
				all = append(all, e.holdRecord(e.record(m, pairs("k", fmt.Sprint(i))...)))
			}
			for i, h := range all {
				h.same(fmt.Sprintf("key %s", h.key()))
				h.apply(h.set("k", fmt.Sprint("changed ", i)))
			}
			for i, h := range all {
				if i%2 == 0 {
					h.delete()
				}
			}
			for i, h := range all {
				if i%2 == 0 {
					h.gone(fmt.Sprintf("key %s after Delete", h.key()))
				} else {
					h.same(fmt.Sprintf("key %s after Delete of others", h.key()))
				}
			}
		}},
	}
}

// hostileSubjects returns the hostile words that are valid subjects, and long ones.
func hostileSubjects() []string {
	long := strings.Repeat("s", 254)
	subjects := []string{long, long + "a", long + "b", strings.Repeat("é", 127)}
	for _, w := range hostileWords {
		if w != "" && !strings.ContainsFunc(w, func(c rune) bool { return c < 0x20 }) {
			subjects = append(subjects, w)
		}
	}
	return subjects
}

// hostileKeys returns keys that differ where engines stop looking: in bytes that end a
// string, in a line's end, in padding, in letters' cases, in the last byte only.
func hostileKeys() []beaker.RecordKey {
	fill := func(b byte) (k beaker.RecordKey) {
		for i := range k {
			k[i] = b
		}
		return k
	}
	last := func(k beaker.RecordKey, b byte) beaker.RecordKey { k[31] = b; return k }
	first := func(k beaker.RecordKey, b byte) beaker.RecordKey { k[0] = b; return k }
	zero := fill(0)
	return []beaker.RecordKey{
		last(zero, 1), last(zero, 2), first(zero, 1), first(zero, ' '), first(fill(' '), 1), fill(1), fill(' '),
		fill(0xff), last(fill(0xff), 0xfe), last(fill(0xff), 0),
		fill('a'), fill('A'), last(fill('a'), 'A'), last(fill('a'), 0), last(fill('a'), ' '), last(fill('a'), '\n'),
		fill('\n'), fill('\r'), fill('\''), fill('"'), fill('\\'), fill('%'), fill('*'), fill('/'), fill('.'), fill('{'), fill('0'),
		fill(0x80), fill(0xc3), last(fill(0x7f), 0x80),
	}
}
