package leaks_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/memstore"
)

func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }

// probe is a test that may fail.
type probe struct{ failures []string }

func (p *probe) Helper() {}

func (p *probe) Errorf(format string, args ...any) {
	p.failures = append(p.failures, fmt.Sprintf(format, args...))
}

// spellings are the ways in which bytes get into a text.
func spellings(v []byte) map[string]string {
	list := func(format, sep string) string {
		var parts []string
		for _, b := range v {
			parts = append(parts, fmt.Sprintf(format, b))
		}
		return strings.Join(parts, sep)
	}
	octal := func() (s string) {
		for _, b := range v {
			s += fmt.Sprintf(`\%03o`, b)
		}
		return s
	}
	j, _ := json.Marshal(v)
	var page bytes.Buffer
	_ = template.Must(template.New("").Parse(`<p title="{{.}}">`)).Execute(&page, base64.StdEncoding.EncodeToString(v))
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v, "text", hex.EncodeToString(v))
	var text bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	return map[string]string{
		"raw":                             string(v),
		"hexadecimal":                     hex.EncodeToString(v),
		"hexadecimal in capitals":         strings.ToUpper(hex.EncodeToString(v)),
		"hexadecimal at an odd place":     "a" + hex.EncodeToString(v),
		"base64":                          base64.StdEncoding.EncodeToString(v),
		"base64 without padding":          base64.RawStdEncoding.EncodeToString(v),
		"base64url":                       base64.RawURLEncoding.EncodeToString(v),
		"base64url, padded":               base64.URLEncoding.EncodeToString(v),
		"base64 after one byte":           base64.StdEncoding.EncodeToString(append([]byte("a"), v...)),
		"base64 after two bytes":          base64.RawURLEncoding.EncodeToString(append([]byte("ab"), v...)),
		"base64 after text":               "token" + base64.RawURLEncoding.EncodeToString(v) + "x",
		"base64 in a URL":                 url.QueryEscape(base64.StdEncoding.EncodeToString(v)),
		"URL, query":                      url.QueryEscape(string(v)),
		"URL, path":                       url.PathEscape(string(v)),
		"URL, all of it":                  list("%%%02X", ""),
		"Go, quoted":                      strconv.Quote(string(v)),
		"Go, quoted to ASCII":             strconv.QuoteToASCII(string(v)),
		"Go, %v":                          fmt.Sprintf("%v", v),
		"Go, %#v":                         fmt.Sprintf("%#v", v),
		"Go, % x":                         fmt.Sprintf("% x", v),
		"Go, %#x":                         fmt.Sprintf("%#x", v),
		"Go, %x of a struct":              fmt.Sprintf("%x", struct{ V []byte }{v}),
		"an array":                        fmt.Sprintf("%v", [32]byte(append(bytes.Clone(v), make([]byte, 32)...))),
		"numbers in lines":                list("%d", "\n"),
		"numbers in JSON":                 list("%d", ","),
		"with colons":                     list("%02x", ":"),
		"octal":                           octal(),
		"JSON":                            string(j),
		"HTML":                            page.String(),
		"slog, JSON":                      logged.String(),
		"slog, text":                      text.String(),
		"a cookie":                        "Cookie: __Host-session=" + base64.RawURLEncoding.EncodeToString(append([]byte("\x01abc"), v...)),
		"a cookie in a URL in JSON":       `{"u":"https:\/\/example.com\/?sid=` + url.QueryEscape(base64.StdEncoding.EncodeToString(v)) + `"}`,
		"quotes in quotes":                strconv.Quote(base64.StdEncoding.EncodeToString(v)),
		"a blob of SQL":                   "INSERT INTO t VALUES (X'" + strings.ToUpper(hex.EncodeToString(v)) + "')",
		"a blob of PostgreSQL":            `\x` + hex.EncodeToString(v),
		"a dump that escapes a few bytes": strings.NewReplacer("\x00", `\0`, "'", `\'`, "\\", `\\`, "\n", `\n`, "\r", `\r`, "\x1a", `\Z`).Replace(string(v)),
		"the first half":                  string(v[:len(v)/2]) + "...",
		"the second half in base64":       base64.RawURLEncoding.EncodeToString(v[len(v)/2:]),
	}
}

// Whatever is planted is found, in each spelling, between whatever else there is.
func TestAPlantedLeakIsFound(t *testing.T) {
	var s leaks.Scanner
	var values [][]byte
	for range 40 {
		for _, n := range []int{16, 32} {
			v := make([]byte, n)
			_, _ = rand.Read(v)
			if !s.Remember("a secret", v) {
				t.Fatal("not remembered")
			}
			values = append(values, v)
		}
	}
	for _, v := range values {
		for name, text := range spellings(v) {
			for _, around := range [][2]string{{"", ""}, {"level=INFO msg=\"", "\" x=1\n"}, {`{"a":["`, `"]}`}} {
				p := &probe{}
				s.Check(p, "a log", []byte(around[0]+text+around[1]))
				if len(p.failures) == 0 {
					t.Fatalf("%s: not found in %q", name, text)
				}
				if got := p.failures[0]; !strings.Contains(got, "a secret: in a log") || strings.Contains(got, hex.EncodeToString(v)) {
					t.Fatalf("%q says too little or too much", got)
				}
			}
		}
	}
}

// What was not remembered is not found, or nothing above means anything.
func TestNothingElseIsFound(t *testing.T) {
	var s leaks.Scanner
	p := &probe{}
	v := make([]byte, 32)
	_, _ = rand.Read(v)
	s.Check(p, "an empty scanner's log", v)
	for range 1000 {
		_, _ = rand.Read(v)
		s.Remember("a secret", v)
	}
	for range 20 {
		_, _ = rand.Read(v)
		for _, text := range spellings(v) {
			s.Check(p, "a log", []byte(text))
		}
	}
	for _, text := range []string{strings.Repeat("a", 1000), strings.Repeat("0123456789abcdef", 100), strings.Repeat("\x00", 1000), strings.Repeat("1 2 3, ", 100)} {
		s.Check(p, "a log", []byte(text))
	}
	for _, short := range []string{"", "password", strings.Repeat("\x00", 64), strings.Repeat("text, and more of it ", 4)} {
		if s.Remember("no secret", []byte(short)) {
			t.Errorf("%q is remembered, and would be found everywhere", short)
		}
	}
	if len(p.failures) != 0 {
		t.Error(p.failures)
	}
}

// signIn lets the library issue a cookie, and a key.
func signIn(t *testing.T, sealed *beaker.Sealed) (cookie string, key []byte) {
	t.Helper()
	text := beaker.NewSecret()
	_, enc, _ := strings.Cut(text, ":")
	key, err := base64.RawURLEncoding.DecodeString(enc)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := beaker.ParseSecrets(text)
	if err != nil {
		t.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := beaker.Config{Store: store, Secrets: secrets, Sealed: sealed, PurgeInterval: -1}
	if sealed != nil {
		cfg.Store = nil
	}
	m, err := beaker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	w := httptest.NewRecorder()
	m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err != nil {
			t.Error(err)
		}
		s.Set("user_id", 7)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://example.com/", nil))
	c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	return c.Value, key
}

// Watch learns all that the library draws, by itself.
func TestWatchLearnsWhatTheLibraryDraws(t *testing.T) {
	if !leaks.Draws() {
		return // "make test" also runs this without FIPS mode
	}
	kinds := map[string]*beaker.Sealed{"stored": nil, "sealed": {AllowReplay: true}, "signed": {AllowReplay: true, SignOnly: true}}
	for kind, sealed := range kinds {
		before := leaks.Values()
		cookie, key := signIn(t, sealed)
		if n := leaks.Values() - before; n < 2 {
			t.Fatalf("%s: %d values were learned", kind, n)
		}
		raw, err := base64.RawURLEncoding.DecodeString(cookie)
		if err != nil {
			t.Fatal(err)
		}
		secret := map[string][]byte{"stored": raw[20:52], "sealed": raw[4:20], "signed": raw[5:21]}[kind]
		for what, leak := range map[string]string{
			"the cookie": cookie, "the cookie in a URL": "https://example.com/?q=" + url.QueryEscape(cookie), "its secret": string(secret),
			"its secret in hexadecimal": hex.EncodeToString(secret), "the key": string(key), "the key in text": base64.RawURLEncoding.EncodeToString(key),
		} {
			p := &probe{}
			leaks.Check(p, "a log", []byte("got "+leak+"!"))
			if len(p.failures) == 0 {
				t.Errorf("%s: %s is not found", kind, what)
			}
		}
	}
	p := &probe{}
	v := make([]byte, 32)
	_, _ = rand.Read(v)
	leaks.Check(p, "what a test has drawn", v)
	if len(p.failures) != 0 {
		t.Error(p.failures)
	}
}

func TestPauseLearnsNothing(t *testing.T) {
	if !leaks.Draws() {
		return // as above
	}
	resume := leaks.Pause()
	before := leaks.Values()
	_, _ = signIn(t, nil)
	if leaks.Values() != before {
		t.Error("something was learned")
	}
	resume()
	_, _ = signIn(t, nil)
	if leaks.Values() == before {
		t.Error("nothing is learned afterwards")
	}
}

// A cookie that another process has issued is learned from the response that sets it,
// and is then found everywhere else.
func TestResponses(t *testing.T) {
	resume := leaks.Pause()
	cookies := map[string]string{}
	for kind, sealed := range map[string]*beaker.Sealed{"stored": nil, "sealed": {AllowReplay: true}, "signed": {AllowReplay: true, SignOnly: true}} {
		cookies[kind], _ = signIn(t, sealed)
	}
	resume()
	for kind, cookie := range cookies {
		h := http.Header{"Set-Cookie": {"__Host-session=" + cookie + "; Path=/; Secure"}, "X-Other": {"1"}}
		p := &probe{}
		leaks.Response(p, h, []byte("<p>user_id 7</p>"))
		if len(p.failures) != 0 {
			t.Errorf("%s: %v", kind, p.failures)
		}
		for where, try := range map[string]func(){
			"body":     func() { leaks.Response(p, h, []byte("<p>"+cookie+"</p>")) },
			"header":   func() { leaks.Response(p, http.Header{"Location": {"/?sid=" + cookie}}, nil) },
			"log":      func() { leaks.Check(p, "log", []byte("cookie="+cookie)) },
			"an error": func() { leaks.Printed(p, "errors", fmt.Errorf("bad cookie %q", cookie)) },
		} {
			p.failures = nil
			if try(); len(p.failures) == 0 {
				t.Errorf("%s: not found in the %s", kind, where)
			}
		}
	}
}

func TestDir(t *testing.T) {
	_, key := signIn(t, nil)
	leaks.Remember("a key", key)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &probe{}
	if n := leaks.Dir(p, filepath.Join(dir, "none")); n != 0 || len(p.failures) == 0 {
		t.Error("a directory that is not there passes")
	}
	p.failures = nil
	if n := leaks.Dir(p, dir); n != 0 || len(p.failures) != 0 {
		t.Error("an empty directory does not")
	}
	write("a/harmless", "text")
	write("secret", string(key))
	if n := leaks.Dir(p, dir, "secret"); n != 1 || len(p.failures) != 0 {
		t.Error(n, p.failures)
	}
	if leaks.Dir(p, dir); len(p.failures) == 0 {
		t.Error("the key in a file is not found")
	}
	p.failures = nil
	write("b/"+hex.EncodeToString(key), "text")
	if leaks.Dir(p, dir, "secret"); len(p.failures) == 0 {
		t.Error("the key in a name is not found")
	}
}

// badRun logs a key and "passes".
type badRun struct{ key []byte }

func (r badRun) Run() int {
	log.Printf("the key is %x", r.key)
	return 0
}

// goodRun logs something else.
type goodRun struct{}

func (goodRun) Run() int {
	log.Print("nothing happened")
	return 0
}

func TestALogThatLeaksFailsTheRun(t *testing.T) {
	defer log.SetOutput(log.Writer())
	defer leaks.Pause()() // Watch sets it again
	var out bytes.Buffer
	log.SetOutput(&out)
	_, key := signIn(t, nil)
	leaks.Remember("a key", key)
	if code := leaks.WatchInto(badRun{key}, &out).Run(); code == 0 {
		t.Error("passes")
	}
	log.SetOutput(&out)
	if code := leaks.WatchInto(goodRun{}, &out).Run(); code != 0 {
		t.Error("a harmless log fails")
	}
	if !strings.Contains(out.String(), "nothing happened") || !strings.Contains(out.String(), "FAIL: a key: in the log") {
		t.Errorf("printed %q", out.String())
	}
}
