// Package beaker and not beaker_test: the payload of a sealed session is in no exported
// function's hands.
package beaker

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// goldenSession is a sealed session: what it says, how that is encoded, and cookies that
// hold it. The second implementation in internal/tests/vectors reads the same file.
type goldenSession struct {
	Name    string       `json:"name"`
	SID     string       `json:"sid"`
	Epoch   string       `json:"epoch"` // of the sign-in; empty: none
	Record  goldenRecord `json:"record"`
	Payload string       `json:"payload"`
	Sealed  string       `json:"sealed"`
	Signed  string       `json:"signed"`
}

type goldenSessions struct {
	Secret   string          `json:"secret"`
	App      string          `json:"app"`
	Cookie   string          `json:"cookie"`
	Sessions []goldenSession `json:"sessions"`
}

func readGoldenSessions(t *testing.T) (g goldenSessions) {
	t.Helper()
	readGoldenJSON(t, filepath.Join(goldenDir, "sessions.json"), &g)
	if len(g.Sessions) < 3 {
		t.Fatal("sessions.json has too few sessions: this test would prove little")
	}
	return g
}

// newGoldenSessions is what sessions.json is made of.
func newGoldenSessions(t *testing.T, secrets *Secrets, g goldenToken) goldenSessions {
	t.Helper()
	out := goldenSessions{Secret: g.Secret, App: g.App, Cookie: g.Cookie}
	h := newHasher(g.App)
	for i, c := range []struct {
		name   string
		epoch  epoch
		meta   Meta
		values []Value
	}{
		{"empty", epoch{}, Meta{Version: 1, Created: 1_772_355_600_000, Touched: 1_772_355_600_000, Idle: 30 * time.Minute, Absolute: 1_772_398_800_000}, nil},
		{
			"signed in",
			epoch{},
			Meta{
				Version: 2, Created: 1_772_355_600_000, Touched: 1_772_355_660_000, Idle: NoLimit, Absolute: 1_772_398_860_000,
				Subject: "Frédéric", AuthenticatedAt: 1_772_355_660_000,
			},
			[]Value{{"name", []byte(`"Fred Smith"`)}, {"n", []byte("17")}, {"", []byte("null")}},
		},
		{
			"signed in after a revocation",
			epoch{0x80, 1, 2, 3, 4, 5, 6, 0xff},
			Meta{
				Version: 300, Created: 1_772_355_600_000, Touched: 1_772_355_660_000, Idle: time.Second, Absolute: 1_772_398_860_000,
				Subject: "user 1", AuthenticatedAt: 1_772_355_660_000,
				Cookie: &CookieAttributes{Domain: "example.com", Path: "/x", SameSite: http.SameSiteNoneMode, Partitioned: true, Expires: ExpiresAfter(time.Hour)},
			},
			[]Value{{flashPrefix + "\x00\x00\x01\x1c\x28\x0f\x2d\x00\x00\x01abcd", []byte(`"hello"`)}, {"long", bytes.Repeat([]byte("x"), 200)}},
		},
	} {
		cred := credential{epoch: c.epoch}
		for j := range cred.sid {
			cred.sid[j] = byte(i*16 + j)
		}
		c.meta.Key, c.meta.Proof = h.recordKey(&cred.sid), h.recordProof(&cred)
		rec, err := NewRecord(c.meta, c.values)
		if err != nil {
			t.Fatal(err)
		}
		s := goldenSession{Name: c.name, SID: hex.EncodeToString(cred.sid[:]), Record: goldenOf(rec)}
		if c.epoch != (epoch{}) {
			s.Epoch = hex.EncodeToString(c.epoch[:])
		}
		payload, err := encodePayload(&cred.sid, c.epoch, rec)
		if err != nil {
			t.Fatal(err)
		}
		s.Payload = hex.EncodeToString(payload)
		for signOnly, text := range map[bool]*string{false: &s.Sealed, true: &s.Signed} {
			b, err := newSealer(secrets, signOnly, g.App, g.Cookie).seal(payload)
			if err != nil {
				t.Fatal(err)
			}
			*text = string(b)
		}
		out.Sessions = append(out.Sessions, s)
	}
	return out
}

// CR-6, SR-7: what is in a sealed cookie is what it always was, and cookies of all
// releases open. If this fails, the change ends every sealed session there is.
func TestGoldenSealedSessions(t *testing.T) {
	token, secrets := readGoldenToken(t)
	made := newGoldenSessions(t, secrets, token)
	if *update {
		// Each seal has another salt: one that still opens as what it should stays.
		var was goldenSessions
		readGoldenJSON(t, filepath.Join(goldenDir, "sessions.json"), &was)
		for i, s := range was.Sessions[:min(len(was.Sessions), len(made.Sessions))] {
			if s.Payload == made.Sessions[i].Payload {
				made.Sessions[i].Sealed = s.Sealed
			}
		}
		b, err := json.MarshalIndent(made, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		writeGolden(t, filepath.Join(goldenDir, "sessions.json"), append(b, '\n'))
	}
	g := readGoldenSessions(t)
	for i, s := range g.Sessions {
		if i < len(made.Sessions) {
			m := made.Sessions[i]
			m.Sealed = s.Sealed // each has another salt
			if !reflect.DeepEqual(m, s) {
				t.Errorf("%s: what is made is another:\n%s\n%s", s.Name, m.Payload, s.Payload)
			}
		}
		for signOnly, text := range map[bool]string{false: s.Sealed, true: s.Signed} {
			payload, _, _, why := newSealer(secrets, signOnly, g.App, g.Cookie).open(text, time.Unix(0, 0))
			if why != "" || hex.EncodeToString(payload) != s.Payload {
				t.Errorf("%s, sign only %v: %q %x", s.Name, signOnly, why, payload)
				continue
			}
			rec, cred, err := parsePayload(payload, newHasher(g.App))
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
				continue
			}
			if got := goldenOf(rec); !reflect.DeepEqual(got, s.Record) || hex.EncodeToString(cred.sid[:]) != s.SID {
				t.Errorf("%s: opens as\n%+v, want\n%+v", s.Name, got, s.Record)
			}
		}
	}
}

// A sealed session that a later release has made is genuine: during a rollback it is left
// alone, and its visitor is not taken for a stranger whose next write would replace it.
// Whatever is not genuine is a stranger's, whichever release it claims.
func TestASealedSessionOfALaterReleaseIsLeftAlone(t *testing.T) {
	for _, signOnly := range []bool{false, true} {
		secrets := parseTestSecrets(t, "a:"+testKey("a"))
		m, err := New(Config{Sealed: &Sealed{AllowReplay: true, SignOnly: signOnly}, Secrets: secrets, PurgeInterval: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		z := m.secure.sealer
		later, err := z.seal(append([]byte{payloadVersion + 1}, "whatever it holds then"...))
		if err != nil {
			t.Fatal(err)
		}
		damaged, err := z.seal([]byte{payloadVersion, 1, 2, 3})
		if err != nil {
			t.Fatal(err)
		}
		forged := bytes.Clone(later)
		forged[len(forged)-9] ^= 1
		outer := bytes.Clone(later)
		outer[0] = 'Z'
		for desc, c := range map[string]struct {
			cookie string
			code   int
		}{
			"of a later release": {string(later), http.StatusServiceUnavailable},
			"that is damaged":    {string(damaged), http.StatusOK},
			"that is forged":     {string(forged), http.StatusOK},
			"of another form":    {string(outer), http.StatusOK},
		} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
			r.Header.Set("Cookie", "__Host-session="+c.cookie)
			m.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s, err := m.Get(r.Context())
				if err != nil {
					t.Error(err)
				}
				s.Set("k", 1)
			})).ServeHTTP(w, r)
			if sent := len(w.Header()["Set-Cookie"]) != 0; w.Code != c.code || sent != (c.code == http.StatusOK) {
				t.Errorf("sign only %v, a session %s: %d, a cookie was sent: %v", signOnly, desc, w.Code, sent)
			}
		}
	}
}
