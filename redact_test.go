// Package beaker and not beaker_test: the bytes that must not be seen are made here, and
// a session is looked at whose secrets are known.
package beaker

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// canaries are bytes that nothing may print, with every way in which they might be.
type canaries map[string][]string

func (c canaries) add(name string, b []byte) {
	list := func(format, sep string) string {
		parts := make([]string, len(b))
		for i, x := range b {
			parts[i] = fmt.Sprintf(format, x)
		}
		return strings.Join(parts, sep)
	}
	c[name] = []string{
		string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), list("%d", " "), list("%d", ","), list("%d", ", "), list("0x%x", ", "), list("0x%x", " "),
		list("%02x", " "), base64.RawURLEncoding.EncodeToString(b), base64.RawStdEncoding.EncodeToString(b), strings.Trim(strconv.Quote(string(b)), `"`), strings.Trim(strconv.QuoteToASCII(string(b)), `"`),
	}
}

// seen returns which canary is in text.
func (c canaries) seen(text string) string {
	for name, forms := range c {
		for _, f := range forms {
			if strings.Contains(text, f) {
				return name + " as " + f
			}
		}
	}
	return ""
}

// pattern returns bytes that appear nowhere by chance, printable ones, so that the raw
// form would be seen too.
func pattern(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'A' + (first+byte(i)*7)%58
	}
	return b
}

// leakForms are the ways in which something gets into a log, a panic or a dump.
func leakForms(v any) map[string]string {
	forms := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%t", "% x", "%#x", "%10.3v", "%U", "%c", "%b", "%e", "%z"} {
		forms["fmt "+verb] = fmt.Sprintf(verb, v)
	}
	forms["fmt.Sprint"] = fmt.Sprint(v)
	forms["a field"] = fmt.Sprintf("%v %+v %#v", struct{ F any }{v}, struct{ F any }{v}, struct{ F any }{v})
	forms["a slice"] = fmt.Sprintf("%v %+v %#v %x", []any{v}, []any{v}, []any{v}, []any{v})
	forms["a map"] = fmt.Sprintf("%v %+v %#v", map[string]any{"k": v}, map[string]any{"k": v}, map[string]any{"k": v})
	forms["an error"] = fmt.Errorf("failed: %v %+v", v, v).Error()
	var b bytes.Buffer
	for name, h := range map[string]slog.Handler{"text": slog.NewTextHandler(&b, nil), "JSON": slog.NewJSONHandler(&b, nil)} {
		b.Reset()
		l := slog.New(h)
		l.Info("m", "v", v, slog.Group("g", slog.Any("v", v)))
		l.With("v", v).Info("m", "list", []any{v})
		forms["slog "+name] = b.String()
	}
	if j, err := json.Marshal(v); err != nil {
		forms["json"] = err.Error()
	} else {
		forms["json"] = string(j)
	}
	if j, err := json.Marshal(map[string]any{"k": []any{v}}); err == nil {
		forms["json in a map"] = string(j)
	}
	forms["a panic"] = func() (text string) {
		defer func() { text = fmt.Sprint(recover()) }()
		panic(v)
	}()
	return forms
}

// LG-1: whatever prints one of the types that hold secrets, hashes of secrets or users'
// data shows none of it, in no spelling.
func TestNothingThatIsPrintedHoldsASecret(t *testing.T) {
	c := canaries{}
	key, proof, prev, next := pattern(0, 32), Proof(pattern(11, 32)), Proof(pattern(23, 32)), Proof(pattern(31, 32))
	value := []byte(`"value ` + string(pattern(3, 24)) + `"`)
	for name, b := range map[string][]byte{"the proof": proof[:], "the previous proof": prev[:], "the next proof": next[:], "a value": value, "a value without quotes": value[1 : len(value)-1]} {
		c.add(name, b)
	}
	meta := Meta{
		Key: RecordKey(key), Proof: proof, PrevProof: prev, PrevUntil: 5, RotatedAt: 4, Version: 3, Created: 1, Touched: 2,
		Idle: time.Hour, Absolute: 1e9, Subject: "fred", Cookie: &CookieAttributes{Path: "/"},
	}
	values := []Value{{"card", value}, {"other", []byte("1")}}
	rec, err := NewRecord(meta, values)
	if err != nil {
		t.Fatal(err)
	}
	change := Change{Now: 9, Proof: proof, Base: rec, Set: values, Rotate: &Rotation{Next: next}}

	secretText := "a:" + testKey("printed")
	secrets := parseTestSecrets(t, secretText)
	raw, err := base64.RawURLEncoding.DecodeString(testKey("printed"))
	if err != nil {
		t.Fatal(err)
	}
	s := secrets.ring.Load().active
	c.add("the secret", raw)
	c.add("the key for sealing", s.seal)
	config := Config{Store: newMapStore(), Secrets: secrets, App: "app", Observer: Observers()}
	m, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()

	var session *Session
	lines := cookieLines(m, "example.com", "", func(s *Session, _ *http.Request) {
		s.Set("card", string(value[1:len(value)-1]))
		_ = s.SetSubject("fred")
		session = s
	})
	if len(lines) != 1 {
		t.Fatal("no cookie was set")
	}
	token, _, _ := strings.Cut(strings.TrimPrefix(lines[0], "__Host-session="), ";")
	c.add("the token's sid", session.cred.sid[:])
	c.add("the token's secret", session.cred.secret[:])
	c["the token"] = []string{token}
	sessionProof := session.proof
	c.add("the session's proof", sessionProof[:])
	for _, x := range []struct {
		desc string
		v    any
	}{
		{"Proof", proof},
		{"*Proof", &proof},
		{"[]Proof", []Proof{proof, prev}},
		{"map of Proof", map[string]Proof{"k": proof}},
		{"*Record", rec},
		{"[]*Record", []*Record{rec}},
		{"Change", change},
		{"*Change", &change},
		{"Rotation", *change.Rotate},
		{"*Rotation", change.Rotate},
		{"Value", values[0]},
		{"*Value", &values[0]},
		{"[]Value", values},
		{"Meta", meta},
		{"*Meta", &meta},
		{"*Secrets", secrets},
		{"[]SecretUsage", secrets.Usage()},
		{"Config", config},
		{"*Config", &config},
		{"*Manager", m},
		{"*Session", session},
		{"Handle", session.Handle()},
		{"Key", NewKey[string]("card")},
		{"DecodeError", &DecodeError{Name: "card", Type: "int", Err: errors.New(string(value))}},
		{"CookieAttributes", session.CookieAttributes()},
		{"Event", Event{Name: EventLoad, Handle: session.Handle(), Subject: "fred", Err: &DecodeError{Name: "card", Type: "int", Err: errors.New(string(value))}}},
		{"a struct that holds all", struct {
			Record  *Record
			Proof   Proof
			Session *Session
			Secrets *Secrets
			Values  []Value
			Meta    *Meta
		}{rec, proof, session, secrets, values, &meta}},
	} {
		t.Run(x.desc, func(t *testing.T) {
			for how, text := range leakForms(x.v) {
				if _, isErr := x.v.(error); isErr && !strings.Contains("fmt %v fmt %+v fmt %s fmt %q fmt %x fmt %X fmt.Sprint a panic slog text slog JSON an error", how) {
					continue // other verbs do not ask an error for its text
				}
				if strings.HasPrefix(x.desc, "Event") && strings.HasPrefix(how, "json") {
					continue // nor does JSON
				}
				if what := c.seen(text); what != "" {
					t.Errorf("%s shows %s: %.300q", how, what, text)
				}
				if text == "" {
					t.Errorf("%s is empty: nobody can tell what it was", how)
				}
			}
		})
	}
	// The scanner sees what it should, or nothing above means anything.
	for desc, v := range map[string]any{"an array": [32]byte(proof), "bytes": proof[:], "text": string(value)} {
		for how, text := range leakForms(v) {
			if strings.Contains("fmt %v fmt %+v fmt %#v fmt %x fmt %s slog JSON slog text json a map", how) && c.seen(text) == "" && (desc != "an array" || how != "slog JSON") {
				t.Errorf("%s, %s is not recognised: %.200q", desc, how, text)
			}
		}
	}
}

func TestRedactedNilsDoNotPanic(t *testing.T) {
	for _, v := range []any{(*Record)(nil), (*Secrets)(nil)} {
		for how, text := range leakForms(v) {
			if strings.Contains(strings.ToLower(text), "panicked") || strings.Contains(text, "PANIC") {
				t.Errorf("%T, %s: %s", v, how, text)
			}
		}
	}
	// Of these, package fmt and slog catch the dereference themselves.
	for _, v := range []any{(*Change)(nil), (*Meta)(nil), (*Value)(nil), (*Proof)(nil)} {
		if got := fmt.Sprintf("%v", v); got != "<nil>" {
			t.Errorf("%T: %s", v, got)
		}
		leakForms(v)
	}
}

// What is printed still tells one from another.
func TestRedactedTextSaysWhatItIs(t *testing.T) {
	rec, err := NewRecord(Meta{Key: RecordKey{0xab}, Proof: Proof{1}, Version: 7, Idle: time.Hour, Absolute: 1}, []Value{{"a", nil}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v    any
		want []string
	}{
		{rec, []string{"Record", "ab0000", "version 7", "1 values"}},
		{rec.Meta(), []string{"Meta", "ab0000", "version 7"}},
		{&Change{Set: []Value{{}}, Remove: []string{"a", "b"}}, []string{"Change", "1 set", "2 removed"}},
		{Value{"a", []byte("12345")}, []string{"Value", "5 bytes"}},
		{Proof{1}, []string{"Proof", "redacted"}},
		{parseTestSecrets(t, "spring:"+testKey("a")), []string{"Secrets", "spring"}},
	} {
		for _, text := range []string{fmt.Sprint(c.v), fmt.Sprintf("%#v", c.v)} {
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s does not say %q", text, want)
				}
			}
		}
	}
}

// The default observer and the one for slog write what happened, and nothing of it.
func TestEventsOfHostileRequestsHoldNoCookie(t *testing.T) {
	var logged bytes.Buffer
	secrets := parseTestSecrets(t, "a:"+testKey("a"))
	m, err := New(Config{
		Store: newMapStore(), Secrets: secrets,
		Observer: SlogObserver(slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	line := cookieLines(m, "example.com", "", func(s *Session, _ *http.Request) { s.Set("pin", "4711-canary") })[0]
	pair, _, _ := strings.Cut(line, ";")
	value := strings.TrimPrefix(pair, "__Host-session=")
	pin := NewKey[int]("pin")
	for _, cookie := range []string{pair, pair + "x", pair[:len(pair)-1], pair + "; " + pair} {
		cookieLines(m, "example.com", cookie, func(s *Session, r *http.Request) {
			_, _ = pin.Get(s)
			s.Set("f", func() {})
			_ = s.Err()
			_ = s.Destroy(r.Context())
		})
	}
	w := httptest.NewRecorder()
	m.Error(w, httptest.NewRequest(http.MethodGet, "/", nil), fmt.Errorf("internal: %s", value))
	if strings.Contains(w.Body.String(), value) {
		t.Error("the error page quotes the error")
	}
	if n := strings.Count(logged.String(), "\n"); n < 5 {
		t.Fatalf("only %d events: this proves nothing", n)
	}
	for _, part := range []string{value, value[:40], value[40:80], "4711-canary"} {
		if strings.Contains(logged.String(), part) {
			t.Errorf("the log holds %q", part)
		}
	}
}
