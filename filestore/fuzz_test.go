package filestore

import (
	"path/filepath"
	"strings"
	"testing"
)

// White box: what is made of a name is seen here before anything is done with it.

// FuzzNames: files that others have put into the directory. A name is ours only if we
// would have made it, and then in one spelling and inside of the directory.
//
//beaker:decodes parseKey parseMarker parseMark isFolder
func FuzzNames(f *testing.F) {
	key := strings.Repeat("09af", 16)
	for _, name := range []string{
		key, key[1:] + "g", strings.ToUpper(key), key + "." + key, key + markSuffix, key + "." + strings.ToUpper(key), "../" + key, "", ".", "..", "0a", "0A", "0/",
		tempPrefix + "x", key + markSuffix + markSuffix, key + "\x00",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if k, ok := parseKey(name); ok && k.String() != name {
			t.Errorf("%q is the key %v", name, k)
		} else if ok && recordName(k) != name[:2]+"/"+name {
			t.Errorf("%q is kept as %q", name, recordName(k))
		}
		if hash, k, ok := parseMarker(name); ok && markerName(hash, k) != shardName(firstByte(hash))+"/"+name {
			t.Errorf("%q is the entry %q", name, markerName(hash, k))
		}
		if hash, ok := parseMark(name); ok && markName(hash) != shardName(firstByte(hash))+"/"+name {
			t.Errorf("%q is the mark %q", name, markName(hash))
		}
		ours := isFolder(name)
		if _, ok := parseKey(name); ok {
			ours = true
		}
		if _, _, ok := parseMarker(name); ok {
			ours = true
		}
		if _, ok := parseMark(name); ok {
			ours = true
		}
		if ours && (!filepath.IsLocal(name) || filepath.Base(name) != name || isTemp(name)) {
			t.Errorf("%q leads somewhere else", name)
		}
	})
}

// FuzzMarkTime: what a mark holds. A damaged one is never "revoked long ago".
//
//beaker:decodes parseMarkTime
func FuzzMarkTime(f *testing.F) {
	for _, text := range []string{"0\n", "1772355600000\n", "1772355600000", "-1\n", "+1\n", "01\n", "", "\n", "1\n\n", " 1\n", "9223372036854775807\n", "9223372036854775808\n", "1_0\n", "1e3\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		at, ok := parseMarkTime(b)
		if ok && string(formatMarkTime(at)) != string(b) || ok && at < 0 {
			t.Errorf("%q is taken as %d", b, at)
		}
		if !ok {
			return
		}
		if again, ok := parseMarkTime(formatMarkTime(at)); !ok || again != at {
			t.Errorf("%d does not survive", at)
		}
	})
}
