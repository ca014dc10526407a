//go:build linux

package redisstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker/redisstore"
)

// The figures of docs/redisstore.md: go test -v -run TestMemoryOfASession. A hash whose
// fields are all short is kept in one piece, and must stay so: that is most of what a
// small session takes.
func TestMemoryOfASession(t *testing.T) {
	p := newPlace(t)
	s := p.store(t, redisstore.Options{})
	for _, c := range []struct {
		what     string
		pairs    []string
		subject  string
		encoding string
	}{
		{"empty", nil, "", "listpack"},
		{"a cart of 20 bytes", []string{"cart", strings.Repeat("x", 20)}, "", "listpack"},
		{"signed in, three values of 40 bytes", []string{"a", strings.Repeat("x", 40), "b", strings.Repeat("x", 40), "c", strings.Repeat("x", 40)}, "user 17", "listpack"},
		{"three values, one of them of 140 bytes", []string{"uid", strings.Repeat("x", 38), "n", "1", "data", strings.Repeat("x", 140)}, "", "hashtable"},
		{"one value of 2,000 bytes", []string{"data", strings.Repeat("x", 2000)}, "", "hashtable"},
	} {
		m := newMeta()
		if m.Subject = c.subject; c.subject != "" {
			m.AuthenticatedAt = epoch
		}
		name := "beaker:" + created(t, s, m, c.pairs...).Key().String()
		encoding := fmt.Sprint(p.redis(t, "OBJECT", "ENCODING", name))
		t.Logf("report: %s: %v bytes, %s", c.what, p.redis(t, "MEMORY", "USAGE", name), encoding)
		if encoding != c.encoding {
			t.Errorf("%s: encoding %s, want %s", c.what, encoding, c.encoding)
		}
	}
	index := indexOf(t, p)
	t.Logf("report: a subject's index with one session: %v bytes, %v", p.redis(t, "MEMORY", "USAGE", index), p.redis(t, "OBJECT", "ENCODING", index))
}
