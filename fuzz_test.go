// Package beaker and not beaker_test: FuzzOpenToken opens tokens without HTTP in
// front, FuzzJSONDecode compares the fast paths, which have no name outside.
package beaker

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// outcomes makes sure that the seeds get somewhere: a corpus that has gone, or of
// which everything is refused by the first check, would let a broken decoder pass.
type outcomes struct{ accepted, refused atomic.Int64 }

func countOutcomes(f *testing.F) *outcomes {
	f.Helper()
	o := &outcomes{}
	f.Cleanup(func() {
		if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; fuzzing || partialRun() || *update {
			return
		}
		if o.accepted.Load() == 0 || o.refused.Load() == 0 {
			f.Errorf("of the seeds in testdata/fuzz/%s, %d were accepted and %d refused: this proves nothing", f.Name(), o.accepted.Load(), o.refused.Load())
		}
	})
	return o
}

func (o *outcomes) count(err error) {
	if err != nil {
		o.refused.Add(1)
	} else {
		o.accepted.Add(1)
	}
}

//beaker:decodes ParseRecord sound checkValues cutString uvarint findValue eachValue countValues newRecord
func FuzzParseRecord(f *testing.F) {
	o := countOutcomes(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := ParseRecord(b)
		o.count(err)
		if err != nil {
			if rec != nil || errors.Is(err, ErrCorrupt) == errors.Is(err, ErrNewerFormat) {
				t.Fatalf("neither corrupt nor newer: %v", err)
			}
			// The checksum hides the rest of the decoder from the fuzzer: try with a good one.
			if len(b) <= recordTrailer {
				return
			}
			if rec, err = ParseRecord(withChecksum(b)); err != nil {
				return
			}
			b = withChecksum(b)
		}
		again, err := rec.AppendBinary(nil)
		if err != nil || string(again) != string(b) {
			t.Fatalf("decodes, but encodes as something else (%v)", err)
		}
		if rec.Size() > 1024+2*len(b) {
			t.Fatalf("%d bytes take %d in memory", len(b), rec.Size())
		}
		useRecord(t, rec)
	})
}

// withChecksum returns b with the checksum that it should have.
func withChecksum(b []byte) []byte {
	body := slices.Clone(b[:len(b)-recordTrailer])
	return binary.BigEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
}

// useRecord calls what trusts the checks of the decoder.
func useRecord(t *testing.T, rec *Record) {
	t.Helper()
	n := 0
	for name, data := range rec.Values() {
		if got, ok := rec.Lookup(name); !ok || got != data {
			t.Fatalf("Lookup(%q) does not find what Values has", name)
		}
		n++
	}
	if n != rec.Len() {
		t.Fatalf("Len is %d, there are %d values", rec.Len(), n)
	}
	if out, err := Merge(rec, &Change{AnyProof: true, Set: []Value{{"x", []byte("y")}}, Remove: []string{"a"}}); err == nil {
		if got, ok := out.Lookup("x"); !ok || got != "y" {
			t.Fatal("a value that was set is not there")
		}
	}
}

//beaker:decodes RestoreRecord checkValues newRecord checkSubject
func FuzzRestoreRecord(f *testing.F) {
	o := countOutcomes(f)
	f.Fuzz(func(t *testing.T, key, proof, prev []byte, version uint64, created, touched, idle, absolute, authAt, until, rotatedAt int64, subject string, cookie, values []byte) {
		m := Meta{
			Version: Version(version), Created: Millis(created), Touched: Millis(touched), Idle: time.Duration(idle), Absolute: Millis(absolute),
			AuthenticatedAt: Millis(authAt), PrevUntil: Millis(until), RotatedAt: Millis(rotatedAt), Subject: subject,
		}
		copy(m.Key[:], key)
		copy(m.Proof[:], proof)
		copy(m.PrevProof[:], prev)
		if len(cookie) > 0 {
			m.Cookie = &CookieAttributes{}
			if m.Cookie.UnmarshalBinary(cookie) != nil {
				return
			}
		}
		rec, err := RestoreRecord(m, values)
		o.count(err)
		if err != nil {
			return
		}
		b, err := rec.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := ParseRecord(b)
		if err != nil {
			t.Fatalf("a record that was restored does not survive its binary form: %v", err)
		}
		m.Idle = m.Idle.Truncate(time.Millisecond)
		if !reflect.DeepEqual(rec.Meta(), m) || !reflect.DeepEqual(parsed.Meta(), m) || string(parsed.AppendValues(nil)) != string(values) {
			t.Fatal("the record is not what it was restored from")
		}
		useRecord(t, rec)
	})
}

//beaker:decodes CookieAttributes.UnmarshalBinary CookieAttributes.problems Expiry.lifetime setCookie
func FuzzCookieAttributes(f *testing.F) {
	o := countOutcomes(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var c CookieAttributes
		err := c.UnmarshalBinary(b)
		o.count(err)
		if err != nil {
			if c != (CookieAttributes{}) {
				t.Fatal("attributes that were refused left something behind")
			}
			return
		}
		if again, err := c.MarshalBinary(); err != nil || string(again) != string(b) {
			t.Fatalf("decodes, but encodes as something else (%v)", err)
		}
		// Whatever is stored renders to one line of attributes that are ours.
		if len(c.problems("sid")) == 0 {
			line := setCookie("sid", []byte("v"), &c, true, 0, time.Time{})
			if strings.ContainsAny(line, "\r\n\x00") || strings.Count(line, ";") > 7 {
				t.Fatalf("%q", line)
			}
		}
		_, _ = c.Expires.lifetime(1, 2)
		_ = c.Expires.String()
	})
}

//beaker:decodes tokens.open ring.find
func FuzzOpenToken(f *testing.F) {
	o := countOutcomes(f)
	var g goldenToken
	b, err := os.ReadFile(filepath.Join(goldenDir, "token.json"))
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	secrets, err2 := ParseSecrets(g.Secret)
	if err := errors.Join(err, err2); err != nil {
		f.Fatal(err)
	}
	tokens := newTokens(secrets, g.App, g.Cookie)
	known := map[Reason]bool{ReasonMalformed: true, ReasonVersion: true, ReasonUnknownSecret: true, ReasonForged: true}
	f.Fuzz(func(t *testing.T, text string) {
		var c credential
		_, why := tokens.open(text, time.Unix(0, 0), &c)
		if why == "" {
			o.count(nil)
			// Only what was issued opens, and that in one spelling.
			if again := string(tokens.issue(nil, &c)); again != text {
				t.Fatalf("%q opens, and is issued as %q", text, again)
			}
			return
		}
		o.count(errors.New(string(why)))
		if !known[why] || c != (credential{}) {
			t.Fatalf("%q: %q, or something was left behind", text, why)
		}
	})
}

//beaker:decodes ParseSecrets parseRing parseSecret checkStrength regular
func FuzzParseSecrets(f *testing.F) {
	o := countOutcomes(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecrets(text)
		o.count(err)
		if err != nil {
			if s != nil {
				t.Fatal("secrets beside an error")
			}
			if !strings.HasPrefix(err.Error(), "beaker: secrets: ") {
				t.Fatalf("%v", err)
			}
			return
		}
		r := s.ring.Load()
		if len(r.ordered) == 0 || len(r.byTag) != len(r.ordered) || r.active == nil || r.active.accept || !r.active.retire.IsZero() || !slices.Contains(r.ordered, r.active) {
			t.Fatalf("%v: an inconsistent ring", s)
		}
		c := credential{sid: newSID(), secret: newTokenSecret()}
		tokens := newTokens(s, "app", "sid")
		var got credential
		if stale, why := tokens.open(string(tokens.issue(nil, &c)), time.Unix(1, 0), &got); why != "" || stale || got != c {
			t.Fatalf("%v: what it issues it does not open: %q", s, why)
		}
	})
}

//beaker:decodes ParseHandle Handle.UnmarshalText
func FuzzParseHandle(f *testing.F) {
	o := countOutcomes(f)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHandle(text)
		o.count(err)
		if err != nil {
			if !h.IsZero() {
				t.Fatal("a handle that was refused left something behind")
			}
			return
		}
		if h.String() != text {
			t.Fatalf("%q is also spelled %q", h, text)
		}
	})
}

//beaker:decodes JSON.Decode plainJSON isInteger decodeAny numbers takesNull
func FuzzJSONDecode(f *testing.F) {
	o := countOutcomes(f)
	f.Fuzz(func(t *testing.T, data string) {
		compareDecode[int](t, data)
		compareDecode[int64](t, data)
		compareDecode[string](t, data)
		compareDecode[bool](t, data)
		compareDecode[[]int](t, data)

		var got, want any
		err := JSON{}.Decode([]byte(data), &got)
		o.count(err)
		werr := json.Unmarshal([]byte(data), &want)
		if err != nil {
			if werr == nil {
				t.Fatalf("%q: %v; encoding/json takes it", data, err)
			}
			return
		}
		if werr != nil && !errors.As(werr, new(*json.UnmarshalTypeError)) { // a number that no float64 holds is a json.Number
			t.Fatalf("%q: taken, encoding/json says %v", data, werr)
		}
		if werr == nil && !sameJSON(got, want) {
			t.Fatalf("%q: %#v, encoding/json says %#v", data, got, want)
		}
		// The same before the session was saved and after.
		b, err := JSON{}.Encode(got)
		if err != nil {
			t.Fatal(err)
		}
		var again any
		if err := (JSON{}).Decode(b, &again); err != nil {
			t.Fatal(err)
		}
		if c, err := (JSON{}).Encode(again); err != nil || string(c) != string(b) { // 1.0 becomes 1, and stays it
			t.Fatalf("%q: %s, and %s after a round trip (%v)", data, b, c, err)
		}
	})
}

// compareDecode holds both ways of decoding a T against encoding/json. They differ in
// null on purpose: it has no value of these types, and encoding/json ignores it.
func compareDecode[T any](t *testing.T, data string) {
	t.Helper()
	var want, got T
	werr := json.Unmarshal([]byte(data), &want)
	null := strings.Trim(data, " \t\r\n") == "null" && reflect.TypeFor[T]().Kind() != reflect.Slice
	fast, ok := plainJSON[T](data)
	if ok && (werr != nil || null || !reflect.DeepEqual(fast, want)) {
		t.Fatalf("%q as %T: the fast path says %#v, encoding/json %#v, %v", data, want, fast, want, werr)
	}
	err := JSON{}.Decode([]byte(data), &got)
	if null {
		if data == "null" && err == nil {
			t.Fatalf("null as %T: %#v", want, got)
		}
		return
	}
	if (err == nil) != (werr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q as %T: %#v, %v; encoding/json says %#v, %v", data, want, got, err, want, werr)
	}
}

// sameJSON reports whether got is want but for the types of numbers.
func sameJSON(got, want any) bool {
	switch w := want.(type) {
	case float64:
		switch g := got.(type) {
		case int64:
			return float64(g) == w
		case float64:
			return g == w
		case json.Number:
			f, err := g.Float64()
			return err == nil && f == w
		}
		return false
	case map[string]any:
		g, ok := got.(map[string]any)
		return ok && maps.EqualFunc(g, w, sameJSON)
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(g, w, sameJSON)
	}
	return got == want
}

//beaker:decodes Merge mergeValues joinValues Record.rotatedTo
func FuzzMerge(f *testing.F) {
	o := countOutcomes(f)
	f.Fuzz(func(t *testing.T, program []byte) { o.count(checkMerge(t, &choices{program})) })
}

// The same, in a plain run of the tests.
func TestMergeAgreesWithAModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var accepted, refused int
	for range 5000 {
		program := make([]byte, 20+rnd.IntN(120))
		for i := range program {
			program[i] = byte(rnd.Uint32())
		}
		if err := checkMerge(t, &choices{program}); err != nil {
			refused++
		} else {
			accepted++
		}
	}
	if accepted < 500 || refused < 500 {
		t.Errorf("%d accepted, %d refused: the choices are too one-sided to prove much", accepted, refused)
	}
}

// choices makes records and changes of bytes.
type choices struct{ b []byte }

func (c *choices) pick(n int) int {
	if len(c.b) == 0 {
		return 0
	}
	v := int(c.b[0])
	c.b = c.b[1:]
	return v % n
}

func (c *choices) one(of ...Millis) Millis { return of[c.pick(len(of))] }
func (c *choices) yes() bool               { return c.pick(3) == 1 }
func (c *choices) proof() Proof            { return Proof{31: []byte{1, 1, 2, 1, 3, 0}[c.pick(6)]} } // the zero one too
func (c *choices) name() string            { return []string{"", "a", "b", "c", "ab", "\x00f\xff"}[c.pick(6)] }

func (c *choices) data() string {
	return strings.Repeat(strconv.Itoa(c.pick(10)), []int{0, 1, 2, 127, 128, 300}[c.pick(6)])
}

// model is what a record is, without any encoding.
type model struct {
	meta   Meta
	values map[string]string
}

const modelEpoch = Millis(1_000_000_000)

func (c *choices) model() *model {
	m := &model{values: map[string]string{}, meta: Meta{
		Key: RecordKey{1}, Proof: Proof{31: []byte{1, 1, 1, 2}[c.pick(4)]}, Version: Version(1 + c.pick(3)), Created: modelEpoch,
		Touched: modelEpoch + c.one(0, 5, 10), Idle: time.Duration(c.one(1000, 100, 10, 1, 1000, 1000)) * time.Millisecond, Absolute: modelEpoch + c.one(2000, 20, 1, 2000, 2000),
	}}
	if c.yes() {
		m.meta.PrevProof, m.meta.RotatedAt = Proof{31: byte(1 + c.pick(3))}, modelEpoch+c.one(0, 5)
		m.meta.PrevUntil = m.meta.RotatedAt + c.one(0, 5, 50)
	}
	if c.yes() {
		m.meta.Subject, m.meta.AuthenticatedAt = "fred", modelEpoch
	}
	if c.yes() {
		m.meta.Cookie = &CookieAttributes{Path: "/", SameSite: http.SameSite(c.pick(5))}
	}
	for range c.pick(5) {
		m.values[c.name()] = c.data()
	}
	return m
}

func (c *choices) change() *Change {
	ch := &Change{
		Now: modelEpoch + c.one(0, 1, 5, 9, 10, 11, 15, 20, 60), Proof: c.proof(), AnyProof: c.pick(4) == 1, Began: 3,
		IfVersion: Version(c.one(0, 0, 0, 0, 1, 2, 3)), Clear: c.pick(6) == 1,
		Idle: time.Duration(c.one(0, 0, 0, 0, 0, 0, 0, 1, 7, 2000, -1)) * time.Millisecond, Absolute: c.one(0, 0, 0, 0, 0, 0, 0, modelEpoch+9, modelEpoch+500, -1, maxMillis+1),
	}
	if c.yes() {
		ch.Touch = modelEpoch + c.one(0, 4, 5, 6, 11)
	}
	names := map[string]bool{}
	for range c.pick(4) { // in any order, each once, as the comment asks
		if name := c.name(); !names[name] {
			names[name] = true
			ch.Set = append(ch.Set, Value{name, []byte(c.data())})
		}
	}
	for range c.pick(4) {
		if name := c.name(); !names[name] {
			ch.Remove = append(ch.Remove, name)
		}
	}
	if c.yes() {
		subject := []string{"", "fred", "wilma", "fred", "wilma", "a\nb", strings.Repeat("x", 256)}[c.pick(7)]
		ch.Subject, ch.AuthenticatedAt = &subject, modelEpoch+c.one(0, 1)
	}
	if c.yes() {
		ch.Cookie = &CookieAttributes{Path: "/x", Expires: Expiry(c.pick(3))}
	}
	if c.yes() {
		ch.Rotate = &Rotation{Next: c.proof(), Grace: time.Duration(c.one(0, 0, 1, 30, -5)) * time.Millisecond}
	}
	if c.yes() {
		ch.Limits = Limits{MaxBytes: int(c.one(0, 10, 200, 500)), MaxKeys: int(c.one(0, 1, 3, 5))}
	}
	return ch
}

var errModelInvalid = errors.New("invalid")

// merge is Merge as its comment tells it, step by step. It returns nil for "nothing to
// write".
func (m *model) merge(ch *Change) (*model, error) {
	old := m.meta
	if end := min(old.Absolute, old.Touched+Millis(old.Idle/time.Millisecond)); ch.Now >= end {
		return nil, ErrNotFound
	}
	current := ch.AnyProof || !ch.Proof.IsZero() && ch.Proof == old.Proof
	previous := !ch.Proof.IsZero() && ch.Proof == old.PrevProof && ch.Now < old.PrevUntil
	if ch.Rotate != nil {
		next := ch.Rotate.Next
		if next.IsZero() {
			return nil, errModelInvalid
		}
		if !old.PrevProof.IsZero() && old.Proof == next && (ch.AnyProof || old.PrevProof == ch.Proof) {
			return nil, nil //nolint:nilnil // nothing to write
		}
		if !current {
			return nil, ErrNotFound
		}
	}
	if !current && !previous {
		return nil, ErrNotFound
	}
	if ch.IfVersion != 0 && ch.IfVersion != old.Version {
		return nil, ErrConflict
	}
	out := &model{meta: old, values: maps.Clone(m.values)}
	out.meta.Touched = max(old.Touched, ch.Touch)
	if !ch.Clear && len(ch.Remove)+len(ch.Set) == 0 && ch.Idle == 0 && ch.Absolute == 0 && ch.Subject == nil && ch.Cookie == nil && ch.Rotate == nil {
		if out.meta.Touched == old.Touched {
			return nil, nil //nolint:nilnil // nothing to write
		}
		return out, nil
	}
	out.meta.Version++
	if ch.Idle != 0 {
		out.meta.Idle = ch.Idle
	}
	if ch.Absolute != 0 {
		out.meta.Absolute = ch.Absolute
	}
	if ch.Idle < 0 || ch.Absolute < 0 || ch.Absolute > maxMillis {
		return nil, errModelInvalid
	}
	if s := ch.Subject; s != nil {
		if len(*s) > 255 || strings.Contains(*s, "\n") {
			return nil, errModelInvalid
		}
		out.meta.Subject, out.meta.AuthenticatedAt = *s, ch.AuthenticatedAt
	}
	if ch.Cookie != nil {
		out.meta.Cookie = ch.Cookie
	}
	if r := ch.Rotate; r != nil {
		out.meta.PrevProof, out.meta.Proof = old.Proof, r.Next
		out.meta.RotatedAt, out.meta.PrevUntil = ch.Now, ch.Now.Add(max(r.Grace, 0))
	}
	if ch.Clear {
		clear(out.values)
	}
	for _, name := range ch.Remove {
		delete(out.values, name)
	}
	for _, v := range ch.Set {
		out.values[v.Name] = string(v.Data)
	}
	size := 1
	for name, data := range out.values {
		size += len(name) + len(data) + 2
		if len(data) >= 128 {
			size++
		}
	}
	if l := ch.Limits; len(ch.Set) > 0 && (l.MaxBytes > 0 && size > l.MaxBytes || l.MaxKeys > 0 && len(out.values) > l.MaxKeys) {
		return nil, ErrTooLarge
	}
	return out, nil
}

// checkMerge compares Merge with the model, and returns Merge's error.
func checkMerge(t *testing.T, c *choices) error {
	t.Helper()
	m := c.model()
	var values []Value
	for name, data := range m.values {
		values = append(values, Value{name, []byte(data)})
	}
	rec, err := NewRecord(m.meta, values)
	if err != nil {
		t.Fatal(err)
	}
	before, err := rec.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	ch := c.change()
	// The errors of a model that has several reasons to refuse are compared as "refused,
	// as a mistake of the caller's", since their order is not promised.
	want, werr := m.merge(ch)
	got, err := Merge(rec, ch)
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%s\nrecord %+v\nchange %s", fmt.Sprintf(format, args...), goldenOf(rec), describe(ch))
	}
	if after, err := rec.AppendBinary(nil); err != nil || string(after) != string(before) {
		fail("the record was changed")
	}
	if werr != nil {
		contract := !errors.Is(werr, errModelInvalid)
		if err == nil || contract && !errors.Is(err, werr) || !contract && (errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict)) {
			fail("%v, want %v", err, werr)
		}
		return err
	}
	switch {
	case err != nil:
		fail("%v, want no error", err)
	case want == nil:
		if got != rec {
			fail("something was written")
		}
		return nil
	case got == rec:
		fail("nothing was written")
	}
	if !reflect.DeepEqual(got.Meta(), want.meta) {
		fail("got %+v", goldenOf(got))
	}
	if !maps.Equal(maps.Collect(got.Values()), want.values) {
		fail("got values %q, want %q", maps.Collect(got.Values()), want.values)
	}
	b, err := got.AppendBinary(nil)
	if err != nil {
		fail("encode: %v", err)
	}
	if _, err := ParseRecord(b); err != nil {
		fail("the merged record does not decode: %v", err)
	}
	return nil
}

// describe prints a change of this file, which prints nothing of itself.
func describe(ch *Change) string {
	s := fmt.Sprintf("%+v", struct {
		Now, Touch, Absolute Millis
		Proof                byte
		Any, Clear           bool
		If                   Version
		Idle                 time.Duration
		Remove               []string
		Limits               Limits
	}{ch.Now, ch.Touch, ch.Absolute, ch.Proof[31], ch.AnyProof, ch.Clear, ch.IfVersion, ch.Idle, ch.Remove, ch.Limits})
	for _, v := range ch.Set {
		s += fmt.Sprintf(" set %q=%q", v.Name, v.Data)
	}
	if ch.Rotate != nil {
		s += fmt.Sprintf(" rotate to %d grace %v", ch.Rotate.Next[31], ch.Rotate.Grace)
	}
	if ch.Subject != nil {
		s += fmt.Sprintf(" subject %q", *ch.Subject)
	}
	return s
}

// writeSeeds writes the corpora in testdata/fuzz, under names that say what they are.
// What a fuzzer finds is added beside them, and is not touched here.
func writeSeeds(t *testing.T) {
	t.Helper()
	seed := func(target, name string, args ...any) {
		text := "go test fuzz v1\n"
		for _, a := range args {
			switch a := a.(type) {
			case []byte:
				text += fmt.Sprintf("[]byte(%q)\n", a)
			case string:
				text += fmt.Sprintf("string(%q)\n", a)
			default:
				text += fmt.Sprintf("%T(%d)\n", a, a)
			}
		}
		writeGolden(t, filepath.Join("testdata/fuzz", target, name), []byte(text))
	}
	for _, file := range goldenFiles(t, "record/format*/*.json") {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if name == "values-256" {
			continue // large inputs are slow to mutate
		}
		base := strings.TrimSuffix(file, ".json")
		b, values := readGoldenHex(t, base+".hex"), readGoldenHex(t, base+".values.hex")
		seed("FuzzParseRecord", name, b)
		var g goldenRecord
		readGoldenJSON(t, file, &g)
		var cookie []byte
		if g.Cookie != nil {
			var err error
			if cookie, err = g.Cookie.MarshalBinary(); err != nil {
				t.Fatal(err)
			}
			seed("FuzzCookieAttributes", name, cookie)
		}
		m := g.meta()
		restore := func(name string, values []byte) {
			seed("FuzzRestoreRecord", name, m.Key[:], m.Proof[:], m.PrevProof[:], uint64(m.Version), int64(m.Created), int64(m.Touched), int64(m.Idle),
				int64(m.Absolute), int64(m.AuthenticatedAt), int64(m.PrevUntil), int64(m.RotatedAt), m.Subject, cookie, values)
		}
		restore(name, values)
		if name == "one-value" {
			later := slices.Clone(b)
			later[0] = recordFormat + 1
			seed("FuzzParseRecord", "later-format", withChecksum(later))
			seed("FuzzParseRecord", "cut", withChecksum(b[:len(b)-3]))
			restore("bytes-after-the-values", append(slices.Clone(values), 0))
			restore("unsorted", []byte("\x02\x01b\x01x\x01a\x01x"))
			m.Version = 0
			restore("no-version", values)
		}
	}
	seed("FuzzParseRecord", "empty", []byte{})
	seed("FuzzCookieAttributes", "zero", []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	seed("FuzzCookieAttributes", "unknown-samesite", []byte{1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	seed("FuzzCookieAttributes", "one-byte-more", []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})

	g, _ := readGoldenToken(t)
	token := g.Tokens[len(g.Tokens)-1]
	seed("FuzzOpenToken", "golden", token)
	seed("FuzzOpenToken", "another-version", "B"+token[1:])
	seed("FuzzOpenToken", "another-secret", token[:1]+"x"+token[2:])
	seed("FuzzOpenToken", "forged", token[:len(token)-1]+"x")
	seed("FuzzOpenToken", "padded", token[:len(token)-1]+"=")
	seed("FuzzOpenToken", "short", token[:len(token)-1])
	seed("FuzzOpenToken", "line-end", token[:len(token)-1]+"\n")
	seed("FuzzOpenToken", "empty", "")

	_, key, _ := strings.Cut(g.Secret, ":")
	second := hex.EncodeToString([]byte(key))[:44] // 33 bytes
	seed("FuzzParseSecrets", "one", g.Secret)
	seed("FuzzParseSecrets", "ring", "# newest first\r\nnew:"+second+"\r\nold:"+key+" retire=2030-01-01T00:00:00Z # soon")
	seed("FuzzParseSecrets", "accept", "new:"+second+" accept,old:"+key)
	seed("FuzzParseSecrets", "none-active", "old:"+key+" accept")
	seed("FuzzParseSecrets", "twice", "a:"+key+",b:"+key)
	seed("FuzzParseSecrets", "weak", "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	seed("FuzzParseSecrets", "unknown-option", "a:"+key+" sign")
	seed("FuzzParseSecrets", "no-colon", key)

	handle := strings.Repeat("09af", 16)
	seed("FuzzParseHandle", "lower", handle)
	seed("FuzzParseHandle", "upper", strings.ToUpper(handle))
	seed("FuzzParseHandle", "short", handle[1:])
	seed("FuzzParseHandle", "long", handle+"0")
	seed("FuzzParseHandle", "not-hexadecimal", handle[1:]+"g")

	for i, text := range []string{
		"null", " null", "true", "false", "tru", "0", "-0", "00", "-01", "+1", "1.0", "1e2", "1E-2", "1e999", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", `""`, `"plain"`, `"<&>"`, `"a\"b"`, `"\ud800"`, "\"\x7f\"", "\"\xff\"",
		`[1,2.5,"x",null,{"a":[1]}]`, `{"a":1,"a":2}`, `[1`, `1 2`, `{} `, ` [] x`, "", " ", `"a`, `1_0`, `0x1`, `[[[[[[[[1e400]]]]]]]]`,
	} {
		seed("FuzzJSONDecode", fmt.Sprintf("seed-%02d", i), text)
	}

	writeHostileSeeds(t, seed)

	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range 24 {
		program := make([]byte, 30+rnd.IntN(60))
		for i := range program {
			program[i] = byte(rnd.Uint32())
		}
		seed("FuzzMerge", fmt.Sprintf("seed-%02d", i), program)
	}
}
