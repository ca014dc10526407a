package beaker_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"testing"
)

// leakScanner remembers every bearer value and looks for it in what others may see:
// as it is, decoded, in hexadecimal, in base64 and as in a URL. H8.
type leakScanner struct {
	t       *testing.T
	needles map[string][]byte
}

func newLeakScanner(t *testing.T) *leakScanner {
	return &leakScanner{t: t, needles: map[string][]byte{}}
}

func (l *leakScanner) remember(cookie string) {
	if cookie == "" {
		return
	}
	l.needles["cookie"] = []byte(cookie)
	l.needles["cookie in a URL"] = []byte(url.QueryEscape(cookie))
	raw, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(raw) != 84 {
		l.t.Fatalf("the cookie is not a token: %v", err)
	}
	for name, part := range map[string][]byte{"sid": raw[4:20], "secret": raw[20:52], "mac": raw[52:]} {
		l.needles[name] = part
		l.needles[name+" in hex"] = []byte(hex.EncodeToString(part))
		l.needles[name+" in base64"] = []byte(base64.RawStdEncoding.EncodeToString(part))
	}
}

func (l *leakScanner) scan(where string, hay []byte) {
	l.t.Helper()
	for name, needle := range l.needles {
		if bytes.Contains(hay, needle) {
			l.t.Errorf("%s leaked into the %s", name, where)
		}
	}
}
