// Package beaker and not beaker_test: what is pinned here are bytes that no exported
// function returns, those of tokens and of derived keys.
package beaker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The files in testdata/golden are promises: what an earlier release wrote must be
// read for ever. With -update, files of the current formats are written; those of a
// format that was released are never changed, and there is no code here that could
// write an old one.
var update = flag.Bool("update", false, "write the golden files of the current formats, and the seeds of the fuzz tests")

// goldenText is a string of any bytes that a person can read in JSON.
type goldenText string

func (s goldenText) MarshalText() ([]byte, error) {
	q := strconv.QuoteToASCII(string(s))
	return []byte(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)), nil
}

func (s *goldenText) UnmarshalText(b []byte) error {
	v, err := strconv.Unquote(`"` + strings.ReplaceAll(string(b), `"`, `\"`) + `"`)
	*s = goldenText(v)
	return err
}

// goldenHash is 32 bytes in hexadecimal.
type goldenHash [32]byte

func (h goldenHash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

func (h *goldenHash) UnmarshalText(b []byte) error {
	n, err := hex.Decode(h[:], b)
	if err == nil && n != len(h) {
		err = fmt.Errorf("%d bytes", n)
	}
	return err
}

// goldenRecord is what a record says, in a form that no format of ours is needed for.
type goldenRecord struct {
	Key             goldenHash                `json:"key"`
	Proof           goldenHash                `json:"proof"`
	PrevProof       goldenHash                `json:"prevProof,omitzero"`
	PrevUntil       Millis                    `json:"prevUntil,omitzero"`
	RotatedAt       Millis                    `json:"rotatedAt,omitzero"`
	Version         Version                   `json:"version"`
	Created         Millis                    `json:"created"`
	Touched         Millis                    `json:"touched"`
	IdleMillis      int64                     `json:"idleMillis"`
	Absolute        Millis                    `json:"absolute"`
	Subject         string                    `json:"subject,omitzero"`
	AuthenticatedAt Millis                    `json:"authenticatedAt,omitzero"`
	Cookie          *CookieAttributes         `json:"cookie,omitzero"`
	Values          map[goldenText]goldenText `json:"values,omitzero"`
}

func (g *goldenRecord) meta() Meta {
	return Meta{
		Key: RecordKey(g.Key), Proof: Proof(g.Proof), PrevProof: Proof(g.PrevProof), PrevUntil: g.PrevUntil, RotatedAt: g.RotatedAt,
		Version: g.Version, Created: g.Created, Touched: g.Touched, Idle: time.Duration(g.IdleMillis) * time.Millisecond,
		Absolute: g.Absolute, Subject: g.Subject, AuthenticatedAt: g.AuthenticatedAt, Cookie: g.Cookie,
	}
}

func (g *goldenRecord) record(t *testing.T) *Record {
	t.Helper()
	var values []Value
	for name, data := range g.Values { // in random order, on purpose
		values = append(values, Value{string(name), []byte(data)})
	}
	rec, err := NewRecord(g.meta(), values)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func goldenOf(rec *Record) goldenRecord {
	m := rec.Meta()
	g := goldenRecord{
		Key: goldenHash(m.Key), Proof: goldenHash(m.Proof), PrevProof: goldenHash(m.PrevProof), PrevUntil: m.PrevUntil, RotatedAt: m.RotatedAt,
		Version: m.Version, Created: m.Created, Touched: m.Touched, IdleMillis: m.Idle.Milliseconds(),
		Absolute: m.Absolute, Subject: m.Subject, AuthenticatedAt: m.AuthenticatedAt, Cookie: m.Cookie,
	}
	for name, data := range rec.Values() {
		if g.Values == nil {
			g.Values = map[goldenText]goldenText{}
		}
		g.Values[goldenText(name)] = goldenText(data)
	}
	return g
}

const goldenDir = "testdata/golden"

func goldenFiles(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(goldenDir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no golden files match %s: this test would prove nothing", pattern)
	}
	return files
}

func readGoldenJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func writeGolden(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readGoldenHex(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil || len(b) == 0 {
		t.Fatalf("%s is not hexadecimal: %v", file, err)
	}
	return b
}

// wrapHex keeps lines short enough to be compared by eye.
func wrapHex(b []byte) []byte {
	var out []byte
	for line := range slices.Chunk(b, 32) {
		out = append(hex.AppendEncode(out, line), '\n')
	}
	return out
}

func TestGoldenRecordsOfTheCurrentFormatAreWrittenByteForByte(t *testing.T) {
	dir := fmt.Sprintf("record/format%d", recordFormat)
	for _, file := range goldenFiles(t, dir+"/*.json") {
		name := strings.TrimSuffix(file, ".json")
		t.Run(filepath.Base(name), func(t *testing.T) {
			var g goldenRecord
			readGoldenJSON(t, file, &g)
			rec := g.record(t)
			got, err := rec.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			values := rec.AppendValues(nil)
			if *update {
				writeGolden(t, name+".hex", wrapHex(got))
				writeGolden(t, name+".values.hex", wrapHex(values))
			}
			if want := readGoldenHex(t, name+".hex"); string(got) != string(want) {
				t.Errorf("encoded\n%x, want\n%x", got, want)
			}
			if want := readGoldenHex(t, name+".values.hex"); string(values) != string(want) {
				t.Errorf("values\n%x, want\n%x", values, want)
			}
		})
	}
}

// Records of every format that was ever released decode, and say what they said.
func TestGoldenRecordsOfAllFormatsAreRead(t *testing.T) {
	for _, file := range goldenFiles(t, "record/format*/*.json") {
		name := strings.TrimSuffix(file, ".json")
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(name), func(t *testing.T) {
			var want goldenRecord
			readGoldenJSON(t, file, &want)
			rec, err := ParseRecord(readGoldenHex(t, name+".hex"))
			if err != nil {
				t.Fatal(err)
			}
			if got := goldenOf(rec); !reflect.DeepEqual(got, want) {
				t.Errorf("decoded\n%+v, want\n%+v", got, want)
			}
			// A store that keeps columns has the values in a form of their own.
			rec, err = RestoreRecord(want.meta(), readGoldenHex(t, name+".values.hex"))
			if err != nil {
				t.Fatal(err)
			}
			if got := goldenOf(rec); !reflect.DeepEqual(got, want) {
				t.Errorf("restored\n%+v, want\n%+v", got, want)
			}
		})
	}
}

type goldenChange struct {
	Now             Millis            `json:"now"`
	Proof           goldenHash        `json:"proof,omitzero"`
	AnyProof        bool              `json:"anyProof,omitzero"`
	IfVersion       Version           `json:"ifVersion,omitzero"`
	Clear           bool              `json:"clear,omitzero"`
	Remove          []goldenText      `json:"remove,omitzero"`
	Set             [][2]goldenText   `json:"set,omitzero"`
	Touch           Millis            `json:"touch,omitzero"`
	IdleMillis      int64             `json:"idleMillis,omitzero"`
	Absolute        Millis            `json:"absolute,omitzero"`
	Subject         *string           `json:"subject,omitzero"`
	AuthenticatedAt Millis            `json:"authenticatedAt,omitzero"`
	Cookie          *CookieAttributes `json:"cookie,omitzero"`
	Rotate          *struct {
		Next        goldenHash `json:"next"`
		GraceMillis int64      `json:"graceMillis,omitzero"`
	} `json:"rotate,omitzero"`
	MaxBytes int `json:"maxBytes,omitzero"`
	MaxKeys  int `json:"maxKeys,omitzero"`
}

func (g *goldenChange) change() *Change {
	ch := &Change{
		Now: g.Now, Proof: Proof(g.Proof), AnyProof: g.AnyProof, IfVersion: g.IfVersion, Clear: g.Clear, Touch: g.Touch,
		Idle: time.Duration(g.IdleMillis) * time.Millisecond, Absolute: g.Absolute, Subject: g.Subject, AuthenticatedAt: g.AuthenticatedAt,
		Cookie: g.Cookie, Limits: Limits{MaxBytes: g.MaxBytes, MaxKeys: g.MaxKeys},
	}
	for _, name := range g.Remove {
		ch.Remove = append(ch.Remove, string(name))
	}
	for _, v := range g.Set {
		ch.Set = append(ch.Set, Value{string(v[0]), []byte(v[1])})
	}
	if g.Rotate != nil {
		ch.Rotate = &Rotation{Next: Proof(g.Rotate.Next), Grace: time.Duration(g.Rotate.GraceMillis) * time.Millisecond}
	}
	return ch
}

// goldenMerges is merge.json: the inputs are written by hand, the results by -update.
type goldenMerges struct {
	Records map[string]goldenRecord `json:"records"`
	Cases   []goldenMerge           `json:"cases"`
}

type goldenMerge struct {
	Name   string       `json:"name"`
	Record string       `json:"record"`
	Change goldenChange `json:"change"`
	Result string       `json:"result"` // the record in hexadecimal, or a word
}

// mergeResult returns the outcome in the words of merge.json.
func mergeResult(t *testing.T, rec *Record, ch *Change) string {
	t.Helper()
	out, err := Merge(rec, ch)
	switch {
	case errors.Is(err, ErrNotFound):
		return "not found"
	case errors.Is(err, ErrConflict):
		return "conflict"
	case errors.Is(err, ErrTooLarge):
		return "too large"
	case err != nil:
		return "invalid"
	case out == rec:
		return "unchanged"
	}
	b, err := out.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

func TestGoldenMergesGiveTheSameBytes(t *testing.T) {
	file := goldenFiles(t, "merge.json")[0]
	var all goldenMerges
	readGoldenJSON(t, file, &all)
	if len(all.Cases) == 0 {
		t.Fatal("merge.json has no cases: this test would prove nothing")
	}
	seen := map[string]int{}
	for i := range all.Cases {
		c := &all.Cases[i]
		t.Run(c.Name, func(t *testing.T) {
			g, ok := all.Records[c.Record]
			if !ok {
				t.Fatalf("there is no record %q", c.Record)
			}
			got := mergeResult(t, g.record(t), c.Change.change())
			if *update {
				c.Result = got
			}
			if got != c.Result {
				t.Errorf("got %s, want %s", got, c.Result)
			}
			seen[got[:min(len(got), 12)]]++
		})
	}
	if *update {
		b, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		writeGolden(t, file, append(b, '\n'))
	}
	for _, want := range []string{"not found", "conflict", "too large", "invalid", "unchanged"} {
		if seen[want] == 0 && !*update && !partialRun() {
			t.Errorf("no case ends with %q", want)
		}
	}
}

// partialRun reports whether only some subtests were asked for.
func partialRun() bool { return strings.Contains(flag.Lookup("test.run").Value.String(), "/") }

// goldenToken is token.json.
type goldenToken struct {
	Secret string `json:"secret"` // as ParseSecrets reads it
	App    string `json:"app"`
	Cookie string `json:"cookie"`
	SID    string `json:"sid"`
	Bearer string `json:"bearer"`

	// What was ever released, the current form last.
	Tokens []string `json:"tokens"`
	Sealed []string `json:"sealed"`
	Signed []string `json:"signed"`

	RecordKey   goldenHash `json:"recordKey"`
	RecordProof goldenHash `json:"recordProof"`
	KeyTag      string     `json:"keyTag"`
	TokenMAC    goldenHash `json:"tokenMAC"` // of nothing
	SignMAC     goldenHash `json:"signMAC"`  // of nothing
	SealKey     string     `json:"sealKey"`
}

// goldenPayload is what is sealed in token.json.
const goldenPayload = "what is sealed"

func (g *goldenToken) credential(t *testing.T) (c credential) {
	t.Helper()
	sid, err1 := hex.DecodeString(g.SID)
	bearer, err2 := hex.DecodeString(g.Bearer)
	if err := errors.Join(err1, err2); err != nil || len(sid) != len(c.sid) || len(bearer) != len(c.secret) {
		t.Fatalf("token.json: sid or bearer: %v", err)
	}
	copy(c.sid[:], sid)
	copy(c.secret[:], bearer)
	return c
}

func readGoldenToken(t *testing.T) (goldenToken, *Secrets) {
	t.Helper()
	var g goldenToken
	readGoldenJSON(t, filepath.Join(goldenDir, "token.json"), &g)
	secrets, err := ParseSecrets(g.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return g, secrets
}

// CR-3: the labels, the derived keys and the text of a token are what they always
// were. If this test fails, the change ends every session there is.
func TestGoldenTokenAndDerivedKeys(t *testing.T) {
	g, secrets := readGoldenToken(t)
	cred := g.credential(t)
	token := string(newTokens(secrets, g.App, g.Cookie).issue(nil, &cred))
	sealed, err1 := newSealer(secrets, false, g.App, g.Cookie).seal([]byte(goldenPayload))
	signed, err2 := newSealer(secrets, true, g.App, g.Cookie).seal([]byte(goldenPayload))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	h, s := newHasher(g.App), secrets.ring.Load().active
	got := g
	got.RecordKey, got.RecordProof = goldenHash(h.recordKey(&cred.sid)), goldenHash(h.recordProof(&cred))
	got.KeyTag, got.SealKey = hex.EncodeToString(s.tag[:]), hex.EncodeToString(s.seal)
	got.TokenMAC, got.SignMAC = s.sum(nil, nil), s.signSum(nil, nil)
	if *update {
		add := func(list *[]string, text string) {
			if !slices.Contains(*list, text) {
				*list = append(slices.Clone(*list), text)
			}
		}
		add(&got.Tokens, token)
		add(&got.Signed, string(signed))
		if len(got.Sealed) == 0 { // each has another salt: for a new form, add one by hand
			add(&got.Sealed, string(sealed))
		}
		b, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		writeGolden(t, filepath.Join(goldenDir, "token.json"), append(b, '\n'))
		g = got
	}
	if !reflect.DeepEqual(got, g) {
		t.Errorf("derived\n%+v, want\n%+v", got, g)
	}
	if len(g.Tokens) == 0 || len(g.Sealed) == 0 || len(g.Signed) == 0 {
		t.Fatal("token.json has no tokens: this test would prove nothing")
	}
	if last := g.Tokens[len(g.Tokens)-1]; token != last {
		t.Errorf("issued %s, want %s", token, last)
	}
	if last := g.Signed[len(g.Signed)-1]; string(signed) != last {
		t.Errorf("signed %s, want %s", signed, last)
	}
}

func TestGoldenTokensOfAllReleasesOpen(t *testing.T) {
	g, secrets := readGoldenToken(t)
	want := g.credential(t)
	for _, old := range g.Tokens {
		var got credential
		if stale, why := newTokens(secrets, g.App, g.Cookie).open(old, time.Unix(0, 0), &got); why != "" || stale || got != want {
			t.Errorf("%s: %q, stale %v, or it opens as something else", old, why, stale)
		}
	}
	for _, old := range g.Sealed {
		if got, _, _, why := newSealer(secrets, false, g.App, g.Cookie).open(old, time.Unix(0, 0)); why != "" || string(got) != goldenPayload {
			t.Errorf("%s: %q, %q", old, why, got)
		}
	}
	for _, old := range g.Signed {
		if got, _, _, why := newSealer(secrets, true, g.App, g.Cookie).open(old, time.Unix(0, 0)); why != "" || string(got) != goldenPayload {
			t.Errorf("%s: %q, %q", old, why, got)
		}
	}
}

// The golden values are also right: here they are derived a second time, by what the
// comments in token.go, seal.go and secrets.go say and without their code.
func TestGoldenTokenIsWhatItsDescriptionSays(t *testing.T) {
	g, _ := readGoldenToken(t)
	_, text, _ := strings.Cut(g.Secret, ":")
	key, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	derive := func(key, salt []byte, label string, n int) []byte {
		b, err := hkdf.Key(sha256.New, key, salt, label, n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	framed := func(parts ...string) (b []byte) {
		for _, p := range parts {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
		}
		return b
	}
	sum := func(key []byte, parts ...[]byte) goldenHash {
		mac := hmac.New(sha256.New, key)
		for _, p := range parts {
			mac.Write(p)
		}
		return goldenHash(mac.Sum(nil))
	}
	cred := g.credential(t)

	tag := derive(key, nil, "beaker key tag v1", 3)
	macKey := derive(key, nil, "beaker token mac v1", 32)
	signKey := derive(key, nil, "beaker signed session mac v1", 32)
	sealKey := derive(key, nil, "beaker sealed session key v1", 32)
	if hex.EncodeToString(tag) != g.KeyTag || sum(macKey) != g.TokenMAC || sum(signKey) != g.SignMAC || hex.EncodeToString(sealKey) != g.SealKey {
		t.Error("the keys that token.json pins are not those of the description")
	}
	body := slices.Concat([]byte{1}, tag, cred.sid[:], cred.secret[:])
	mac := sum(macKey, framed("beaker token v1", g.App, g.Cookie), body)
	if want := base64.RawURLEncoding.EncodeToString(append(body, mac[:]...)); !slices.Contains(g.Tokens, want) {
		t.Errorf("the token of the description is %s", want)
	}
	body = slices.Concat([]byte{3}, tag, []byte(goldenPayload))
	mac = sum(signKey, framed("beaker signed session v1", "\x03", "session", g.App, g.Cookie), body)
	if want := base64.RawURLEncoding.EncodeToString(append(body, mac[:]...)); !slices.Contains(g.Signed, want) {
		t.Errorf("the signed form of the description is %s", want)
	}
	b, err := base64.RawURLEncoding.DecodeString(g.Sealed[0])
	if err != nil || b[0] != 2 || string(b[1:4]) != string(tag) {
		t.Fatalf("the sealed form does not begin as described: %v", err)
	}
	keys, err := hkdf.Expand(sha256.New, sealKey, "beaker sealed cookie keys v1"+string(b[4:20]), 64)
	if err != nil {
		t.Fatal(err)
	}
	if string(b[20:52]) != string(keys[32:]) {
		t.Error("the commitment is not that of the description")
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := aead.Open(nil, nil, b[52:], framed("beaker sealed session v1", "\x02", "session", g.App, g.Cookie))
	if err != nil || string(plain) != goldenPayload {
		t.Errorf("the sealed form does not open as described: %v", err)
	}
	if want := sha256.Sum256(append(framed("beaker record key v1", g.App), cred.sid[:]...)); goldenHash(want) != g.RecordKey {
		t.Errorf("the record key of the description is %x", want)
	}
	proof := sha256.Sum256(slices.Concat(framed("beaker record proof v1", g.App), cred.sid[:], cred.secret[:]))
	if goldenHash(proof) != g.RecordProof {
		t.Error("the proof that token.json pins is not that of the description")
	}
}

// Seeds are committed, so that a plain run of the tests tries them and fuzzing starts
// from what decodes. That they get somewhere, countOutcomes sees to.
func TestEveryFuzzTargetHasSeeds(t *testing.T) {
	if *update {
		writeSeeds(t)
	}
	targets := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files found:", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(src)) {
			if name, ok := strings.CutPrefix(line, "func Fuzz"); ok {
				name, _, _ = strings.Cut(name, "(")
				targets["Fuzz"+name] = true
			}
		}
	}
	if len(targets) == 0 {
		t.Fatal("no fuzz targets found")
	}
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		seeds, err := filepath.Glob(filepath.Join("testdata/fuzz", name, "*"))
		if err != nil || len(seeds) == 0 {
			t.Errorf("%s has no seeds in testdata/fuzz", name)
		}
	}
}
