// In the package, because what a client cannot make must be made here: genuine
// ciphertexts of wrong contents.
package beaker

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func testSealers(t *testing.T) (seal, sign sealer) {
	t.Helper()
	s, err := ParseSecrets(NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	return newSealer(s, false, "app", "__Host-session"), newSealer(s, true, "app", "__Host-session")
}

// CR-1, CR-2, CR-10: every bit, every length, every spelling.
func TestEveryBitOfASealedSessionCounts(t *testing.T) {
	seal, sign := testSealers(t)
	payload := bytes.Repeat([]byte("the session "), 20)
	for name, z := range map[string]sealer{"sealed": seal, "signed": sign} {
		text, err := z.seal(payload)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, stale, why := z.open(string(text), time.Time{}); why != "" || stale || !bytes.Equal(got, payload) {
			t.Fatalf("%s: does not open: %s", name, why)
		}
		raw, err := base64.RawURLEncoding.DecodeString(string(text))
		if err != nil {
			t.Fatal(err)
		}
		refused := func(desc, text string) {
			t.Helper()
			if got, _, _, why := z.open(text, time.Time{}); why == "" || got != nil {
				t.Errorf("%s: %s opens", name, desc)
			}
		}
		for i := range raw {
			for bit := range 8 {
				raw[i] ^= 1 << bit
				refused("a flipped bit", base64.RawURLEncoding.EncodeToString(raw))
				raw[i] ^= 1 << bit
			}
		}
		for n := range raw {
			refused("a beginning", base64.RawURLEncoding.EncodeToString(raw[:n]))
		}
		for n := range text {
			refused("cut text", string(text[:n]))
		}
		refused("a byte more", base64.RawURLEncoding.EncodeToString(append(raw, 0)))
		for _, s := range []string{"\n", "\r", "=", " ", "A", "%", "."} {
			refused("text with a tail", string(text)+s)
			refused("text with a head", s+string(text))
			refused("text with an inset", string(text[:9])+s+string(text[9:]))
		}
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		if len(raw)%3 != 0 {
			last := strings.IndexByte(alphabet, text[len(text)-1])
			refused("another spelling of the last character", string(text[:len(text)-1])+alphabet[last+1:last+2])
		}
		refused("standard base64", base64.RawStdEncoding.EncodeToString(append([]byte{2, 0xfb, 0xff}, raw[3:]...)))
		refused("the payload as it is", base64.RawURLEncoding.EncodeToString(payload))
		refused("JSON", `{"user":"admin"}`)
		refused("a bomb", strings.Repeat("A", maxSealedText+1))
	}
}

// CR-5, CR-11: a cookie of another name, application, purpose or kind.
func TestASealedSessionIsBoundToItsPlace(t *testing.T) {
	secrets, err := ParseSecrets(NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	for _, signOnly := range []bool{false, true} {
		home := newSealer(secrets, signOnly, "app", "name")
		text, err := home.seal([]byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		foreign := map[string]sealer{
			"another application": newSealer(secrets, signOnly, "other", "name"),
			"another name":        newSealer(secrets, signOnly, "app", "other"),
			"the border moved":    newSealer(secrets, signOnly, "appn", "ame"),
			"the other kind":      newSealer(secrets, !signOnly, "app", "name"),
		}
		purpose := home
		purpose.aad = []byte(frame(labelSealedAAD, string([]byte{sealedVersion}), "flash", "app", "name"))
		purpose.prefix = []byte(frame(labelSigned, string([]byte{signedVersion}), "flash", "app", "name"))
		foreign["another purpose"] = purpose
		for desc, z := range foreign {
			if _, _, _, why := z.open(string(text), time.Time{}); why != ReasonForged && why != ReasonVersion {
				t.Errorf("sign only %v, %s: %q", signOnly, desc, why)
			}
		}
		tok := newTokens(secrets, "app", "name")
		if _, why := tok.open(string(text), time.Time{}, new(credential)); why == "" {
			t.Error("a sealed session opens as a token")
		}
		cred := testCredential()
		if _, _, _, why := home.open(string(tok.issue(nil, &cred)), time.Time{}); why == "" {
			t.Error("a token opens as a sealed session")
		}
	}
}

// CR-8: GCM does not commit to its key. Two keys are given; a ciphertext is made whose
// tag is right under both; the commitment refuses it under the one that it was not made
// for. The ciphertext is built for GCM with one block, where the tag is linear in it.
func TestACiphertextThatOpensUnderTwoKeysIsRefused(t *testing.T) {
	one, err := ParseSecrets(NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	two, err := ParseSecrets(NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	s1, s2 := one.ring.Load().active, two.ring.Load().active
	salt := make([]byte, saltBytes)
	keyOf := func(s *secret) []byte {
		out := s.deriveSubkey(salt) // for the raw block cipher
		return out[:32]
	}
	k1, k2 := keyOf(s1), keyOf(s2)
	nonce := make([]byte, 12)
	z := newSealer(two, false, "app", "name")
	box := collide(t, k1, k2, nonce, z.aad)
	for _, k := range [][]byte{k1, k2} {
		block, err := aes.NewCipher(k)
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gcm.Open(nil, nil, append(bytes.Clone(nonce), box...), z.aad); err != nil {
			t.Fatalf("the crafted ciphertext does not open: %v", err)
		}
	}
	craft := func(tagOf, commitmentOf *secret) string {
		out := commitmentOf.deriveSubkey(salt)
		b := append([]byte{sealedVersion}, tagOf.tag[:]...)
		b = append(append(b, salt...), out[32:]...)
		return base64.RawURLEncoding.EncodeToString(append(append(b, nonce...), box...))
	}
	if _, _, _, why := z.open(craft(s2, s2), time.Time{}); why != "" {
		t.Fatalf("with its own commitment it must open, or this test shows nothing: %s", why)
	}
	if _, _, _, why := z.open(craft(s2, s1), time.Time{}); why != ReasonForged {
		t.Errorf("with the other key's commitment: %q", why)
	}
}

// collide returns ciphertext and tag that are valid under both keys: two free blocks,
// the second solves GHASH1 ^ GHASH2 = E1 ^ E2 (Dodis et al., CRYPTO 2018).
func collide(t *testing.T, k1, k2, nonce, aad []byte) []byte {
	t.Helper()
	h := func(k []byte) (hash, mask block128) {
		b, err := aes.NewCipher(k)
		if err != nil {
			t.Fatal(err)
		}
		var zero, e [16]byte
		b.Encrypt(e[:], zero[:])
		var j0 [16]byte
		copy(j0[:], nonce)
		j0[15] = 1
		var m [16]byte
		b.Encrypt(m[:], j0[:])
		return block128(e), block128(m)
	}
	h1, m1 := h(k1)
	h2, m2 := h(k2)
	// tag_i = ghash_i(aad, c, lengths) ^ mask_i with c one block:
	// ghash_i = (A_i ^ c) * H_i^2 ^ L * H_i, where A_i hashes the aad.
	var lengths block128
	putLen(&lengths, len(aad), 16)
	a := func(hk block128) (y block128) {
		for p := aad; len(p) > 0; p = p[min(16, len(p)):] {
			var b block128
			copy(b[:], p)
			y = mul(xor(y, b), hk)
		}
		return y
	}
	sq1, sq2 := mul(h1, h1), mul(h2, h2)
	constant := xor(xor(m1, m2), xor(mul(lengths, h1), mul(lengths, h2)))
	constant = xor(constant, xor(mul(a(h1), sq1), mul(a(h2), sq2)))
	// c * (H1^2 ^ H2^2) = constant
	c := mul(constant, inverse(xor(sq1, sq2)))
	tag := xor(xor(mul(xor(a(h1), c), sq1), mul(lengths, h1)), m1)
	return append(bytes.Clone(c[:]), tag[:]...)
}

type block128 [16]byte

func xor(a, b block128) (c block128) {
	for i := range a {
		c[i] = a[i] ^ b[i]
	}
	return c
}

func putLen(b *block128, aad, text int) {
	for i := range 8 {
		b[7-i] = byte(aad * 8 >> (8 * i))
		b[15-i] = byte(text * 8 >> (8 * i))
	}
}

// mul multiplies in GCM's field (NIST SP 800-38D, 6.3).
func mul(x, y block128) (z block128) {
	v := y
	for i := range 128 {
		if x[i/8]>>(7-i%8)&1 == 1 {
			z = xor(z, v)
		}
		low := v[15] & 1
		for j := 15; j > 0; j-- {
			v[j] = v[j]>>1 | v[j-1]<<7
		}
		v[0] >>= 1
		if low == 1 {
			v[0] ^= 0xe1
		}
	}
	return z
}

// inverse is x^(2^128-2).
func inverse(x block128) block128 {
	result := block128{0x80} // one
	for range 127 {
		x = mul(x, x)
		result = mul(result, x)
	}
	return result
}

// CR-4: no two seals are alike.
func TestSealsDiffer(t *testing.T) {
	seal, _ := testSealers(t)
	seen := map[string]bool{}
	for range 10_000 {
		text, err := seal.seal([]byte("the same"))
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(text)] {
			t.Fatal("two seals are equal")
		}
		seen[string(text)] = true
	}
}

// SR-4, TO-4: a payload has one encoding; what encodePayload would not write is refused.
func TestAPayloadHasOneEncoding(t *testing.T) {
	h := newHasher("app")
	sid := newSID()
	cred := credential{sid: sid}
	rec, err := NewRecord(Meta{
		Key: h.recordKey(&sid), Proof: h.recordProof(&cred), Version: 3, Created: 1000, Touched: 2000, Idle: time.Minute,
		Absolute: 9000, Subject: "u", AuthenticatedAt: 1500, Cookie: &CookieAttributes{Path: "/x", SameSite: 2},
	}, []Value{{"a", []byte("1")}, {"b", []byte("2")}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := encodePayload(&sid, epoch{1}, rec)
	if err != nil {
		t.Fatal(err)
	}
	got, c, err := parsePayload(b, h)
	if err != nil || c.sid != sid {
		t.Fatal(err)
	}
	again, err := encodePayload(&c.sid, c.epoch, got)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("not the same: %v", err)
	}
	for n := range b {
		if _, _, err := parsePayload(b[:n], h); err == nil {
			t.Errorf("the first %d bytes parse", n)
		}
	}
	if _, _, err := parsePayload(append(bytes.Clone(b), 0), h); err == nil {
		t.Error("a byte more parses")
	}
}

// FuzzPayload: parsing and writing again gives the same bytes, or parsing refuses.
//
//beaker:decodes parsePayload
func FuzzPayload(f *testing.F) {
	o := countOutcomes(f)
	h := newHasher("golden app")
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, cred, err := parsePayload(b, h)
		o.count(err)
		if err != nil {
			if later := len(b) > 0 && b[0] > payloadVersion; later != errors.Is(err, ErrNewerFormat) || rec != nil || cred != nil {
				t.Errorf("%x: %v", b, err)
			}
			return
		}
		again, err := encodePayload(&cred.sid, cred.epoch, rec)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x became %x, %v", b, again, err)
		}
		useRecord(t, rec)
	})
}

// FuzzOpenSealed: nothing that was not sealed opens, and nothing makes it panic. The
// seeds are the golden cookies, so that mutations start from what opens.
//
//beaker:decodes sealer.open ring.find
func FuzzOpenSealed(f *testing.F) {
	const genuine = "what is sealed"
	secrets, err := ParseSecrets("golden:k4VVqWCH13UFjeJ_e1xTdIkPD6orZi3D--qdEN6u3qI")
	if err != nil {
		f.Fatal(err)
	}
	golden := map[string]bool{}
	var sessions goldenSessions
	if b, err := os.ReadFile(filepath.Join(goldenDir, "sessions.json")); err != nil || json.Unmarshal(b, &sessions) != nil {
		f.Fatal("sessions.json:", err)
	}
	for _, s := range sessions.Sessions {
		golden[s.Sealed], golden[s.Signed] = true, true
	}
	var opened atomic.Int64
	f.Cleanup(func() {
		if opened.Load() == 0 && flag.Lookup("test.fuzz").Value.String() == "" {
			f.Error("no seed opens: the corpus proves nothing")
		}
	})
	seal, sign := newSealer(secrets, false, "golden app", "__Host-session"), newSealer(secrets, true, "golden app", "__Host-session")
	f.Fuzz(func(t *testing.T, text string) {
		for _, z := range []sealer{seal, sign} {
			payload, _, _, why := z.open(text, time.Time{})
			if why != "" {
				continue
			}
			opened.Add(1)
			if string(payload) != genuine && !golden[text] {
				t.Errorf("%q opens as %q", text, payload)
			}
		}
	})
}
