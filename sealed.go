package beaker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sealed keeps the whole session in the cookie: encrypted, authenticated, and bound to
// the application and the cookie's name. It needs no store for the data, and gives
// less: of two requests that overlap, the later response wins and the other's changes
// are lost; List and Take are not possible; the handle changes with the secret; a copy
// of an older cookie is an older state of the session, so counters, one-time tokens and
// balances do not belong in it. The cookie travels with every request, so keep it small.
//
// A cookie cannot be deleted from where it was copied to. With a Revoker a logout is
// final all the same; without one every copy of the cookie works until the session's
// deadline, and that must be said with AllowReplay.
type Sealed struct {
	_ [0]func()

	// Revoker is a store that remembers which sessions have ended before their time,
	// until their absolute deadline, and which subjects were revoked. It is asked when a
	// session is loaded and again before a cookie is sent; when it fails, the answer is
	// 503. Any store will do, shared by all nodes; it may be one that also holds
	// sessions.
	Revoker Store

	// AllowReplay accepts that a copy of the cookie works after logout, until the
	// session's deadline. AbsoluteTimeout is then at most 24 hours, and Destroy returns
	// ErrNotRevocable. It contradicts a Revoker.
	AllowReplay bool

	// SignOnly leaves out the encryption: whoever has the cookie, or a log of it, can read
	// the session. Nobody can change it unnoticed.
	SignOnly bool

	// MaxBytes bounds the cookie, name included. Default: 4000. At least 512, at most
	// 4096, which is what browsers store; a larger cookie they drop without a word. When it
	// is lowered, larger cookies that are out stay good, and may shrink.
	MaxBytes int
}

const (
	defaultSealedBytes = 4000
	maxReplay          = 24 * time.Hour
	// maxSkew is how far ahead another node's clock may be.
	maxSkew = Millis(60_000)
)

// ErrNotRevocable means that the browser was told to forget the cookie, but a copy of
// it works until the session's deadline, since there is no Sealed.Revoker.
var ErrNotRevocable = errors.New("beaker: the session is over in this browser only: a sealed session without a Revoker cannot be revoked")

func (c *Config) checkSealed(bad complaint) {
	s := c.Sealed
	if s == nil {
		return
	}
	if s.MaxBytes == 0 {
		c.sealedBytes = defaultSealedBytes
	} else {
		c.sealedBytes = s.MaxBytes
	}
	if s.MaxBytes != 0 && s.MaxBytes < 512 || s.MaxBytes > maxCookieBytes {
		bad("Sealed.MaxBytes", "is %d: give at least 512, and at most the %d bytes that browsers store", s.MaxBytes, maxCookieBytes)
	}
	checkNil("Sealed.Revoker", s.Revoker, bad)
	switch {
	case s.Revoker == nil && !s.AllowReplay:
		bad("Sealed.Revoker", "is missing: give a store that remembers logouts, or say AllowReplay: true if a copied cookie may go on working after logout")
	case s.Revoker != nil && s.AllowReplay:
		bad("Sealed.AllowReplay", "contradicts Revoker: leave one of them out")
	case s.AllowReplay && c.AbsoluteTimeout > maxReplay:
		bad("AbsoluteTimeout", "is %v: without a Sealed.Revoker at most %v, since a stolen cookie works until then", c.AbsoluteTimeout, maxReplay)
	}
}

// sealedStore is the store of one request's sealed session: the record that came in
// the cookie, or will go out in it. It lets everything else be the same for both kinds
// of sessions.
type sealedStore struct {
	m      *Manager
	style  *style
	rec    *Record
	sid    [sidBytes]byte
	epoch  epoch
	next   *credential // set before a rotation
	cookie []byte      // the sealed form of rec, if it has changed
}

var _ Store = (*sealedStore)(nil)

// Load returns the record of the cookie unless it was revoked.
func (s *sealedStore) Load(ctx context.Context, key RecordKey) (*Record, error) {
	if s.rec == nil || s.rec.key != key {
		return nil, ErrNotFound
	}
	if _, err := s.m.revoked.check(ctx, s.rec, s.epoch, Proof{}); err != nil {
		return nil, err
	}
	return s.rec, nil
}

// Create seals a new record.
func (s *sealedStore) Create(ctx context.Context, rec *Record) error {
	ep, err := s.m.revoked.signIn(ctx, rec)
	if err != nil {
		return err
	}
	return s.seal(rec, s.sid, ep)
}

// Apply seals the changed record. It asks the Revoker again: the session may have
// ended since the request began, and its answer must not bring it back.
func (s *sealedStore) Apply(ctx context.Context, key RecordKey, ch *Change) (Version, error) {
	rec := s.rec
	if rec == nil || rec.key != key {
		return 0, ErrNotFound
	}
	var next Proof
	if ch.Rotate != nil {
		next = ch.Rotate.Next
	}
	ep, err := s.m.revoked.check(ctx, rec, s.epoch, next)
	if errors.Is(err, ErrNotFound) {
		return 0, ErrNotFound
	} else if err != nil {
		return 0, err
	}
	merged, err := Merge(rec, ch)
	if err != nil {
		return 0, err
	}
	if ch.Rotate == nil {
		return merged.version, s.seal(merged, s.sid, s.epoch)
	}
	// A new sid, since the old cookie carries everything and must die: seal first, for
	// that may fail, then revoke, then let the new one out.
	moved := *merged
	moved.key, moved.rot = s.m.hash.recordKey(&s.next.sid), nil
	if ch.Subject != nil {
		if ep, err = s.m.revoked.signIn(ctx, &moved); err != nil {
			return 0, err
		}
	}
	old := *s
	if err := s.seal(&moved, s.next.sid, ep); err != nil {
		return 0, err
	}
	if err := s.m.revoked.end(ctx, rec, ch.Now, next); err != nil && !errors.Is(err, ErrNotRevocable) {
		*s = old
		return 0, err
	}
	return moved.version, nil
}

// Delete revokes the session.
func (s *sealedStore) Delete(ctx context.Context, key RecordKey) error {
	if s.rec == nil || s.rec.key != key {
		return nil
	}
	return s.m.revoked.end(ctx, s.rec, s.m.now(), markLogout)
}

func (s *sealedStore) seal(rec *Record, sid [sidBytes]byte, ep epoch) error {
	payload, err := encodePayload(&sid, ep, rec)
	if err != nil {
		return err
	}
	cookie, err := s.style.sealer.seal(payload)
	if err != nil {
		return err
	}
	if n, most := len(s.style.name)+1+len(cookie), s.m.cfg.sealedBytes; n > most && (n > maxCookieBytes || !s.shrinks(payload)) {
		return &CookieTooLargeError{Bytes: n, MaxBytes: most, Sizes: sizes(rec)}
	}
	s.rec, s.sid, s.epoch, s.cookie = rec, sid, ep, cookie
	return nil
}

// shrinks reports whether a payload is no larger than that of the cookie which came: it was
// allowed to be larger then, and what only shrinks is never refused.
func (s *sealedStore) shrinks(payload []byte) bool {
	if s.rec == nil {
		return false
	}
	before, err := encodePayload(&s.sid, s.epoch, s.rec)
	return err == nil && len(payload) <= len(before)
}

// CookieTooLargeError tells that a sealed session does not fit into a cookie, and
// which values take the room. It is [ErrTooLarge] to [errors.Is]. The browser keeps the
// cookie that it has. Keep large values in a database, or use a store.
type CookieTooLargeError struct {
	Bytes, MaxBytes int
	Sizes           []ValueSize // the largest first
}

// ValueSize is how large an encoded value is.
type ValueSize struct {
	Name  string
	Bytes int
}

func (e *CookieTooLargeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "beaker: session too large for a cookie: %d bytes, at most %d fit; bytes by value:", e.Bytes, e.MaxBytes)
	for i, v := range e.Sizes {
		if i == 10 {
			fmt.Fprintf(&b, " and %d more", len(e.Sizes)-i)
			break
		}
		fmt.Fprintf(&b, " %q %d", v.Name, v.Bytes)
	}
	b.WriteString("; keep large values elsewhere or use a Store (cookies are never split: browsers and proxies limit their sum)")
	return b.String()
}

// Is makes errors.Is(err, ErrTooLarge) hold.
func (e *CookieTooLargeError) Is(target error) bool { return target == ErrTooLarge }

func sizes(rec *Record) []ValueSize {
	var all []ValueSize
	for name, data := range rec.Values() {
		if strings.HasPrefix(name, internalPrefix) {
			name = "(flash)"
		}
		all = append(all, ValueSize{name, len(name) + len(data)})
	}
	slices.SortStableFunc(all, func(a, b ValueSize) int { return b.Bytes - a.Bytes })
	return all
}
