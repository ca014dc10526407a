package beaker

import (
	"strings"
	"time"
)

// What there is to know about a session besides its values.

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
	subject := s.subjectLocked()
	if s.base != nil && len(s.base.values) > pinned {
		return strings.Clone(subject) // it may be kept for long, and with it the whole record
	}
	return subject
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

// pinned is how large a record may be that a string cut from it keeps in memory.
const pinned = 1 << 10

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
