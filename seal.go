package beaker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The sealed form of a session:
//
//	version 1 | key tag 3 | salt 16 | commitment 32 | nonce 12 | ciphertext | GCM tag 16
//
// in base64url. Each cookie has a key of its own, derived from the secret with the salt
// (HKDF-Expand, 64 bytes: an AES-256 key and the commitment), so the 2^32 messages
// that GCM allows a key with random nonces are never a concern. GCM alone does not
// commit to the key: a ciphertext can be made that opens under two keys. The commitment,
// compared before anything is opened, rules that out. Additional data bind the cookie to
// version, purpose, App and the cookie's name.
//
// The signed form, for SignOnly:
//
//	version 1 | key tag 3 | payload | HMAC-SHA-256 32
const (
	sealedVersion = 2
	signedVersion = 3

	saltBytes   = 16
	commitBytes = 32
	sealedHead  = 1 + 3 + saltBytes + commitBytes
	gcmOverhead = 12 + 16
)

const (
	labelSealedInfo = "beaker sealed cookie keys v1"
	labelSealedAAD  = "beaker sealed session v1"
	labelSigned     = "beaker signed session v1"
	purposeSession  = "session"
)

// sealer seals and opens what one manager keeps under one cookie name.
type sealer struct {
	secrets  *Secrets
	signOnly bool
	aad      []byte
	prefix   []byte
}

func newSealer(secrets *Secrets, signOnly bool, app, cookieName string) sealer {
	return sealer{
		secrets: secrets, signOnly: signOnly,
		aad:    []byte(frame(labelSealedAAD, string([]byte{sealedVersion}), purposeSession, app, cookieName)),
		prefix: []byte(frame(labelSigned, string([]byte{signedVersion}), purposeSession, app, cookieName)),
	}
}

// deriveSubkey is HKDF-Expand (RFC 5869, 2.3) with the label and the salt as info. It
// starts from s.seal, which HKDF has made: extracting again would add nothing (3.3), but
// key an HMAC anew for each cookie, as crypto/hkdf does. Here it is keyed once.
func (s *secret) deriveSubkey(salt []byte) (keyAndCommitment [32 + commitBytes]byte) {
	const first = sha256.Size // T(1) stands here before the second round's info
	m := s.seals.Get().(*mac)
	n := first + copy(m.in[first:], labelSealedInfo)
	n += copy(m.in[n:], salt)
	m.in[n] = 1
	m.h.Reset()
	_, _ = m.h.Write(m.in[first : n+1]) // a hash never fails
	copy(keyAndCommitment[:], m.h.Sum(m.in[:0]))
	m.in[n] = 2
	m.h.Reset()
	_, _ = m.h.Write(m.in[:n+1])
	copy(keyAndCommitment[first:], m.h.Sum(m.out[:0]))
	clear(m.in[:first]) // it is a key
	s.seals.Put(m)
	return keyAndCommitment
}

func (s *secret) subkey(salt []byte) (aead cipher.AEAD, commitment [commitBytes]byte, err error) {
	out := s.deriveSubkey(salt)
	copy(commitment[:], out[32:])
	block, err := aes.NewCipher(out[:32])
	if err != nil {
		return nil, commitment, err
	}
	aead, err = cipher.NewGCMWithRandomNonce(block)
	return aead, commitment, err
}

func (z sealer) seal(payload []byte) ([]byte, error) {
	s := z.secrets.ring.Load().active
	if z.signOnly {
		b := append([]byte{signedVersion}, s.tag[:]...)
		b = append(b, payload...)
		sum := s.signSum(z.prefix, b)
		s.issued.Add(1)
		return spelling.AppendEncode(nil, append(b, sum[:]...)), nil
	}
	b := make([]byte, sealedHead, sealedHead+gcmOverhead+len(payload))
	b[0] = sealedVersion
	copy(b[1:], s.tag[:])
	salt := b[4 : 4+saltBytes]
	_, _ = rand.Read(salt) // never fails: crypto/rand crashes the program instead
	aead, commitment, err := s.subkey(salt)
	if err != nil {
		return nil, fmt.Errorf("beaker: seal: %w", err)
	}
	copy(b[4+saltBytes:], commitment[:])
	b = aead.Seal(b, nil, payload, z.aad)
	s.issued.Add(1)
	return spelling.AppendEncode(make([]byte, 0, spelling.EncodedLen(len(b))), b), nil
}

// maxSealedText bounds the work that a cookie can cause before it is authenticated.
const maxSealedText = 8 << 10

// open returns the payload. The answer to a client is the same for each reason.
func (z sealer) open(text string, now time.Time) (payload []byte, s *secret, stale bool, why Reason) {
	if text == "" || len(text) > maxSealedText || strings.IndexByte(text, '\n') >= 0 || strings.IndexByte(text, '\r') >= 0 { // base64 skips line ends
		return nil, nil, false, ReasonMalformed
	}
	b, err := spelling.DecodeString(text)
	if err != nil || len(b) < 4 {
		return nil, nil, false, ReasonMalformed
	}
	want, least := byte(sealedVersion), sealedHead+gcmOverhead
	if z.signOnly {
		want, least = signedVersion, 4+sha256.Size
	}
	// One form for each configuration: the client does not choose the algorithm.
	if b[0] != want {
		return nil, nil, false, ReasonVersion
	}
	if len(b) < least {
		return nil, nil, false, ReasonMalformed
	}
	r := z.secrets.ring.Load()
	if s = r.find(keyTag(b[1:4]), now); s == nil {
		return nil, nil, false, ReasonUnknownSecret
	}
	stale = s.outgoing
	if z.signOnly {
		signed, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
		if mac := s.signSum(z.prefix, signed); !hmac.Equal(mac[:], sum) {
			return nil, nil, false, ReasonForged
		}
		s.opened.Add(1)
		return signed[4:], s, stale, ""
	}
	aead, commitment, err := s.subkey(b[4 : 4+saltBytes])
	if err != nil || !hmac.Equal(commitment[:], b[4+saltBytes:sealedHead]) {
		return nil, nil, false, ReasonForged
	}
	if payload, err = aead.Open(b[sealedHead:sealedHead], nil, b[sealedHead:], z.aad); err != nil {
		return nil, nil, false, ReasonForged
	}
	s.opened.Add(1)
	return payload, s, stale, ""
}

// The payload: version, sid, the epoch of the sign-in or nothing, then the record without
// its proofs, which a cookie that carries everything does not need.
const payloadVersion = 1

var errPayload = errors.New("sealed payload")

func encodePayload(sid *[sidBytes]byte, ep epoch, r *Record) ([]byte, error) {
	const numbers = 6*8 + 8 // times take six or seven bytes each
	b := append(make([]byte, 0, 1+len(sid)+1+len(ep)+numbers+len(r.subject)+len(r.values)), payloadVersion)
	b = append(b, sid[:]...)
	if ep == (epoch{}) {
		b = append(b, 0)
	} else {
		b = appendString(b, string(ep[:]))
	}
	for _, t := range [...]Millis{Millis(r.version), r.created, r.touched, r.idle, r.abs, r.authAt} {
		b = binary.AppendUvarint(b, uint64(t))
	}
	b = appendString(b, r.subject)
	if r.cookie == nil {
		b = append(b, 0)
	} else {
		c, err := r.cookie.MarshalBinary()
		if err != nil {
			return nil, err
		}
		b = appendString(b, string(c))
	}
	return append(b, r.values...), nil
}

func parsePayload(b []byte, h hasher) (*Record, *credential, error) {
	switch {
	case len(b) > 0 && b[0] > payloadVersion:
		// It is genuine, so a later release has made it, and this one must not replace it.
		return nil, nil, fmt.Errorf("%w: sealed payload %d, this release reads up to %d", ErrNewerFormat, b[0], payloadVersion)
	case len(b) < 1+sidBytes || b[0] != payloadVersion:
		return nil, nil, errPayload
	}
	var cred credential
	copy(cred.sid[:], b[1:])
	m := Meta{Key: h.recordKey(&cred.sid), Proof: h.recordProof(&cred)}
	ep, rest, ok := cutString(string(b[1+sidBytes:]))
	copy(cred.epoch[:], ep)
	if !ok || ep != "" && (len(ep) != len(cred.epoch) || cred.epoch == epoch{}) {
		return nil, nil, errPayload
	}
	var idle, version Millis
	for _, t := range [...]*Millis{&version, &m.Created, &m.Touched, &idle, &m.Absolute, &m.AuthenticatedAt} {
		v, n := uvarint(rest)
		if n <= 0 || v > 1<<53 {
			return nil, nil, errPayload
		}
		*t, rest = Millis(v), rest[n:]
	}
	m.Version = Version(version)
	if idle > Millis(NoLimit/time.Millisecond) {
		return nil, nil, errPayload
	}
	m.Idle = time.Duration(idle) * time.Millisecond
	if m.Subject, rest, ok = cutString(rest); !ok {
		return nil, nil, errPayload
	}
	var cookie string
	if cookie, rest, ok = cutString(rest); !ok {
		return nil, nil, errPayload
	}
	if cookie != "" {
		m.Cookie = new(CookieAttributes)
		if err := m.Cookie.UnmarshalBinary([]byte(cookie)); err != nil {
			return nil, nil, errPayload
		}
	}
	if err := checkValues(rest); err != nil {
		return nil, nil, errPayload
	}
	rec, err := newRecord(m, rest)
	if err != nil {
		return nil, nil, errPayload
	}
	return rec, &cred, nil
}
