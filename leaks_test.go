package beaker_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"sync"
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

// issued remembers every bearer value of the whole run of the tests, for a while: each
// is looked for in what the tests leave behind.
var issued bearers

type bearers struct {
	mu   sync.Mutex
	last [32]map[string][]byte // the secret parts of the cookies that were sent last, in each form
	n    int
}

func (i *bearers) remember(cookie string) {
	raw, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(raw) < 52 {
		return
	}
	secret := []byte(cookie) // a sealed cookie
	if len(raw) == 84 {
		secret = raw[20:52] // a token's: its sid is known by its hash only
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last[i.n%len(i.last)] = map[string][]byte{
		"as it is": secret, "in hex": []byte(hex.EncodeToString(secret)),
		"in base64": []byte(base64.RawStdEncoding.EncodeToString(secret)), "in base64url": []byte(base64.RawURLEncoding.EncodeToString(secret)),
		"in a URL": []byte(url.QueryEscape(string(secret))),
	}
	i.n++
}

func (i *bearers) scan(t *testing.T, where string, hay []byte) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, forms := range i.last[:min(i.n, len(i.last))] {
		for form, needle := range forms {
			if bytes.Contains(hay, needle) {
				t.Errorf("a bearer value is in the %s, %s", where, form)
			}
		}
	}
}

// The scanner finds what it looks for.
func TestTheLeakScannerFindsALeak(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	signIn(t, a, b)
	raw, err := base64.RawURLEncoding.DecodeString(b.cookie)
	if err != nil {
		t.Fatal(err)
	}
	for form, leak := range map[string]string{
		"raw": string(raw[20:52]), "hex": hex.EncodeToString(raw[20:52]), "the record of a careless store": "x" + string(raw) + "x",
	} {
		probe := &testing.T{}
		issued.scan(probe, "test", []byte(leak))
		if !probe.Failed() {
			t.Errorf("%s: not found", form)
		}
	}
}
