package beaker

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Secrets are the keys that sign and seal what browsers hold, in order: the first
// active one makes new cookies, all of them open. They come from [ParseSecrets],
// [SecretsFromFile] or [OpenSecrets]; the zero value holds none and [New] refuses it.
//
// Every manager derives its own keys from a secret, for each purpose another (HKDF,
// RFC 5869), so one secret may serve several managers. Secrets may be shared by them
// and used concurrently, and must not be copied. Printing shows ids only.
type Secrets struct {
	path   string
	ring   atomic.Pointer[ring]
	before atomic.Int64 // Millis
}

// ring is one immutable state of the secrets.
type ring struct {
	active  *secret
	ordered []*secret
	byTag   map[keyTag]*secret
}

// keyTag names a secret inside a token, so that opening tries exactly one.
type keyTag [3]byte

type secret struct {
	id     string
	tag    keyTag
	accept bool      // opens only, never makes cookies
	retire time.Time // opens until then; zero: always
	// outgoing: its cookies are made anew under the active one. Those of a secret that is
	// listed before the active one are not: other nodes make them already, and the two
	// would take turns in replacing each other's.
	outgoing bool
	macs     sync.Pool // of *mac: an HMAC is keyed once and then reset
	signs    sync.Pool // the same for sealed sessions that are only signed
	seals    sync.Pool // the same to derive the keys of sealed sessions
	seal     []byte    // for sealed sessions

	opened, issued atomic.Uint64
}

// mac is a keyed hash with room for what goes in and out: bytes of the caller's would
// have to move to the heap, since a hash is an interface.
type mac struct {
	h   hash.Hash
	in  [128]byte
	out [sha256.Size]byte
}

const secretBytes = 32

// NewSecret returns a fresh secret in the form that ParseSecrets reads: an id, a
// colon and 32 random bytes in base64url. Keep it where the other secrets of the
// application are, the same on every node.
func NewSecret() string {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:])                      // never fails: crypto/rand crashes the program instead
	id := time.Now().UTC().Format("2006-01-02") //nolint:forbidigo // a label for people, no clock decides by it
	return id + "-" + strings.ToLower(rand.Text()[:4]) + ":" + base64.RawURLEncoding.EncodeToString(b[:])
}

// ParseSecrets reads secrets, one a line or separated by commas; the newest first.
// Text after # is a comment. Each is
//
//	ID:KEY             signs and seals, and opens
//	ID:KEY accept      opens only: the first stage of a rolling deploy
//	ID:KEY retire=TIME opens until TIME (RFC 3339), never signs
//
// where KEY is at least 32 random bytes in base64url. To rotate: add the new secret,
// in front and with accept, on every node; then take accept away; then drop the old one
// when the sessions under it are gone. A cookie under a secret that stands behind the
// active one, or that retires, is made anew when it is seen; nodes that are at different
// stages do not replace each other's. Every mistake is reported, none with the key.
func ParseSecrets(text string) (*Secrets, error) {
	r, err := parseRing(text)
	if err != nil {
		return nil, err
	}
	s := &Secrets{}
	s.ring.Store(r)
	return s, nil
}

// SecretsFromFile is ParseSecrets for a file, which nobody but its owner may read or
// write.
func SecretsFromFile(path string) (*Secrets, error) {
	s := &Secrets{path: path}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// OpenSecrets is SecretsFromFile for a program that has its data on one machine: if there
// is no such file, it makes one with a fresh secret, and its folder, for the owner only.
// Of several processes that start at once, one makes it. On several machines each would
// make its own, and they would take each other's visitors for strangers: there, give all
// of them one file, and use SecretsFromFile.
func OpenSecrets(path string) (*Secrets, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeSecretsFile(path); err != nil {
			return nil, fmt.Errorf("beaker: secrets: %w", err)
		}
	}
	return SecretsFromFile(path)
}

// makeSecretsFile gives the file its name when it is complete, and only if the name is
// free: nobody reads half a secret, and nobody's is overwritten.
func makeSecretsFile(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".secrets-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // what stays is readable by the owner only
	_, err = f.WriteString("# Signs the session cookies. Whoever has it can make them.\n" + NewSecret() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Or power loss might take the secrets and leave the sessions that are signed by them.
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // not every system can
		_ = d.Close()
	}
	return nil
}

// Reload reads the file of SecretsFromFile again. After an error the secrets are
// what they were. It is safe to call while requests are served.
func (s *Secrets) Reload() error {
	if s.path == "" {
		return errors.New("beaker: secrets: there is no file to reload: they were given as text")
	}
	text, err := readPrivateFile(s.path)
	if err != nil {
		return fmt.Errorf("beaker: secrets: %w", err)
	}
	r, err := parseRing(text)
	if err != nil {
		return fmt.Errorf("%w (in %s)", err, s.path)
	}
	s.ring.Store(r)
	return nil
}

const maxSecretsFile = 64 << 10

func readPrivateFile(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: write what NewSecret returns into it, readable by its owner only (mode 0600), the same on every node", err)
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	if hasModes && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others than its owner (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecretsFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecretsFile {
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxSecretsFile)
	}
	return string(b), nil
}

func parseRing(text string) (*ring, error) {
	r := &ring{byTag: map[keyTag]*secret{}}
	var errs []error
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		for entry := range strings.SplitSeq(line, ",") {
			fields := strings.Fields(entry)
			if len(fields) == 0 {
				continue
			}
			s, err := parseSecret(fields)
			if err != nil {
				errs = append(errs, fmt.Errorf("beaker: secrets: number %d: %w", len(r.ordered)+1, err))
				s = &secret{}
			}
			if r.byTag[s.tag] != nil && err == nil {
				errs = append(errs, fmt.Errorf("beaker: secrets: number %d is the same key as an earlier one or, by chance, has the same tag: make another with NewSecret", len(r.ordered)+1))
			}
			for _, other := range r.ordered {
				if other.id == s.id && err == nil {
					errs = append(errs, fmt.Errorf("beaker: secrets: number %d: its id is used twice", len(r.ordered)+1))
				}
			}
			r.ordered = append(r.ordered, s)
			r.byTag[s.tag] = s
			s.outgoing = r.active != nil || !s.retire.IsZero()
			if r.active == nil && err == nil && !s.accept && s.retire.IsZero() {
				r.active = s
			}
		}
	}
	switch {
	case len(errs) > 0:
	case len(r.ordered) == 0:
		errs = append(errs, errors.New("beaker: secrets: there is none: make one with NewSecret"))
	case r.active == nil:
		errs = append(errs, errors.New("beaker: secrets: none of them is active: at least one must have neither accept nor retire"))
	}
	return r, errors.Join(errs...)
}

// parseSecret quotes nothing in its errors: what stands in the wrong place may be a key.
func parseSecret(fields []string) (*secret, error) {
	id, text, ok := strings.Cut(fields[0], ":")
	if !ok {
		return nil, errors.New("want ID:KEY, as NewSecret makes it (a passphrase will not do)")
	}
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("the id must be 1 to 64 printable characters")
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, errors.New("the key is not base64url, which has - and _ in place of + and /: make one with NewSecret")
	}
	if err := checkStrength(key); err != nil {
		return nil, err
	}
	s := &secret{id: id}
	for _, opt := range fields[1:] {
		if opt == "accept" {
			s.accept = true
			continue
		}
		when, ok := strings.CutPrefix(opt, "retire=")
		if !ok {
			return nil, errors.New("there is an unknown option after the key: want accept or retire=TIME, and one secret a line")
		}
		if s.retire, err = time.Parse(time.RFC3339, when); err != nil {
			return nil, errors.New("retire wants a time such as 2026-12-31T00:00:00Z")
		}
	}
	return s, s.derive(key)
}

// checkStrength refuses what is certainly not random. 32 random bytes have about 30
// different values and are never all printable.
func checkStrength(key []byte) error {
	if len(key) < secretBytes {
		return fmt.Errorf("the key has %d bytes, at least %d random ones are needed: make one with NewSecret", len(key), secretBytes)
	}
	var seen [256]bool
	distinct, printable := 0, true
	for _, b := range key {
		if !seen[b] {
			seen[b], distinct = true, distinct+1
		}
		printable = printable && b >= ' ' && b <= '~'
	}
	if distinct < 16 || printable || regular(key) {
		return errors.New("the key is not random: make one with NewSecret (a passphrase will not do)")
	}
	return nil
}

// regular reports whether key repeats itself, or counts.
func regular(key []byte) bool {
	for period := 1; period <= len(key)/2; period++ {
		if hmac.Equal(key[period:], key[:len(key)-period]) {
			return true
		}
	}
	step := key[1] - key[0]
	for i := 2; i < len(key); i++ {
		if key[i]-key[i-1] != step {
			return false
		}
	}
	return true
}

// Labels of the derived keys. One that changes makes every cookie invalid.
const (
	labelTag  = "beaker key tag v1"
	labelMAC  = "beaker token mac v1"
	labelSeal = "beaker sealed session key v1"
	labelSign = "beaker signed session mac v1"
)

func (s *secret) derive(key []byte) error {
	tag, err := hkdf.Key(sha256.New, key, nil, labelTag, len(s.tag))
	if err != nil {
		return err
	}
	copy(s.tag[:], tag)
	macKey, err := hkdf.Key(sha256.New, key, nil, labelMAC, sha256.Size)
	if err != nil {
		return err
	}
	s.macs.New = func() any { return &mac{h: hmac.New(sha256.New, macKey)} }
	signKey, err := hkdf.Key(sha256.New, key, nil, labelSign, sha256.Size)
	if err != nil {
		return err
	}
	s.signs.New = func() any { return &mac{h: hmac.New(sha256.New, signKey)} }
	s.seal, err = hkdf.Key(sha256.New, key, nil, labelSeal, sha256.Size)
	s.seals.New = func() any { return &mac{h: hmac.New(sha256.New, s.seal)} }
	return err
}

// sum returns the HMAC over the prefix and at most 128 bytes of data.
func (s *secret) sum(prefix, data []byte) (out [sha256.Size]byte) {
	m := s.macs.Get().(*mac)
	m.h.Reset()
	_, _ = m.h.Write(prefix) // a hash never fails
	_, _ = m.h.Write(m.in[:copy(m.in[:], data)])
	copy(out[:], m.h.Sum(m.out[:0]))
	s.macs.Put(m)
	return out
}

// signSum is sum with the key for signed sessions, for data of any length.
func (s *secret) signSum(prefix, data []byte) (out [sha256.Size]byte) {
	m := s.signs.Get().(*mac)
	m.h.Reset()
	_, _ = m.h.Write(prefix) // a hash never fails
	_, _ = m.h.Write(data)
	copy(out[:], m.h.Sum(m.out[:0]))
	s.signs.Put(m)
	return out
}

// find returns the secret for a tag that may open at now, or nil.
func (r *ring) find(tag keyTag, now time.Time) *secret {
	s := r.byTag[tag]
	if s == nil || !s.retire.IsZero() && !now.Before(s.retire) {
		return nil
	}
	return s
}

// RejectIssuedBefore refuses, after a leak whose time is known, every session whose
// cookie is older than t: one that began before t and has neither signed in nor, unless
// it is sealed, been given a new secret since. It holds until the process ends, so call
// it on every node and after each restart.
func (s *Secrets) RejectIssuedBefore(t time.Time) { s.before.Store(int64(MillisOf(t))) }

// rejects reports whether RejectIssuedBefore concerns a session.
func (s *Secrets) rejects(rec *Record) bool {
	issued := max(rec.created, rec.authAt)
	if rec.rot != nil {
		issued = max(issued, rec.rot.at)
	}
	return issued < Millis(s.before.Load())
}

// SecretUsage says how a secret was used by this process.
type SecretUsage struct {
	ID     string
	Active bool   // it makes new cookies
	Opened uint64 // cookies that it opened; when this no longer grows on any node, it can be removed
	Issued uint64 // cookies that it made
}

// Usage returns the use of each secret, in order, since it was read.
func (s *Secrets) Usage() []SecretUsage {
	if s == nil || s.ring.Load() == nil {
		return nil
	}
	r := s.ring.Load()
	var all []SecretUsage
	for _, sec := range r.ordered {
		all = append(all, SecretUsage{ID: sec.id, Active: sec == r.active, Opened: sec.opened.Load(), Issued: sec.issued.Load()})
	}
	return all
}

func (s *Secrets) text() string {
	return fmt.Sprintf("beaker.Secrets%q", s.IDs())
}

// IDs returns the ids in order; the one that makes new cookies is the first that is
// active.
func (s *Secrets) IDs() []string {
	if s == nil || s.ring.Load() == nil {
		return nil
	}
	var ids []string
	for _, sec := range s.ring.Load().ordered {
		ids = append(ids, sec.id)
	}
	return ids
}

// Format prints the ids only.
func (s *Secrets) Format(f fmt.State, _ rune) { redacted(f, s.text()) }

// LogValue prints the ids only.
func (s *Secrets) LogValue() slog.Value { return slog.StringValue(s.text()) }

// MarshalText prints the ids only.
func (s *Secrets) MarshalText() ([]byte, error) { return []byte(s.text()), nil }
