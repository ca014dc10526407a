package beaker_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"testing"

	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// Every sid, secret, key and salt of the whole run is remembered, and looked for in the
// log, in the events and the store of each app, and in each response. H8.
func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }

// finding is a test that counts what is found.
type finding int

func (f *finding) Helper()               {}
func (f *finding) Errorf(string, ...any) { *f++ }

// The scanner knows what the tests of this package are given, or it looks for nothing.
func TestTheLeakScannerFindsALeak(t *testing.T) {
	for kind, change := range kinds {
		a := newApp(t, stores["memory"](t), change)
		b := newBrowser(t)
		signIn(t, a, b)
		raw, err := base64.RawURLEncoding.DecodeString(b.cookie)
		if err != nil {
			t.Fatal(err)
		}
		for what, leak := range map[string]string{
			"the cookie": b.cookie, "in hexadecimal": fmt.Sprintf("%x", raw), "the record of a careless store": "x" + string(raw) + "x",
			"a part of it": b.cookie[10:50],
		} {
			var found finding
			if leaks.Check(&found, "a log", []byte(leak)); found == 0 {
				t.Errorf("%s: %s is not found", kind, what)
			}
		}
	}
}
