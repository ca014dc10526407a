package beaker

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Encoded values are changed by cutting and joining; a map says what must come out. Names
// are short, so that they often meet, or so long that their length takes two bytes.
func TestJoinedValuesAreThoseOfAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		n := rnd.IntN(4)
		if rnd.IntN(20) == 0 {
			n = 127 + rnd.IntN(3)
		}
		b := make([]byte, n)
		for i := range b {
			b[i] = "abc"[rnd.IntN(3)]
		}
		return string(b)
	}
	data := func(c string) string { return strings.Repeat(c, rnd.IntN(200)) }
	for range 50_000 {
		want := map[string]string{}
		for range rnd.IntN(8) {
			want[name()] = data("v")
		}
		old := encodeMap(t, want)
		changed := map[string]bool{}
		var set []Value
		var remove []string
		for range rnd.IntN(12) {
			k := name()
			if changed[k] {
				continue
			}
			changed[k] = true
			if rnd.IntN(2) == 0 {
				remove = append(remove, k)
				delete(want, k)
				continue
			}
			v := data("w")
			set = append(set, Value{k, []byte(v)})
			want[k] = v
		}
		got, keys := joinValues(old, remove, sortedValues(set))
		if got != encodeMap(t, want) || keys != len(want) {
			t.Fatalf("%q without %q, with %q: %q, %d keys", old, remove, set, got, keys)
		}
		if err := checkValues(got); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if found, ok := findValue(got, k); !ok || found != v {
				t.Fatalf("%q: %q is %q", got, k, found)
			}
		}
		if k := name(); want[k] == "" {
			if found, ok := findValue(got, k); ok && found != "" {
				t.Fatalf("%q: %q is %q", got, k, found)
			}
		}
	}
}

// encodeMap writes values one after the other, as the comment in binary.go says.
func encodeMap(t *testing.T, m map[string]string) string {
	t.Helper()
	var b strings.Builder
	putUvarint(&b, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		putUvarint(&b, len(k))
		b.WriteString(k)
		putUvarint(&b, len(m[k]))
		b.WriteString(m[k])
	}
	return b.String()
}
