package beaker

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
	exact     bool   // base is what the store holds, unless others changed it
	fresh     bool   // it began in this request
	previous  bool   // the request came with the previous proof, in its grace
	anyProof  bool   // from Lookup
	unused    bool   // NoTouch
	inUpdate  bool   // the view inside Update
	undead    bool   // Destroy failed
	sent      bool   // the response headers are out
	finished  bool   // the request is over
	hadCookie bool   // the request brought a cookie of our name
	flashes   uint16 // added by this request

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

// names returns the names in this request's view, sorted.
func (s *Session) names(internal bool) []string {
	var all []string
	keep := func(name string) bool { return strings.HasPrefix(name, internalPrefix) == internal }
	if rec := s.record(); rec != nil && !s.p.clear {
		for name := range rec.Values() {
			if keep(name) && !slices.Contains(s.p.remove, name) {
				all = append(all, name)
			}
		}
	}
	for _, v := range s.p.set {
		if i, ok := slices.BinarySearch(all, v.Name); keep(v.Name) && !ok {
			all = slices.Insert(all, i, v.Name)
		}
	}
	return all
}

// Get returns the value of a name, decoded. With the default codec an integer is an
// int64, whatever it was set as; use a [Key] to get the type that was set. It is false
// if there is no value, and also if there is one that does not decode, which is an
// event.
func (s *Session) Get(name string) (any, bool) {
	data, ok := s.raw(name)
	if !ok {
		return nil, false
	}
	return s.decode(name, data)
}

func (s *Session) decode(name, data string) (any, bool) {
	var v any
	if err := s.codec().Decode([]byte(data), &v); err != nil {
		s.badValue(name, &DecodeError{Name: name, Type: "any", Err: err})
		return nil, false
	}
	return v, true
}

// Has reports whether there is a value of that name.
func (s *Session) Has(name string) bool {
	_, ok := s.raw(name)
	return ok
}

// Set sets the value of a name: UTF-8, at most 255 bytes, not starting with NUL. The
// value is encoded now, so changing it afterwards changes nothing in the session.
//
// It does not fail aloud: if the value does not encode, or the session cannot be
// written, the name keeps its value, Err returns the error, and the response will be
// an error page, since the handler meant to save something and could not.
func (s *Session) Set(name string, value any) {
	if err := checkName(name); err != nil {
		s.fail(name, err)
		return
	}
	data, err := s.codec().Encode(value)
	if err != nil {
		s.fail(name, &EncodeError{Name: name, Err: err})
		return
	}
	s.put(name, data)
}

// put is Set for a value that is encoded.
func (s *Session) put(name string, data []byte) {
	s.change(name, func() { s.p.put(name, data) })
}

// Delete removes a value.
func (s *Session) Delete(name string) {
	s.change(name, func() {
		if _, ok := s.rawLocked(name); ok {
			s.p.drop(name)
		}
	})
}

// Clear removes all values, flashes included. It does not end the session: for a
// logout use Destroy.
func (s *Session) Clear() {
	s.change("", func() { s.p.clear, s.p.set, s.p.remove = true, nil, nil })
}

// Pop returns a value and removes it, in this request's view: of two requests that
// overlap, both may get it. Use [Manager.Take] where only one may.
func (s *Session) Pop(name string) (any, bool) {
	v, ok := s.Get(name)
	if ok {
		s.Delete(name)
	}
	return v, ok
}

// Len returns the number of values.
func (s *Session) Len() int { return len(s.Keys()) }

// Keys returns the names, sorted.
func (s *Session) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names(false)
}

// All iterates over names and decoded values as they are when it is called, sorted by
// name. A value that does not decode is left out, which is an event.
func (s *Session) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, name := range s.Keys() {
			if v, ok := s.Get(name); ok && !yield(name, v) {
				return
			}
		}
	}
}

// Err returns the first error of this request's changes: a value that does not
// encode, a change to a session that is destroyed, ended or could not be loaded, a
// change that came too late. Revert clears it.
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
	if s.sent {
		// The response cannot tell any more, so somebody else must.
		s.observe(s.context(), Event{Name: EventLate, Handle: Handle(s.key), Detail: name, Err: err})
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
	s.err = nil
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

// IsNew reports whether the session began in this request.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh
}

// Handle returns what names the session, also before it is stored.
func (s *Session) Handle() Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateNew && !s.hasSID {
		s.newSID()
	}
	return Handle(s.key)
}

func (s *Session) newSID() {
	s.cred.sid, s.hasSID = newSID(), true
	s.key = s.m.hash.recordKey(&s.cred.sid)
}

// Subject returns whose session it is, as SetSubject set it; empty means anonymous.
func (s *Session) Subject() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subjectLocked()
}

func (s *Session) subjectLocked() string {
	if s.p.subject != nil {
		return *s.p.subject
	}
	if s.base != nil {
		return s.record().subject
	}
	return ""
}

// AuthenticatedAt returns when the request began that set the subject; zero if the
// session is anonymous.
func (s *Session) AuthenticatedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.p.subject != nil {
		return s.authenticatedAt().Time()
	}
	if s.base != nil {
		return s.record().authAt.Time()
	}
	return time.Time{}
}

func (s *Session) authenticatedAt() Millis {
	if *s.p.subject == "" {
		return 0
	}
	return s.began()
}

// began returns when the request arrived, or, if it has itself revoked the subject that
// it signs in, when that was done.
func (s *Session) began() Millis {
	if s.rq == nil {
		return s.now
	}
	began := s.rq.began
	if s.p.subject != nil {
		s.rq.mu.Lock()
		if r := s.rq.rare; r != nil {
			began = max(began, r.exempt[*s.p.subject])
		}
		s.rq.mu.Unlock()
	}
	return began
}

// CreatedAt returns when the session began.
func (s *Session) CreatedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base != nil {
		return s.base.created.Time()
	}
	return s.now.Time()
}

// AccessedAt returns when this request loaded the session; with NoTouch, when it was
// last changed.
func (s *Session) AccessedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accessed().Time()
}

func (s *Session) accessed() Millis {
	if s.m.cfg.NoTouch && s.base != nil {
		return s.record().touched
	}
	return s.now
}

// LastAccessed returns when the session was used before this request, exact to the
// touch interval; the zero time if it is new.
func (s *Session) LastAccessed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.Time()
}

// IdleDeadline returns when the session ends if it is not used again; the zero time
// if it has no idle timeout.
func (s *Session) IdleDeadline() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := s.p.idle
	if idle == 0 {
		idle = s.m.cfg.IdleTimeout
		if s.base != nil {
			idle = s.record().Idle()
		}
	}
	if idle >= NoLimit {
		return time.Time{}
	}
	return s.accessed().Add(idle).Time()
}

// AbsoluteDeadline returns when the session ends in any case.
func (s *Session) AbsoluteDeadline() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if abs := s.absolute(s.now); abs != 0 {
		return abs.Time()
	}
	return s.record().abs.Time()
}

// absolute returns the absolute deadline that is pending, or 0.
func (s *Session) absolute(now Millis) Millis {
	timeout := s.p.absolute
	switch {
	case s.p.subject != nil:
	case timeout == 0 && s.base != nil:
		return 0
	case s.base != nil && s.record().authAt != 0:
		now = s.base.authAt
	case s.base != nil:
		now = s.base.created
	}
	if timeout == 0 {
		timeout = s.m.cfg.AbsoluteTimeout
	}
	return now.Add(timeout)
}

// CookieAttributes returns the attributes of this session's cookie.
func (s *Session) CookieAttributes() CookieAttributes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.attributes()
}

func (s *Session) attributes() *CookieAttributes {
	switch {
	case s.p.cookie != nil:
		return s.p.cookie
	case s.base != nil && s.record().cookie != nil:
		return s.base.cookie
	case s.own != nil:
		return s.own
	}
	return &s.m.attrs
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
