package beaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Session is one visitor's session in one request: what was stored when the request
// began to use it, with the request's own changes laid over it. It is used like a
// dictionary. It comes from [Manager.Get] and must not be copied.
//
// Changes are collected and saved together when the response begins, or by Persist.
// What is saved are the changes and not the whole: of two requests that overlap and
// change different names, both survive; of one name, the later save wins. Use
// [Manager.Update] to change a value that depends on the one that is there.
//
// A Session may be used by several goroutines of its request, and must not be used
// when the request is over.
type Session struct {
	m   *Manager
	rq  *request        // nil: from Lookup, inside Update, or inert
	ctx context.Context // of the first Get: its deadline also ends the chance to commit

	sealed *sealedStore // nil: the session is in the manager's store

	mu    eventMutex
	cause error // why it is inert
	err   error // what Err returns

	cred    credential
	key     RecordKey
	proof   Proof
	base    *Record // what is stored, as far as this request knows; nil: nothing
	applied *Change // accepted by the store since base and not yet merged into it
	version Version // the last that the store told
	own     *CookieAttributes

	// Small things stand together: every request that looks at its session makes one of
	// these, and its size is a good part of what that costs.
	state     sessionState
	owed      cookieDebt
	hasSID    bool
	exact     bool // base is what the store holds, unless others changed it
	fresh     bool // it began in this request
	previous  bool // the request came with the previous proof, in its grace
	anyProof  bool // from Lookup
	unused    bool // NoTouch
	inUpdate  bool // the view inside Update
	undead    bool // Destroy failed
	sent      bool // the response headers are out
	finished  bool // the request is over
	hadCookie bool // the request brought a cookie of our name
	replaced  bool // it is over for this request only: its cookie was replaced a moment ago
	returned  bool // a method has returned err, so that the handler may have seen to it

	now  Millis // when it was loaded
	last Millis // when it was used before
	p    pending

	loading opContext
	vary    [1]string // room for a header
}

type sessionState uint8

const (
	stateNew       sessionState = iota // nothing is stored
	stateLive                          // base is stored
	stateEnded                         // it ended, or was given a new secret, elsewhere
	stateDestroyed                     // by this request
	stateInert                         // it could not be loaded
)

// pending is what the request wants done.
type pending struct {
	set    []Value // sorted by name
	remove []string
	clear  bool
	wipe   bool // all values that the session had go with its subject
	rotate bool
	save   bool
	ifSame bool // only if nobody has changed the session since base

	idle     time.Duration
	absolute time.Duration
	grace    time.Duration
	touch    Millis
	subject  *string
	cookie   *CookieAttributes
}

func (p *pending) values() bool { return p.clear || len(p.set) > 0 || len(p.remove) > 0 }

func (p *pending) find(name string) (i int, ok bool) {
	return slices.BinarySearchFunc(p.set, name, func(v Value, name string) int { return strings.Compare(v.Name, name) })
}

func (p *pending) put(name string, data []byte) {
	if i := slices.Index(p.remove, name); i >= 0 {
		p.remove = slices.Delete(p.remove, i, i+1)
	}
	i, ok := p.find(name)
	if ok {
		p.set[i].Data = data
		return
	}
	if p.set == nil {
		p.set = make([]Value, 0, 4) // what a request changes
	}
	p.set = slices.Insert(p.set, i, Value{name, data})
}

func (p *pending) drop(name string) {
	if i, ok := p.find(name); ok {
		p.set = slices.Delete(p.set, i, i+1)
	}
	if !p.clear && !slices.Contains(p.remove, name) {
		p.remove = append(p.remove, name)
	}
}

// internalPrefix starts the names that belong to this package; no user's name does.
const internalPrefix = "\x00"

func checkName(name string) error {
	if len(name) > 255 || strings.HasPrefix(name, internalPrefix) || !utf8.ValidString(name) {
		return fmt.Errorf("%w: %.40q", ErrInvalidName, name)
	}
	return nil
}

// raw returns the value in encoded form, in this request's view.
func (s *Session) raw(name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rawLocked(name)
}

func (s *Session) rawLocked(name string) (string, bool) {
	if i, ok := s.p.find(name); ok {
		return string(s.p.set[i].Data), true
	}
	if s.p.clear || slices.Contains(s.p.remove, name) {
		return "", false
	}
	if rec := s.record(); rec != nil {
		return rec.Lookup(name)
	}
	return "", false
}

// record returns what is stored as far as this request knows.
func (s *Session) record() *Record {
	if ch := s.applied; ch != nil {
		s.applied = nil
		// The store has accepted it, so it merges here too; the limits are not checked
		// again, because another request's values may be in the way only there.
		c := *ch
		c.IfVersion, c.Limits, c.AnyProof = 0, Limits{}, true
		c.Now = min(c.Now, s.base.Expires()-1) // here it may be idle; others have used it
		if merged, err := Merge(s.base, &c); err == nil {
			s.base = merged
		}
	}
	return s.base
}

// store returns where the session is kept.
func (s *Session) store() Store {
	if s.sealed != nil {
		return s.sealed
	}
	return s.m.store
}

func (s *Session) codec() Codec { return s.m.cfg.Codec }

func (s *Session) badValue(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe(s.context(), Event{Name: EventBadValue, Handle: Handle(s.key), Detail: name, Err: err})
}

// hurry notes a context whose deadline is earlier: http.TimeoutHandler may stand
// between two calls of Get.
func (s *Session) hurry(ctx context.Context) {
	d, ok := ctx.Deadline()
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.context().Deadline(); !ok || d.Before(was) {
		s.ctx = ctx
	}
}

func (s *Session) context() context.Context {
	if s.ctx != nil {
		return s.ctx
	}
	return context.Background()
}

// Err returns the first error of this request's changes: a value that does not
// encode, a change to a session that is destroyed, ended or could not be loaded, a
// change that came too late, a subject that is none. Revert clears it.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// change runs f, which changes the value of that name, if the session can be written.
func (s *Session) change(name string, f func()) {
	s.mu.Lock()
	if err := s.writable(); err != nil {
		s.failLocked(name, err)
		s.mu.Unlock()
		return
	}
	f()
	s.mu.Unlock()
}

func (s *Session) writable() error {
	switch {
	case s.state == stateInert:
		return inertError(s.cause)
	case s.state == stateDestroyed:
		return ErrDestroyed
	case s.state == stateEnded:
		return ErrEnded
	case s.finished:
		return ErrCommitted
	case s.sent && (s.state == stateNew || s.sealed != nil):
		return ErrCommitted // its cookie can no longer be sent
	}
	return nil
}

func inertError(cause error) error { return fmt.Errorf("%w: %w", ErrInert, cause) }

func (s *Session) fail(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(name, err)
}

func (s *Session) failLocked(name string, err error) {
	if s.err == nil {
		s.err = err
	}
	s.returned = false
	if s.sent {
		// The response cannot tell any more, so somebody else must.
		s.observe(s.context(), Event{Name: EventLate, Handle: Handle(s.key), Detail: name, Err: err})
	}
}

// refuse returns err, and keeps it like one of Set's, since callers forget to look: what
// the handler then acknowledges, it has not done. Revert, Manager.Error and an answer that
// says itself that something went wrong show that somebody looked.
func (s *Session) refuse(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refuseLocked(err)
}

func (s *Session) refuseLocked(err error) error {
	switch {
	case err == nil:
	case s.sent: // what else is changed can still be saved
		s.observe(s.context(), Event{Name: EventLate, Handle: Handle(s.key), Err: err})
	case s.err == nil:
		s.err, s.returned = err, true
	}
	return err
}

// seen drops an error that a method has returned: the handler answers it.
func (s *Session) seen() {
	if s.returned {
		s.err, s.returned = nil, false
	}
}

// Save marks the session to be saved at the end of the request. With SaveOnChange it
// is only needed to keep a new session that is empty.
func (s *Session) Save() { s.change("", func() { s.p.save = true }) }

// Revert drops everything that is pending, and the error with it. What Persist,
// Destroy, Invalidate or Update did stays done.
func (s *Session) Revert() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.p = pending{touch: s.p.touch}
	s.err, s.returned = nil, false
}

// NoTouch says that this request is not a use of the session, for what a page asks by
// itself: a poll that keeps a session alive would keep it alive in an empty room, and the
// idle timeout would never come (OWASP ASVS 7.3.1 is about the user's activity). Values
// are read and saved as always. It counts until the response begins.
func (s *Session) NoTouch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused, s.p.touch = true, 0
}

var errDetached = errors.New("beaker: not possible on a session from Lookup: it has no response to send a cookie with")

// named returns what names the session, or the zero Handle if nothing does yet.
func (s *Session) named() Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Handle(s.key)
}

func (s *Session) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("beaker.Session(%s)", s.key)
}

// Format prints the handle only.
func (s *Session) Format(f fmt.State, _ rune) { redacted(f, s.text()) }

// LogValue prints the handle only.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.text()) }

// MarshalText prints the handle only.
func (s *Session) MarshalText() ([]byte, error) { return []byte(s.text()), nil }
