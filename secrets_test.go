// Package beaker and not beaker_test: that a reload that failed left the ring alone is
// seen in the ring, and a key's derived forms, which no error may show, are not exported.
package beaker

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNewSecretIsReadAndIsNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		text := NewSecret()
		id, key, ok := strings.Cut(text, ":")
		raw, err := base64.RawURLEncoding.DecodeString(key)
		if !ok || err != nil || len(raw) != 32 || id == "" {
			t.Fatalf("%q is not an id and 32 bytes", id)
		}
		if seen[key] {
			t.Fatal("a key came twice")
		}
		seen[key] = true
		s, err := ParseSecrets(text)
		if err != nil {
			t.Fatalf("a fresh secret is refused: %v", err)
		}
		if got := s.IDs(); !slices.Equal(got, []string{id}) {
			t.Fatalf("ids %q, want %q", got, id)
		}
	}
}

func TestParseSecretsTakesTextAsPeopleWriteIt(t *testing.T) {
	a, b, c := testKey("a"), testKey("b"), testKey("c")
	for _, tc := range []struct {
		desc   string
		text   string
		ids    []string
		active string
	}{
		{"one", "a:" + a, []string{"a"}, "a"},
		{"lines", "a:" + a + "\nb:" + b + "\n", []string{"a", "b"}, "a"},
		{"lines of Windows", "a:" + a + "\r\nb:" + b + "\r\n", []string{"a", "b"}, "a"},
		{"commas", "a:" + a + ",b:" + b, []string{"a", "b"}, "a"},
		{"commas and lines and nothing in between", ",,a:" + a + ", \n\n ,b:" + b + ",", []string{"a", "b"}, "a"},
		{"blanks around", "\t a:" + a + "  \n", []string{"a"}, "a"},
		{"comments", "# newest first\na:" + a + " # made in spring\n#b:" + b + "\n", []string{"a"}, "a"},
		{"a comment with a comma", "a:" + a + " # not b, not c\n", []string{"a"}, "a"},
		{"the first one only opens", "a:" + a + " accept\nb:" + b + "\nc:" + c, []string{"a", "b", "c"}, "b"},
		{"the first one retires", "a:" + a + " retire=2026-12-31T00:00:00Z\nb:" + b, []string{"a", "b"}, "b"},
		{"a retirement with an offset", "a:" + a + "\nb:" + b + " retire=2026-12-31T00:00:00+02:00", []string{"a", "b"}, "a"},
		{"both options", "a:" + a + "\nb:" + b + "\taccept   retire=2026-12-31T00:00:00Z", []string{"a", "b"}, "a"},
		{"a padded key", "a:" + a + "=", []string{"a"}, "a"},
		{"a longer key", "a:" + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat(a, 3)+"\x00\xff")), []string{"a"}, "a"},
		{"an id with signs", "2026-03-01/web+1=x:" + a, []string{"2026-03-01/web+1=x"}, "2026-03-01/web+1=x"},
		{"the longest id", strings.Repeat("i", 64) + ":" + a, []string{strings.Repeat("i", 64)}, strings.Repeat("i", 64)},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s, err := ParseSecrets(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.IDs(); !slices.Equal(got, tc.ids) {
				t.Errorf("ids %q, want %q", got, tc.ids)
			}
			if got := s.ring.Load().active.id; got != tc.active {
				t.Errorf("%q is active, want %q", got, tc.active)
			}
		})
	}
}

// CR-3: no key but random ones of 256 bits, no default, no passphrase. And each mistake
// is named in a way that a person can act on.
func TestParseSecretsRefuses(t *testing.T) {
	a, b := testKey("a"), testKey("b")
	enc := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, tc := range []struct{ desc, text, want string }{
		{"nothing", "", "there is none"},
		{"comments only", "# soon\n", "there is none"},
		{"no key", "a:", "has 0 bytes"},
		{"a key that repeats itself", "a:" + enc("\x00\x91\x22\xb3\x44\xd5\x66\xf7\x88\x19\xaa\x3b\xcc\x5d\xee\x7f"+"\x00\x91\x22\xb3\x44\xd5\x66\xf7\x88\x19\xaa\x3b\xcc\x5d\xee\x7f"), "not random"},
		{"a key that counts", "a:" + enc("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"), "not random"},
		{"an empty id", ":" + a, "the id must be"},
		{"an id with a control character", "a\x01:" + a, "the id must be"},
		{"an id that is not ASCII", "schlüssel:" + a, "the id must be"},
		{"an id that is too long", strings.Repeat("i", 65) + ":" + a, "the id must be"},
		{"no id", a, "want ID:KEY"},
		{"an id and a key apart", "a " + a, "want ID:KEY"},
		{"a key of 31 bytes", "a:" + enc("0123456789\x00bcdefghijklmnopqrstu"), "has 31 bytes"},
		{"a key in base64 with + and /", "a:" + base64.StdEncoding.EncodeToString([]byte("\xfb\xff\xfe"+strings.Repeat("\xff\xfe", 16))), "not base64url"},
		{"a key with bits to spare", "a:" + a[:len(a)-1] + "J", "not base64url"},
		{"a key of zeros", "a:" + enc(strings.Repeat("\x00", 32)), "not random"},
		{"a key of one byte repeated", "a:" + enc(strings.Repeat("\xa7", 64)), "not random"},
		{"a key of eight bytes repeated", "a:" + enc(strings.Repeat("\x01\x93\xfe\x80\x77\x3c\xc2\x11", 4)), "not random"},
		{"a key of fifteen bytes repeated", "a:" + enc(strings.Repeat("\x01\x93\xfe\x80\x77\x3c\xc2\x11\x02\x94\xff\x81\x78\x3d\xc3", 3)), "not random"},
		{"a passphrase", "a:" + enc("correct horse battery staple, and more of it"), "passphrase"},
		{"the word secret", "a:" + enc(strings.Repeat("secret", 8)), "not random"},
		{"a hash in hexadecimal, encoded", "a:" + enc(strings.Repeat("0123456789abcdef", 4)), "not random"},
		{"an unknown option", "a:" + a + " acept", "want accept or retire=TIME"},
		{"an option in another case", "a:" + a + " Accept", "want accept or retire=TIME"},
		{"a retirement that is no time", "a:" + a + " retire=tomorrow\nb:" + b, "2026-12-31T00:00:00Z"},
		{"a retirement without a zone", "a:" + a + " retire=2026-12-31T00:00:00\nb:" + b, "2026-12-31T00:00:00Z"},
		{"an empty retirement", "a:" + a + " retire=\nb:" + b, "2026-12-31T00:00:00Z"},
		{"one key twice", "a:" + a + "\nb:" + a, "same key"},
		{"one id twice", "a:" + a + "\na:" + b, "used twice"},
		{"all only open", "a:" + a + " accept\nb:" + b + " accept", "none of them is active"},
		{"all retire", "a:" + a + " retire=2026-12-31T00:00:00Z", "none of them is active"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s, err := ParseSecrets(tc.text)
			if s != nil || err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "beaker: secrets: ") {
				t.Fatalf("%v, %v; want %q", s, err, tc.want)
			}
		})
	}
}

func TestParseSecretsReportsEveryMistake(t *testing.T) {
	_, err := ParseSecrets("good:" + testKey("a") + "\nshort:AAAA\nodd:" + testKey("b") + " sign\nnocolon\n")
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 3 {
		t.Fatalf("%v; want three errors", err)
	}
	for i, want := range []string{"number 2", "number 3", "number 4"} {
		if got := joined.Unwrap()[i].Error(); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}

// LG-1: whatever is wrong with a secret, the message does not hold it, nor any part of
// it that would help.
func TestNoErrorOfSecretsHoldsAKey(t *testing.T) {
	a, b := testKey("a"), testKey("b")
	dir := t.TempDir()
	for desc, text := range map[string]string{
		"not base64url":               "id:" + a[:20] + "!" + a[20:],
		"a key with + and /":          "id:" + a[:20] + "+/" + a[20:],
		"bits to spare":               "id:" + a[:len(a)-1] + "J",
		"too short":                   "id:" + a[:40],
		"a blank in the key":          "id:" + a[:20] + " " + a[20:],
		"a blank before the key":      "id: " + a,
		"no id":                       a,
		"no id, and an option":        a + " accept",
		"an id and a key apart":       "id " + a,
		"the same key twice":          "id:" + a + "\nid2:" + a,
		"the same id twice":           "id:" + a + "\nid:" + b,
		"none active":                 "id:" + a + " accept",
		"retirement that is a key":    "id:" + a + " retire=" + b,
		"a key of low variety":        "id:" + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\x00\x01", 20))),
		"a passphrase":                "id:" + base64.RawURLEncoding.EncodeToString([]byte("correct horse battery staple, and more of it")),
		"an id that is not printable": "i\x01d:" + a,
		"a quoted key":                `id:"` + a + `"`,
		"a JSON object":               `{"id":"` + a + `"}`,
		"an environment line":         "SECRET=" + a,
		"two keys apart by a blank":   "id:" + a + " " + b,
		"a key where the id belongs":  a + ":web",
	} {
		t.Run(desc, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(desc, " ", "-"))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ParseSecrets(text)
			_, ferr := SecretsFromFile(file)
			if err == nil || ferr == nil {
				t.Fatalf("%v, %v: it is accepted, and this proves nothing", err, ferr)
			}
			for _, key := range []string{a, b, text[strings.IndexByte(text, ':')+1:]} {
				for _, e := range []error{err, ferr} {
					for _, form := range []string{e.Error(), fmt.Sprintf("%+v %#v %q", e, e, e)} {
						if part := sharedPart(form, key, 12); part != "" {
							t.Errorf("the error holds %q of the key: %s", part, e)
						}
					}
				}
			}
		})
	}
}

// sharedPart returns a part of the key of n characters that text has too.
func sharedPart(text, key string, n int) string {
	for i := 0; i+n <= len(key); i++ {
		if strings.Contains(text, key[i:i+n]) {
			return key[i : i+n]
		}
	}
	return ""
}

func writeSecrets(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return file
}

func TestSecretsFromFileWantsAPrivateFile(t *testing.T) {
	text := "a:" + testKey("a") + "\n"
	if !hasModes {
		if _, err := SecretsFromFile(writeSecrets(t, text, 0o666)); err != nil {
			t.Error(err)
		}
		return
	}
	for mode := range fs.FileMode(0o1000) {
		if mode&0o400 == 0 {
			continue // not readable at all
		}
		private := mode&0o077 == 0
		if s, err := SecretsFromFile(writeSecrets(t, text, mode)); (err == nil) != private {
			t.Errorf("mode %04o: %v", mode, err)
		} else if private && !slices.Equal(s.IDs(), []string{"a"}) {
			t.Errorf("mode %04o: %v", mode, s)
		} else if !private && (!strings.Contains(err.Error(), "chmod 600") || sharedPart(err.Error(), testKey("a"), 8) != "") {
			t.Errorf("mode %04o: %v does not say what to do", mode, err)
		}
	}
}

func TestSecretsFromFileRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := SecretsFromFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "write what NewSecret returns into it") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := SecretsFromFile(dir); err == nil {
		t.Error("a directory was read")
	}
	large := "a:" + testKey("a") + "\n" + strings.Repeat("#", maxSecretsFile)
	if _, err := SecretsFromFile(writeSecrets(t, large, 0o600)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a file that is too large: %v", err)
	}
	if _, err := SecretsFromFile(writeSecrets(t, large[:maxSecretsFile], 0o600)); err != nil {
		t.Errorf("the largest file: %v", err)
	}
	if _, err := SecretsFromFile(writeSecrets(t, "a:short", 0o600)); err == nil || !strings.Contains(err.Error(), "(in ") {
		t.Errorf("a bad file: %v, which does not name it", err)
	}
}

// A reload that fails leaves the server with what it had.
func TestReload(t *testing.T) {
	a, b := "a:"+testKey("a"), "b:"+testKey("b")
	file := writeSecrets(t, a, 0o600)
	s, err := SecretsFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tokens := newTokens(s, "app", "sid")
	cred := testCredential()
	old := string(tokens.issue(nil, &cred))
	before := s.ring.Load()

	for desc, spoil := range map[string]func() error{
		"gone":              func() error { return os.Remove(file) },
		"empty":             func() error { return os.WriteFile(file, nil, 0o600) },
		"half of it is bad": func() error { return os.WriteFile(file, []byte(b+"\nc:short"), 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err == nil || sharedPart(err.Error(), testKey("b"), 8) != "" {
			t.Errorf("%s: %v", desc, err)
		}
		if s.ring.Load() != before {
			t.Errorf("%s: the secrets changed", desc)
		}
	}
	if hasModes {
		if err := errors.Join(os.WriteFile(file, []byte(b), 0o600), os.Chmod(file, 0o644)); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err == nil || s.ring.Load() != before {
			t.Errorf("a file that others can read: %v", err)
		}
	}

	if err := errors.Join(os.WriteFile(file, []byte(b+"\n"+a), 0o600), os.Chmod(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := s.IDs(); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("ids %q", got)
	}
	var got credential
	if stale, why := tokens.open(old, tokenTime, &got); why != "" || !stale {
		t.Errorf("a token from before: %q, stale %v", why, stale)
	}
	fresh := string(tokens.issue(nil, &cred))
	if _, why := newTokens(parseTestSecrets(t, b), "app", "sid").open(fresh, tokenTime, &got); why != "" {
		t.Errorf("a token from after is not made with the new secret: %q", why)
	}

	if err := parseTestSecrets(t, a).Reload(); err == nil {
		t.Error("secrets that were given as text were reloaded")
	}
}

// Reload while tokens are made and opened: under the race detector, and always with one
// consistent ring.
func TestReloadWhileInUse(t *testing.T) {
	a, b := "a:"+testKey("a"), "b:"+testKey("b")
	file := writeSecrets(t, a+"\n"+b, 0o600)
	s, err := SecretsFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tokens := newTokens(s, "app", "sid")
	stop, done := make(chan struct{}), make(chan error)
	for range 2 {
		go func() {
			var err error
			for {
				cred := credential{sid: newSID(), secret: newTokenSecret()}
				var got credential
				if _, why := tokens.open(string(tokens.issue(nil, &cred)), tokenTime, &got); why != "" || got.sid != cred.sid {
					err = fmt.Errorf("a token did not open: %q", why)
				}
				_, _ = s.IDs(), s.Usage()
				select {
				case <-stop:
					done <- err
					return
				default:
				}
			}
		}()
	}
	for i := range 50 {
		text := []string{a + "\n" + b, b + "\n" + a}[i%2]
		// Renamed into place, so that no reload meets half a file.
		if err := errors.Join(os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file), s.Reload()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if err := errors.Join(<-done, <-done); err != nil {
		t.Error(err)
	}
}

func TestTheZeroSecretsHoldNone(t *testing.T) {
	var s Secrets
	if len(s.IDs()) != 0 || len(s.Usage()) != 0 || s.Reload() == nil {
		t.Error("the zero Secrets are not empty")
	}
	_, err := New(Config{Store: unusedStore{}, Secrets: &s})
	var ce *ConfigError
	if !errors.As(err, &ce) || ce.Field != "Secrets" {
		t.Errorf("New takes them: %v", err)
	}
}

// One secret gives every purpose another key (RFC 5869): what leaks of one says nothing
// of another.
func TestDerivedKeysDiffer(t *testing.T) {
	key := testKey("a")
	raw, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	s := parseTestSecrets(t, "a:"+key).ring.Load().active
	mac, sign := s.sum(nil, nil), s.signSum(nil, nil)
	all := [][]byte{raw, s.seal, mac[:], sign[:], s.tag[:]}
	for i, x := range all {
		for j, y := range all {
			if i != j && (bytes.Contains(x, y) || bytes.Contains(y, x)) {
				t.Errorf("derived %d and %d are related: %s", i, j, hex.EncodeToString(y[:3]))
			}
		}
	}
}

func TestRejectIssuedBefore(t *testing.T) {
	s := parseTestSecrets(t, "a:"+testKey("a"))
	leak := MillisOf(tokenTime)
	meta := func(created, authAt, rotated Millis) Meta {
		m := Meta{Key: RecordKey{1}, Proof: Proof{1}, Version: 1, Created: created, Touched: created, Idle: time.Hour, Absolute: leak * 2, AuthenticatedAt: authAt}
		if rotated != 0 {
			m.PrevProof, m.RotatedAt = Proof{2}, rotated
		}
		return m
	}
	for _, tc := range []struct {
		desc string
		meta Meta
		want bool
	}{
		{"began before", meta(leak-1, 0, 0), true},
		{"began then", meta(leak, 0, 0), false},
		{"began before, signed in since", meta(leak-1, leak, 0), false},
		{"began before, new secret since", meta(leak-1, 0, leak), false},
		{"began before, new secret before", meta(leak-9, leak-5, leak-1), true},
	} {
		rec, err := NewRecord(tc.meta, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.before.Store(0)
		if s.rejects(rec) {
			t.Errorf("%s: rejected without being told to", tc.desc)
		}
		s.RejectIssuedBefore(tokenTime)
		if got := s.rejects(rec); got != tc.want {
			t.Errorf("%s: %v", tc.desc, got)
		}
	}
}
