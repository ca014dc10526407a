package beaker

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// What the browser holds for a server-side session:
//
//	version 1 | key tag 3 | sid 16 | secret 32 | HMAC-SHA-256 32
//
// 84 bytes, 112 characters of base64url with no spare bits, so one token has exactly
// one spelling. The sid stays for the session's life and names its record; the secret
// is what a rotation replaces. The HMAC covers a frame of label, App, cookie name and
// the rest, so a forgery dies before it reaches a store, and a token is worth nothing
// under another name or in another application.
const (
	tokenVersion = 1
	sidBytes     = 16
	tokenSigned  = 1 + 3 + sidBytes + secretBytes
	tokenBytes   = tokenSigned + sha256.Size
	tokenChars   = tokenBytes / 3 * 4
)

const (
	labelToken = "beaker token v1"
	labelKey   = "beaker record key v1"
	labelProof = "beaker record proof v1"
)

// spelling is how what the browser holds is spelled: in one way only.
var spelling = base64.RawURLEncoding.Strict()

// credential is who asks: what a token says, or what a new session will say.
type credential struct {
	sid    [sidBytes]byte
	secret [secretBytes]byte
	epoch  epoch  // of a sealed session: when its subject signed in, see revocations.go
	old    string // the id of the secret that opened it, if that is not the active one
}

func newSID() (sid [sidBytes]byte) {
	_, _ = rand.Read(sid[:]) // never fails: crypto/rand crashes the program instead
	return sid
}

func newTokenSecret() (s [secretBytes]byte) {
	_, _ = rand.Read(s[:])
	return s
}

// frame joins parts so that no two lists of parts give the same bytes: each is
// preceded by its length.
func frame(parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return string(b)
}

// hasher turns credentials into what the store sees.
type hasher struct{ key, proof string }

func newHasher(app string) hasher {
	return hasher{key: frame(labelKey, app), proof: frame(labelProof, app)}
}

func (h hasher) recordKey(sid *[sidBytes]byte) RecordKey {
	var buf [512]byte
	return sha256.Sum256(append(append(buf[:0], h.key...), sid[:]...))
}

func (h hasher) recordProof(c *credential) Proof {
	var buf [512]byte
	b := append(append(buf[:0], h.proof...), c.sid[:]...)
	return sha256.Sum256(append(b, c.secret[:]...))
}

// tokens makes and opens the tokens of one manager under one cookie name.
type tokens struct {
	secrets *Secrets
	prefix  []byte
}

func newTokens(secrets *Secrets, app, cookieName string) tokens {
	return tokens{secrets: secrets, prefix: []byte(frame(labelToken, app, cookieName))}
}

// issue appends a token for c.
func (t tokens) issue(dst []byte, c *credential) []byte {
	s := t.secrets.ring.Load().active
	s.issued.Add(1)
	var b [tokenBytes]byte
	b[0] = tokenVersion
	copy(b[1:], s.tag[:])
	copy(b[4:], c.sid[:])
	copy(b[4+sidBytes:], c.secret[:])
	sum := s.sum(t.prefix, b[:tokenSigned])
	copy(b[tokenSigned:], sum[:])
	return spelling.AppendEncode(dst, b[:])
}

// open checks a token. The answer to a client is the same for each reason.
func (t tokens) open(text string, now time.Time, c *credential) (stale bool, why Reason) {
	if len(text) != tokenChars {
		return false, ReasonMalformed
	}
	var b [tokenBytes]byte
	// Decode from a fixed-size copy: the length is known and nothing is allocated.
	var src [tokenChars]byte
	copy(src[:], text)
	if n, err := spelling.Decode(b[:], src[:]); err != nil || n != tokenBytes {
		return false, ReasonMalformed
	}
	if b[0] != tokenVersion {
		return false, ReasonVersion
	}
	r := t.secrets.ring.Load()
	s := r.find(keyTag(b[1:4]), now)
	if s == nil {
		return false, ReasonUnknownSecret
	}
	sum := s.sum(t.prefix, b[:tokenSigned])
	if !hmac.Equal(sum[:], b[tokenSigned:]) {
		return false, ReasonForged
	}
	copy(c.sid[:], b[4:])
	copy(c.secret[:], b[4+sidBytes:])
	s.opened.Add(1)
	if stale = s.outgoing; stale {
		c.old = s.id
	}
	return stale, ""
}
