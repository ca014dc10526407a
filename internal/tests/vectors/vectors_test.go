// Package vectors_test opens cookies with an implementation in another language, so
// that the formats are what the documentation says and not what the code happens to do.
package vectors_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// python is Debian's, which has the package python3-cryptography.
const python = "/usr/bin/python3"

func open(t *testing.T, in map[string]string) (out map[string]any, failure string) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "open.py")
	cmd.Stdin = bytes.NewReader(b)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	answer, err := cmd.Output()
	if err != nil {
		if !strings.Contains(stderr.String(), "Error") && !strings.Contains(stderr.String(), "InvalidTag") {
			t.Fatalf("%s: %v (is python3-cryptography installed?) %s", python, err, stderr.String())
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return nil, lines[len(lines)-1]
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatal(err)
	}
	return out, ""
}

type fixture struct {
	secret, app string
	cookie      string // the value
	handle      beaker.Handle
}

// begin lets a manager make a cookie.
func begin(t *testing.T, change func(*beaker.Config)) fixture {
	t.Helper()
	f := fixture{secret: beaker.NewSecret(), app: "the application"}
	secrets, err := beaker.ParseSecrets(f.secret)
	if err != nil {
		t.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	cfg := beaker.Config{Store: store, Secrets: secrets, App: f.app, Now: func() time.Time { return now }}
	change(&cfg)
	m, err := beaker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	h := m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err != nil {
			t.Error(err)
		}
		s.Set("name", "Fred Smith")
		s.Set("n", 17)
		if err := s.SetSubject("user 1"); err != nil {
			t.Error(err)
		}
		f.handle = s.Handle()
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://example.com/", nil))
	c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	f.cookie = c.Value
	return f
}

func (f fixture) input(kind string) map[string]string {
	return map[string]string{"secret": f.secret, "app": f.app, "cookie": "__Host-session", "kind": kind, "text": f.cookie}
}

// check also makes sure that the other implementation looks at everything: a cookie of
// another name, application or content does not open.
func check(t *testing.T, f fixture, kind string) map[string]any {
	t.Helper()
	out, failure := open(t, f.input(kind))
	if failure != "" {
		t.Fatal(failure)
	}
	for field, wrong := range map[string]string{
		"app": "another", "cookie": "__Host-other", "secret": beaker.NewSecret(),
		"text": f.cookie[:60] + map[bool]string{true: "A", false: "B"}[f.cookie[60] != 'A'] + f.cookie[61:],
	} {
		in := f.input(kind)
		in[field] = wrong
		if _, failure := open(t, in); failure == "" {
			t.Errorf("opens with another %s", field)
		}
	}
	return out
}

func TestATokenIsWhatItsDescriptionSays(t *testing.T) {
	f := begin(t, func(*beaker.Config) {})
	out := check(t, f, "token")
	if out["key"] != f.handle.String() {
		t.Errorf("key %v, want %v", out["key"], f.handle)
	}
}

func TestSealedSessionsAreWhatTheirDescriptionSays(t *testing.T) {
	for kind, signOnly := range map[string]bool{"sealed": false, "signed": true} {
		t.Run(kind, func(t *testing.T) {
			f := begin(t, func(c *beaker.Config) {
				c.Sealed = &beaker.Sealed{Revoker: c.Store, SignOnly: signOnly}
				c.Store = nil
			})
			out := check(t, f, kind)
			now := float64(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).UnixMilli())
			want := map[string]any{
				"version": 1.0, "created": now, "touched": now, "authenticated_at": now, "idle": 30 * 60e3,
				"absolute": now + 12*3600e3, "subject": "user 1", "attributes": "", "epoch": "",
			}
			for k, v := range want {
				if out[k] != v {
					t.Errorf("%s is %v, want %v", k, out[k], v)
				}
			}
			values, err := json.Marshal(out["values"])
			if err != nil || string(values) != `{"n":"17","name":"\"Fred Smith\""}` {
				t.Errorf("values %s %v", values, err)
			}
		})
	}
}

// The golden tokens of all releases open here too.
func TestGoldenTokens(t *testing.T) {
	b, err := os.ReadFile("../../../testdata/golden/token.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Secret, App, Cookie, RecordKey, RecordProof string
		Tokens                                      []string
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Tokens) == 0 {
		t.Fatal("no golden tokens")
	}
	for _, token := range g.Tokens {
		out, failure := open(t, map[string]string{"secret": g.Secret, "app": g.App, "cookie": g.Cookie, "kind": "token", "text": token})
		if failure != "" || out["key"] != g.RecordKey || out["proof"] != g.RecordProof {
			t.Errorf("%v %s", out, failure)
		}
	}
}

// And so do the golden sealed sessions, with all that they say.
func TestGoldenSessions(t *testing.T) {
	b, err := os.ReadFile("../../../testdata/golden/sessions.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Secret, App, Cookie string
		Sessions            []struct {
			Name, SID, Epoch, Sealed, Signed string
			Record                           struct {
				Version, Created, Touched, IdleMillis, Absolute, AuthenticatedAt float64
				Subject                                                          string
				Values                                                           map[string]string
				Cookie                                                           *beaker.CookieAttributes
			}
		}
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Sessions) == 0 {
		t.Fatal("no golden sessions")
	}
	for _, s := range g.Sessions {
		attributes := ""
		if s.Record.Cookie != nil {
			b, err := s.Record.Cookie.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			attributes = hex.EncodeToString(b)
		}
		values := map[string]any{}
		for k, v := range s.Record.Values {
			values[k] = v
		}
		want := map[string]any{
			"sid": s.SID, "epoch": s.Epoch, "version": s.Record.Version, "created": s.Record.Created, "touched": s.Record.Touched,
			"idle": s.Record.IdleMillis, "absolute": s.Record.Absolute, "authenticated_at": s.Record.AuthenticatedAt,
			"subject": s.Record.Subject, "attributes": attributes, "values": values,
		}
		for kind, text := range map[string]string{"sealed": s.Sealed, "signed": s.Signed} {
			out, failure := open(t, map[string]string{"secret": g.Secret, "app": g.App, "cookie": g.Cookie, "kind": kind, "text": text})
			if failure != "" || !reflect.DeepEqual(out, want) {
				t.Errorf("%s, %s: %v %s, want %v", s.Name, kind, out, failure, want)
			}
		}
	}
}
