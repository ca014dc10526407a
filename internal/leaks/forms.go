package leaks

import (
	"bytes"
	"html"
	"strconv"
	"unicode/utf8"
)

// eachForm calls f with hay as it is and with everything that hay may be a spelling of.
// It is the haystack that is decoded and not the needles that are encoded: so a value is
// found at any offset of a longer one, and a million values cost no more than one.
func eachForm(hay []byte, f func(form string, b []byte)) {
	eachText(hay, func(text string, b []byte) {
		in := func(form string) string {
			if text == "" {
				return form
			}
			return form + ", " + text
		}
		f(in("raw"), b)
		eachBase64(b, func(d []byte) { f(in("in base64"), d) })
		eachHex(b, func(d []byte) { f(in("in hexadecimal"), d) })
		eachList(b, func(d []byte) { f(in("as a list of numbers"), d) })
	})
}

// eachText calls f with hay and with what it is without quoting: of URLs, of strings in
// Go, JSON and SQL, of HTML, and of one inside another.
func eachText(hay []byte, f func(text string, b []byte)) {
	f("", hay)
	quoted := bytes.IndexByte(hay, '\\') >= 0
	if quoted {
		hay = unquote(hay)
		f("in quotes", hay)
	}
	if bytes.IndexByte(hay, '&') >= 0 {
		f("in HTML", []byte(html.UnescapeString(string(hay))))
	}
	if bytes.IndexByte(hay, '%') >= 0 {
		hay = unescape(hay)
		f("in a URL", hay)
		if bytes.IndexByte(hay, '+') >= 0 { // a blank, or what base64 has
			f("in a query", bytes.ReplaceAll(hay, []byte("+"), []byte(" ")))
		}
	}
}

// runs calls f with each stretch of at least n bytes that are all in the table.
func runs(b []byte, table *[256]int8, n int, f func(run []byte)) {
	start := 0
	for i := 0; i <= len(b); i++ {
		if i < len(b) && table[b[i]] >= 0 {
			continue
		}
		if i-start >= n {
			f(b[start:i])
		}
		start = i + 1
	}
}

func tableOf(alphabets ...string) *[256]int8 {
	var t [256]int8
	for i := range t {
		t[i] = -1
	}
	for _, a := range alphabets {
		for i := range len(a) {
			t[a[i]] = int8(i)
		}
	}
	return &t
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

var (
	base64Table = tableOf(alphanumeric+"-_", alphanumeric+"+/")
	hexTable    = tableOf("0123456789abcdef", "0123456789ABCDEF")
)

// eachBase64 decodes at each of the four offsets at which a group may begin.
func eachBase64(b []byte, f func([]byte)) {
	var out []byte
	runs(b, base64Table, 11, func(run []byte) {
		for offset := range 4 {
			out = out[:0]
			bits, n := uint32(0), 0
			for _, c := range run[min(offset, len(run)):] {
				bits, n = bits<<6|uint32(base64Table[c]), n+6
				if n >= 8 {
					n -= 8
					out = append(out, byte(bits>>n))
				}
			}
			f(out)
		}
	})
}

func eachHex(b []byte, f func([]byte)) {
	var out []byte
	runs(b, hexTable, 2*window, func(run []byte) {
		for offset := range 2 {
			out = out[:0]
			for i := offset; i+1 < len(run); i += 2 {
				out = append(out, byte(hexTable[run[i]])<<4|byte(hexTable[run[i+1]]))
			}
			f(out)
		}
	})
}

// eachList decodes lists of bytes as %v, %d, %#v, "% x" and encoding/json print them.
func eachList(b []byte, f func([]byte)) {
	var decimal, hexadecimal []byte
	flush := func(list []byte) []byte {
		if len(list) >= window {
			f(list)
		}
		return list[:0]
	}
	between := func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}
	for token := range bytes.FieldsFuncSeq(b, between) {
		if len(token) > 4 {
			decimal, hexadecimal = flush(decimal), flush(hexadecimal)
			continue
		}
		if n, err := strconv.ParseUint(string(token), 10, 8); err == nil {
			decimal = append(decimal, byte(n))
		} else {
			decimal = flush(decimal)
		}
		digits, prefixed := bytes.CutPrefix(token, []byte("0x"))
		if n, err := strconv.ParseUint(string(digits), 16, 8); err == nil && (prefixed || len(digits) == 2) {
			hexadecimal = append(hexadecimal, byte(n))
		} else {
			hexadecimal = flush(hexadecimal)
		}
	}
	flush(decimal)
	flush(hexadecimal)
}

// unquote undoes the escapes of Go, JSON, C and MySQL; what is none stays.
func unquote(b []byte) []byte {
	number := func(s []byte, base int) (uint64, bool) {
		n, err := strconv.ParseUint(string(s), base, 32)
		return n, err == nil
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		i++
		rest := b[i:]
		if at := bytes.IndexByte([]byte("abfnrtvZ0"), rest[0]); at >= 0 && (rest[0] != '0' || len(rest) < 3 || !isOctal(rest[:3])) {
			out = append(out, "\a\b\f\n\r\t\v\x1a\x00"[at])
			continue
		}
		switch c := rest[0]; {
		case c == 'x' && len(rest) >= 3:
			if n, ok := number(rest[1:3], 16); ok {
				out, i = append(out, byte(n)), i+2
				continue
			}
		case c == 'u' && len(rest) >= 5:
			if n, ok := number(rest[1:5], 16); ok {
				out, i = utf8.AppendRune(out, rune(n)), i+4
				continue
			}
		case c == 'U' && len(rest) >= 9:
			if n, ok := number(rest[1:9], 16); ok {
				out, i = utf8.AppendRune(out, rune(n)), i+8
				continue
			}
		case len(rest) >= 3 && isOctal(rest[:3]):
			if n, ok := number(rest[:3], 8); ok {
				out, i = append(out, byte(n)), i+2
				continue
			}
		}
		out = append(out, rest[0])
	}
	return out
}

func isOctal(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '7' {
			return false
		}
	}
	return b[0] <= '3'
}

// unescape undoes percent-encoding; what is none stays.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) && hexTable[b[i+1]] >= 0 && hexTable[b[i+2]] >= 0 {
			out = append(out, byte(hexTable[b[i+1]])<<4|byte(hexTable[b[i+2]]))
			i += 2
			continue
		}
		out = append(out, b[i])
	}
	return out
}
