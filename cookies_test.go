package beaker

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzCookiesNamed holds the search for our cookie to net/http's own: a difference would
// be a cookie that one of two programs behind the same proxy sees and the other does not.
//
//beaker:decodes cookiesNamed cookieBytes
func FuzzCookiesNamed(f *testing.F) {
	const name = "__Host-session"
	for _, header := range []string{
		"", name, name + "=", name + "=v", name + "=v; other=w", "other=w;" + name + "=v", " " + name + " =\tv ; ",
		name + `="v"`, name + `="`, name + `=""`, name + `="v`, name + `=v"`, name + "=a b", name + "=a,b", name + "=a\\b", name + "=a\x7f", name + "=ä",
		name + "==", name + "=a=b", "=" + name, ";;;", "; ;" + name + "=v;;", "__host-session=v", "x" + name + "=v", name + "x=v",
		name + "=1\n" + name + "=2\n" + name + "=3", "a=1\n" + name + "=2", "\n\n", "$Version=1; " + name + "=v; $Path=/",
		strings.Repeat(name+"=v; ", 7), strings.Repeat("a=b; ", 100) + name + "=v", strings.Repeat(";", 3100) + name + "=v",
		name + "=" + strings.Repeat("A", 112),
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Cookie": strings.Split(header, "\n")}}
		var want []cookieValue
		for _, c := range r.CookiesNamed(name) {
			want = append(want, cookieValue{c.Value, c.Quoted})
		}
		want = want[:min(len(want), maxCandidates+1)]
		got := cookiesNamed(nil, r, name)
		if len(got) == 1 && !cookieBytes(got[0].text) {
			got = nil
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, net/http finds %v", header, got, want)
		}
	})
}
