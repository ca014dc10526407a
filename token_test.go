// Package beaker and not beaker_test: a token is opened here without a request around
// it, so that the exact reason of each refusal can be seen.
package beaker

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"math"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// testKey returns a key that is good and always the same.
func testKey(name string) string {
	b := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func parseTestSecrets(t *testing.T, text string) *Secrets {
	t.Helper()
	s, err := ParseSecrets(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testCredential() (c credential) {
	for i := range c.sid {
		c.sid[i] = byte(i)
	}
	for i := range c.secret {
		c.secret[i] = byte(200 - i)
	}
	return c
}

var tokenTime = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

const tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestTokenOpensAsWhatItWasIssuedFor(t *testing.T) {
	tokens := newTokens(parseTestSecrets(t, "a:"+testKey("a")), "app", "sid")
	want := testCredential()
	text := string(tokens.issue([]byte("before "), &want))
	text, ok := strings.CutPrefix(text, "before ")
	if !ok || len(text) != tokenChars || strings.Trim(text, tokenAlphabet) != "" {
		t.Fatalf("%q is not %d characters of base64url, appended", text, tokenChars)
	}
	var got credential
	stale, why := tokens.open(text, tokenTime, &got)
	if why != "" || stale || got != want {
		t.Errorf("%q, stale %v, or another credential", why, stale)
	}
	if again := string(tokens.issue(nil, &want)); again != text {
		t.Errorf("issued again, it is %q, was %q", again, text)
	}
}

// CR-1: no bit of a token can be changed, and the refusal says to the operator which
// part was wrong.
func TestEveryBitOfATokenCounts(t *testing.T) {
	tokens := newTokens(parseTestSecrets(t, "a:"+testKey("a")), "app", "sid")
	cred := testCredential()
	raw, err := base64.RawURLEncoding.DecodeString(string(tokens.issue(nil, &cred)))
	if err != nil || len(raw) != tokenBytes {
		t.Fatal(len(raw), err)
	}
	for i := range raw {
		want := ReasonForged
		switch {
		case i == 0:
			want = ReasonVersion
		case i < 4:
			want = ReasonUnknownSecret
		}
		for bit := range 8 {
			raw[i] ^= 1 << bit
			var got credential
			_, why := tokens.open(base64.RawURLEncoding.EncodeToString(raw), tokenTime, &got)
			raw[i] ^= 1 << bit
			if why != want || got != (credential{}) {
				t.Fatalf("bit %d of byte %d: %q, want %q and nothing left behind", bit, i, why, want)
			}
		}
	}
}

// CR-1, ID-4: one token has one spelling.
func TestATokenHasOneSpelling(t *testing.T) {
	tokens := newTokens(parseTestSecrets(t, "a:"+testKey("a")), "app", "sid")
	cred := testCredential()
	text := string(tokens.issue(nil, &cred))
	refused := func(desc, text string, want Reason) {
		t.Helper()
		var got credential
		if _, why := tokens.open(text, tokenTime, &got); why != want || got != (credential{}) {
			t.Errorf("%s: %q, want %q and nothing left behind", desc, why, want)
		}
	}
	for n := range text {
		refused(fmt.Sprintf("cut to %d", n), text[:n], ReasonMalformed)
		refused(fmt.Sprintf("without the first %d", len(text)-n), text[len(text)-n:], ReasonMalformed)
	}
	for _, more := range []string{"A", "=", "==", " ", "\n", "\r\n", "\x00", "AAAA", text, strings.Repeat("A", 1<<20)} {
		refused(fmt.Sprintf("with %d at the end", len(more)), text+more, ReasonMalformed)
		refused(fmt.Sprintf("with %d at the front", len(more)), more+text, ReasonMalformed)
	}
	for i := range text {
		for c := range 256 {
			b := []byte(text)
			b[i] = byte(c)
			switch {
			case byte(c) == text[i]:
			case !strings.Contains(tokenAlphabet, string(rune(c))) || c >= 0x80:
				refused(fmt.Sprintf("byte %#x at %d", c, i), string(b), ReasonMalformed)
			default: // another character is other bits: there is no second spelling
				var got credential
				if _, why := tokens.open(string(b), tokenTime, &got); why == "" || why == ReasonMalformed {
					t.Errorf("%q at %d: %q", c, i, why)
				}
			}
		}
	}
	refused("the standard alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(text), ReasonMalformed)
	// Line ends that the decoder skips do not make room for another text.
	for i := range text {
		refused(fmt.Sprintf("a line end at %d", i), text[:i]+"\n"+text[i:tokenChars-1], ReasonMalformed)
	}
	refused("four line ends for four characters", text[:tokenChars-4]+"\n\r\n\n", ReasonMalformed)
	refused("nothing", "", ReasonMalformed)
	if !strings.ContainsAny(text, "-_") {
		t.Error("the token has neither - nor _: the standard alphabet was not tried")
	}
}

// CR-5: a token is worth something under one cookie name, in one application, with one
// secret.
func TestATokenIsBoundToItsPlace(t *testing.T) {
	a, b := "a:"+testKey("a"), "b:"+testKey("b")
	home := newTokens(parseTestSecrets(t, a), "app", "sid")
	cred := testCredential()
	text := string(home.issue(nil, &cred))
	for _, c := range []struct {
		desc      string
		secrets   string
		app, name string
		want      Reason
	}{
		{"at home", a, "app", "sid", ""},
		{"the same secret under another id", "x:" + testKey("a"), "app", "sid", ""},
		{"another cookie name", a, "app", "sid2", ReasonForged},
		{"another case of the cookie name", a, "app", "SID", ReasonForged},
		{"another application", a, "app2", "sid", ReasonForged},
		{"no application", a, "", "sid", ReasonForged},
		{"application and name exchanged", a, "sid", "app", ReasonForged},
		{"application and name divided otherwise", a, "apps", "id", ReasonForged},
		{"another secret", b, "app", "sid", ReasonUnknownSecret},
		{"another secret first", b + "\n" + a, "app", "sid", ""},
	} {
		t.Run(c.desc, func(t *testing.T) {
			var got credential
			if _, why := newTokens(parseTestSecrets(t, c.secrets), c.app, c.name).open(text, tokenTime, &got); why != c.want {
				t.Errorf("%q, want %q", why, c.want)
			}
		})
	}
}

// The same sid is another record, under another proof, for another application: a
// store may be shared.
func TestRecordKeysOfApplicationsDiffer(t *testing.T) {
	c := testCredential()
	type pair struct {
		key   RecordKey
		proof Proof
	}
	seen := map[pair]string{}
	keys := map[RecordKey]string{}
	for _, app := range []string{"", "a", "b", "ab", "a\x00", strings.Repeat("x", 255)} {
		h := newHasher(app)
		p := pair{h.recordKey(&c.sid), h.recordProof(&c)}
		if RecordKey(p.proof) == p.key {
			t.Errorf("%q: key and proof are the same", app)
		}
		if twin, ok := keys[p.key]; ok {
			t.Errorf("%q and %q have the same key", app, twin)
		}
		keys[p.key], seen[p] = app, app
	}
	other := c
	other.secret[31] ^= 1
	h := newHasher("a")
	if h.recordProof(&other) == h.recordProof(&c) {
		t.Error("the proof does not depend on the secret")
	}
	other = c
	other.sid[15] ^= 1
	if h.recordProof(&other) == h.recordProof(&c) || h.recordKey(&other.sid) == h.recordKey(&c.sid) {
		t.Error("key and proof do not both depend on the sid")
	}
}

// CR-5: no two lists of parts are framed alike (CVE-2019-10911 was a missing separator).
func TestFrameIsUnambiguous(t *testing.T) {
	parts := []string{"", "a", "b", "ab", "aa", "\x00", "\x00\x00\x00\x01a", "\x00\x00\x00\x00"}
	seen := map[string][]string{}
	var try func(list []string, depth int)
	try = func(list []string, depth int) {
		f := frame(list...)
		if twin, ok := seen[f]; ok {
			t.Errorf("%q and %q are framed alike", list, twin)
		}
		seen[f] = slices.Clone(list)
		if depth == 0 {
			return
		}
		for _, p := range parts {
			try(append(slices.Clone(list), p), depth-1)
		}
	}
	try(nil, 4)
	if len(seen) < 4000 {
		t.Errorf("only %d lists were tried", len(seen))
	}
}

// CR-7: which secret opens, which makes new tokens, and when a token is to be made anew.
func TestTokensOfARotatingRing(t *testing.T) {
	a, b := testKey("a"), testKey("b")
	retire := tokenTime.Format(time.RFC3339)
	from := newTokens(parseTestSecrets(t, "a:"+a), "app", "sid")
	cred := testCredential()
	text := string(from.issue(nil, &cred))
	for _, c := range []struct {
		desc   string
		ring   string
		now    time.Time
		want   Reason
		stale  bool
		issues string // the id of the secret of new tokens
	}{
		{"the active secret", "a:" + a, tokenTime, "", false, "a"},
		{"before the new secret is active", "b:" + b + " accept\na:" + a, tokenTime, "", false, "a"},
		{"under an older secret", "b:" + b + "\na:" + a, tokenTime, "", true, "b"},
		{"under an older secret that only opens", "b:" + b + "\na:" + a + " accept", tokenTime, "", true, "b"},
		{"under a newer secret that only opens so far", "a:" + a + " accept\nb:" + b, tokenTime, "", false, "b"},
		{"under a retiring secret that stands first", "a:" + a + " retire=2100-01-01T00:00:00Z\nb:" + b, tokenTime, "", true, "b"},
		{"a nanosecond before it retires", "b:" + b + "\na:" + a + " retire=" + retire, tokenTime.Add(-1), "", true, "b"},
		{"when it retires", "b:" + b + "\na:" + a + " retire=" + retire, tokenTime, ReasonUnknownSecret, false, "b"},
		{"after it retired", "b:" + b + "\na:" + a + " retire=" + retire, tokenTime.Add(time.Hour), ReasonUnknownSecret, false, "b"},
		{"accepted until it retires", "b:" + b + "\na:" + a + " accept retire=" + retire, tokenTime.Add(-1), "", true, "b"},
		{"gone", "b:" + b, tokenTime, ReasonUnknownSecret, false, "b"},
	} {
		t.Run(c.desc, func(t *testing.T) {
			secrets := parseTestSecrets(t, c.ring)
			tokens := newTokens(secrets, "app", "sid")
			var got credential
			stale, why := tokens.open(text, c.now, &got)
			if why != c.want || stale != c.stale {
				t.Fatalf("%q, stale %v; want %q, %v", why, stale, c.want, c.stale)
			}
			if why == "" {
				old := map[bool]string{true: "a"}[c.stale]
				if got.sid != cred.sid || got.secret != cred.secret || got.old != old {
					t.Errorf("another credential, or the old secret is %q and not %q", got.old, old)
				}
			}
			if id := secrets.ring.Load().active.id; id != c.issues {
				t.Errorf("new tokens are made with %q, not %q", id, c.issues)
			}
			fresh := string(tokens.issue(nil, &cred))
			if stale, why := tokens.open(fresh, c.now, &got); why != "" || stale {
				t.Errorf("the new token: %q, stale %v", why, stale)
			}
			for _, u := range secrets.Usage() {
				wantOpened := uint64(0)
				if c.want == "" && u.ID == "a" {
					wantOpened++
				}
				if u.Active {
					wantOpened++ // the fresh one
				}
				if u.Active != (u.ID == c.issues) || u.Opened != wantOpened || u.Issued != map[bool]uint64{true: 1}[u.Active] {
					t.Errorf("usage %+v", u)
				}
			}
		})
	}
}

// CR-7: the tag picks one secret; the others are not tried. A ring whose tags lead to
// the wrong secrets opens nothing, though the right one is in it.
func TestTheTagPicksTheSecret(t *testing.T) {
	secrets := parseTestSecrets(t, "a:"+testKey("a")+"\nb:"+testKey("b"))
	tokens := newTokens(secrets, "app", "sid")
	cred := testCredential()
	text := string(tokens.issue(nil, &cred))
	r := secrets.ring.Load()
	a, b := r.ordered[0], r.ordered[1]
	secrets.ring.Store(&ring{active: r.active, ordered: r.ordered, byTag: map[keyTag]*secret{a.tag: b, b.tag: a}})
	var got credential
	if _, why := tokens.open(text, tokenTime, &got); why != ReasonForged {
		t.Errorf("%q, want %q: another secret than the tag's was tried", why, ReasonForged)
	}
}

// ID-1, ID-2: ids and secrets are all the random bits that they look like.
func TestIDsAndSecretsAreRandom(t *testing.T) {
	const n = 20_000
	tokens := newTokens(parseTestSecrets(t, "a:"+testKey("a")), "app", "sid")
	sids, bearers := map[[sidBytes]byte]bool{}, map[[secretBytes]byte]bool{}
	var counts [sidBytes + secretBytes][256]int
	var letters [tokenChars]map[byte]bool
	for range n {
		c := credential{sid: newSID(), secret: newTokenSecret()}
		sids[c.sid], bearers[c.secret] = true, true
		for i, b := range slices.Concat(c.sid[:], c.secret[:]) {
			counts[i][b]++
		}
		text := tokens.issue(nil, &c)
		if len(text) != tokenChars {
			t.Fatalf("a token of %d characters", len(text))
		}
		for i, ch := range text {
			if letters[i] == nil {
				letters[i] = map[byte]bool{}
			}
			letters[i][ch] = true
		}
	}
	if len(sids) != n || len(bearers) != n {
		t.Fatalf("of %d, %d sids and %d secrets are different", n, len(sids), len(bearers))
	}
	// With 255 degrees of freedom, the sum is above 255+12*sqrt(2*255) less than once in
	// 10^20 runs.
	limit := 255 + 12*math.Sqrt(2*255)
	for i := range counts {
		chi2 := 0.0
		for _, seen := range counts[i] {
			d := float64(seen) - n/256.0
			chi2 += d * d / (n / 256.0)
		}
		if chi2 > limit {
			t.Errorf("byte %d is not uniform: chi-squared is %.0f, at most %.0f is chance", i, chi2, limit)
		}
	}
	for i, seen := range letters {
		// The first 32 bits are the version and the tag: five characters, and two bits.
		switch want := len(tokenAlphabet); {
		case i < 5 && len(seen) != 1, i == 5 && len(seen) != 16, i > 5 && len(seen) != want:
			t.Errorf("character %d has %d letters", i, len(seen))
		}
	}
}

// CR-9: what is secret is compared in constant time. The rule is checked on the source:
// no ==, !=, switch or bytes.Equal of proofs, bearer secrets, tags' keys or digests.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	fset := token.NewFileSet()
	pkg, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	// Only the types of this package are of interest, so most of the imports are empty,
	// and what is missing in them is no error.
	conf := types.Config{Importer: stubImports{}, Error: func(error) {}}
	checked, _ := conf.Check("beaker", fset, files, info)
	if proof := checked.Scope().Lookup("Proof"); proof == nil || proof.Type().Underlying().String() != "[32]byte" {
		t.Fatal("the source was not understood")
	}
	// Arrays of 32 bytes are proofs, secrets and digests; record keys are not secret.
	isLiteral := func(e ast.Expr) bool { // a comparison with zero tells nothing of the rest
		_, ok := ast.Unparen(e).(*ast.CompositeLit)
		return ok
	}
	sensitive := func(e ast.Expr) bool {
		typ := info.Types[e].Type
		if typ == nil || strings.HasSuffix(typ.String(), "beaker.RecordKey") || strings.HasSuffix(typ.String(), "beaker.Handle") {
			return false
		}
		if strings.HasSuffix(typ.String(), "beaker.credential") {
			return true
		}
		a, ok := typ.Underlying().(*types.Array)
		return ok && a.Len() == 32 && types.Identical(a.Elem(), types.Typ[types.Byte])
	}
	constantTime, found := 0, 0
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if n.Op != token.EQL && n.Op != token.NEQ {
					break
				}
				if (sensitive(n.X) || sensitive(n.Y)) && !isLiteral(n.X) && !isLiteral(n.Y) {
					t.Errorf("%s: compares secrets with %s", fset.Position(n.Pos()), n.Op)
				}
				found++
			case *ast.SwitchStmt:
				if n.Tag != nil && sensitive(n.Tag) {
					t.Errorf("%s: switches on a secret", fset.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				switch name := types.ExprString(n); name {
				case "bytes.Equal", "bytes.Compare", "reflect.DeepEqual", "slices.Equal":
					t.Errorf("%s: %s is not constant in time: use hmac.Equal, or show here that nothing secret is compared", fset.Position(n.Pos()), name)
				case "hmac.Equal", "subtle.ConstantTimeCompare":
					constantTime++
				}
			}
			return true
		})
	}
	if constantTime < 4 || found < 100 {
		t.Errorf("%d comparisons in constant time among %d: the source was not understood", constantTime, found)
	}
}

// stubImports has as much of the imports as the types of secrets depend on.
type stubImports struct{}

func (stubImports) Import(file string) (*types.Package, error) {
	src := map[string]string{
		"crypto/sha256": "const Size = 32; func Sum256([]byte) [32]byte",
		"sync/atomic":   "type Pointer[T any] struct{}; func (*Pointer[T]) Load() *T; func (*Pointer[T]) Store(*T)",
	}[file]
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, "package "+path.Base(file)+"; "+src, 0)
	if err != nil {
		return nil, err
	}
	conf := types.Config{IgnoreFuncBodies: true, Error: func(error) {}}
	p, _ := conf.Check(file, fset, []*ast.File{f}, nil)
	return p, nil
}
