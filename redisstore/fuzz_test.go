package redisstore

import (
	"strconv"
	"strings"
	"testing"
)

// White box: what lies in a hash and what comes in a link are texts before they are
// anything else, and no server is needed to read them.

// FuzzNumbers: the fields of a hash. What is taken is in range, and says the same again.
//
//beaker:decodes numbers cutNumber
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"1 2 3", "0 0 0", "9007199254740992 1 1", "9007199254740993 1 1", "99999999999999999999 1 1", "1 2", "1 2 3 4", "1  2 3", " 1 2 3", "1 2 3 ", "-1 2 3", "+1 2 3", "1x 2 3", "", "01 2 3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var n [3]int64
		if !numbers(s, n[:]) {
			return
		}
		fields := strings.Split(s, " ")
		for i, v := range n {
			if want, err := strconv.ParseUint(fields[i], 10, 63); err != nil || int64(want) != v || v > maxVersion {
				t.Errorf("%q: %v", s, n)
			}
		}
		if len(fields) != len(n) {
			t.Errorf("%q has %d numbers", s, len(fields))
		}
	})
}

// FuzzCursor: cursors come from links and forms.
//
//beaker:decodes parseCursor parsePosition
func FuzzCursor(f *testing.F) {
	key := strings.Repeat("A", 43)
	for _, s := range []string{"", "end", "1.0.5", "1.0.5," + key, "end," + key + "," + key, "1.0.5,", "1.0.5," + key[1:], "1.-1.5", "1.0.05", "1.0", "1.0.5.6", "zzzzzzz.0.0", "1.70000.0", "1.0.zzzzzzzzzzzzzz", "," + key} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, surplus, err := parseCursor(s)
		switch {
		case err != nil && (at != position{} || surplus != nil):
			t.Errorf("%q was refused and left something behind", s)
		case err == nil && s != "" && len(s) < 1<<10 && strings.NewReplacer("\r", "", "\n", "").Replace(s) != at.String()+encodeKeys(surplus):
			t.Errorf("%q is taken as %q", s, at.String()+encodeKeys(surplus))
		}
	})
}
