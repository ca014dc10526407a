package beaker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RegenerateOption is an option of Session.Regenerate. The zero value changes nothing.
type RegenerateOption struct{ grace time.Duration }

// Grace lets requests that are under way with the replaced cookie go on for d, at
// most a minute: they read and write, and get no cookie. Without it they find no
// session, and their writes are answered with ErrEnded.
func Grace(d time.Duration) RegenerateOption { return RegenerateOption{grace: d} }

const maxGrace = time.Minute

// Regenerate gives the session a new secret when it is saved; everything else stays,
// the handle too. The cookie that the browser had opens nothing from then on. Do it
// from time to time, for example daily; at sign-in SetSubject does it.
//
// If two requests do it at once, one of them wins, and the other's response simply
// brings no cookie. A new session has a new secret anyway. An error is kept as
// SetSubject's is, but not [ErrEnded]: nothing is lost by that.
func (s *Session) Regenerate(opts ...RegenerateOption) error {
	err := s.lifecycle(func() error {
		var grace time.Duration
		for _, o := range opts {
			grace = o.grace
		}
		if grace < 0 || grace > maxGrace {
			return fmt.Errorf("%w: a grace of %v is not between 0 and %v", ErrInvalidTimeout, grace, maxGrace)
		}
		if grace > 0 && s.sealed != nil {
			return fmt.Errorf("beaker: a sealed session has no grace: %w", errors.ErrUnsupported)
		}
		if s.state == stateLive && !s.previous {
			if s.p.subject != nil {
				grace = 0 // a sign-in has none, whatever else the request asks for
			}
			s.p.rotate, s.p.grace = true, grace
		}
		return nil
	})
	if errors.Is(err, ErrEnded) {
		return err // its old cookie opens nothing as it is
	}
	return s.refuse(err)
}

// SetSubject says whose session it is from now on: the application's own id of the
// user, UTF-8 without control characters, at most 255 bytes. Call it at each sign-in
// and whenever the user's rights change (OWASP ASVS 7.2.4). It makes the session
// findable for List and RevokeAll, gives it a new secret without any grace, so that a
// cookie that was planted before is worth nothing, and starts a new absolute deadline: the
// configured one, unless SetAbsoluteTimeout is called too.
//
// What an anonymous visitor has gathered stays: a cart, for example. If the session was
// another subject's, all its values go, those that this request has set included: what
// one user did is not the next one's to see. So set the new user's after SetSubject. The
// empty subject makes the session anonymous again, and empties it likewise.
//
// It takes effect when the session is saved. If the subject is revoked while this
// request is under way, the save fails with [ErrRevoked]. If the client has gone by then
// it fails too: the new cookie would reach nobody, and the old one would be dead. A
// request whose cookie was replaced a moment ago, as by the first of two clicks, signs in
// in a new session.
//
// An error that nobody looks at is not lost: Err keeps it, nothing is saved, and the
// response is an error page, unless the handler answers with a status of 400 or more, or
// passes an error to [Manager.Error]. Who goes on in another way calls Revert first.
func (s *Session) SetSubject(subject string) error {
	if err := checkSubject(subject); err != nil {
		return s.refuse(err)
	}
	subject = strings.Clone(subject) // it may be cut from a large request, and lives for long
	if subject != "" {
		s.goOnWithout()
	}
	return s.refuse(s.lifecycle(func() error {
		if was := s.subjectLocked(); was != "" && was != subject {
			s.p.clear, s.p.set, s.p.remove, s.p.wipe = true, nil, nil, true
		}
		s.p.subject = &subject
		s.p.rotate, s.p.grace = s.state == stateLive, 0
		return nil
	}))
}

// goOnWithout lets somebody sign in whose request came with a cookie that was replaced a
// moment ago, in a session of its own. Whoever clicks "sign in" twice sends such a
// request, and the browser has dropped the answer that brought the new cookie. Any other
// cookie must not take the place of that one; this one may, since it is of somebody who
// has just signed in.
func (s *Session) goOnWithout() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateEnded && s.replaced && !s.sent && s.err == nil {
		s.startOver()
	}
}

// SetCookieAttributes gives this session's cookie attributes of its own, all of them,
// for as long as it lives: change what CookieAttributes returns. It refuses what
// browsers would, and another value of Partitioned than Config.Cookie has. A cookie that
// was sent before with another domain or path stays in the browser beside the new one;
// both mean this session. An error is kept as SetSubject's is.
func (s *Session) SetCookieAttributes(a CookieAttributes) error {
	a.Domain = strings.TrimPrefix(a.Domain, ".")
	if a.Path == "" {
		a.Path = "/"
	}
	if a.SameSite == 0 {
		a.SameSite = s.m.cfg.Cookie.SameSite
	}
	var errs []error
	for _, p := range a.problems(s.m.cfg.Cookie.Name) {
		errs = append(errs, &ConfigError{"Cookie." + p.Field, p.Remedy})
	}
	if a.Partitioned != s.m.attrs.Partitioned {
		errs = append(errs, &ConfigError{"Cookie.Partitioned", "is one for all sessions: browsers keep a partitioned cookie beside one that is not, and nobody can take back the other"})
	}
	if err := errors.Join(errs...); err != nil {
		return s.refuse(err)
	}
	return s.refuse(s.lifecycle(func() error {
		s.p.cookie = &a
		return nil
	}))
}

// SetIdleTimeout changes the idle timeout of this session only: at least a second, or
// NoLimit. Another value is refused as Set refuses one.
func (s *Session) SetIdleTimeout(d time.Duration) {
	if s.inUpdate {
		s.fail("", ErrInUpdate)
		return
	}
	if s.m.cfg.NoTouch && d != NoLimit {
		s.fail("", fmt.Errorf("%w: idle %v: with Config.NoTouch it would end a session in use", ErrInvalidTimeout, d))
		return
	}
	if d < time.Second || d > NoLimit {
		s.fail("", fmt.Errorf("%w: idle %v: give at least a second, or NoLimit", ErrInvalidTimeout, d))
		return
	}
	s.change("", func() { s.p.idle = d })
}

// SetAbsoluteTimeout changes the absolute timeout of this session only, counted from
// when its subject was set, or else from when it began: at least a second, and not
// NoLimit. A sealed session also gets a new secret by it, because all its cookies must
// end at one time. "Remember me" is this and SetIdleTimeout at sign-in. Another value is
// refused as Set refuses one.
func (s *Session) SetAbsoluteTimeout(d time.Duration) {
	if s.inUpdate {
		s.fail("", ErrInUpdate)
		return
	}
	most := maxAbsolute
	switch {
	case s.sealed != nil && s.m.revoked.store == nil:
		most = maxReplay
	case s.sealed != nil:
		most = maxSealedLifetime
	}
	if d < time.Second || d > most {
		s.fail("", fmt.Errorf("%w: absolute %v: give at least a second and at most %v", ErrInvalidTimeout, d, most))
		return
	}
	s.change("", func() { s.p.absolute = d })
}

// lifecycle runs f if something that needs a cookie is possible.
func (s *Session) lifecycle(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	switch {
	case s.inUpdate:
		return ErrInUpdate
	case s.anyProof:
		return errDetached
	case s.sent:
		return ErrCommitted
	}
	return f()
}

// Destroy ends the session, now: when it returns nil, the session is gone from the
// store and no request under way brings it back. The response tells the browser to
// forget the cookie. Whatever is set afterwards is refused; use Invalidate to go on
// with a new session.
//
// After an error the session may still be alive. The end of the request tries once
// more, and the response is an error page if that fails too: a logout that did not
// happen never looks like one that did. After the headers no response can tell, but
// [EventStoreError] does. It goes on when the client disconnects.
//
// A sealed session without a Revoker ends in this browser only, and the error is then
// [ErrNotRevocable].
func (s *Session) Destroy(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.destroy(ctx)
}

func (s *Session) destroy(ctx context.Context) error {
	switch {
	case s.inUpdate:
		return s.refuseLocked(ErrInUpdate)
	case s.state == stateInert:
		err := inertError(s.cause)
		s.failLocked("", err)
		return err
	case s.state == stateEnded:
		// It lives on under a secret that this request does not have.
		s.failLocked("", ErrEnded)
		return ErrEnded
	case s.state == stateDestroyed && !s.undead:
		return nil
	}
	var unrevoked error
	stored := s.state == stateLive || s.undead
	if s.state != stateDestroyed {
		s.state, s.p, s.err = stateDestroyed, pending{}, nil
		s.returned = false
	}
	if stored {
		s.undead = true
		err := s.m.remove(ctx, s.store(), s.key, s.observe)
		if errors.Is(err, ErrNotRevocable) {
			unrevoked, err = ErrNotRevocable, nil
		}
		if errors.Is(err, ErrEnded) { // a sealed session that another request gave a new secret
			s.state, s.undead = stateEnded, false
			s.failLocked("", ErrEnded)
			return ErrEnded
		}
		if err != nil {
			return err
		}
		s.undead = false
		s.observe(ctx, Event{Name: EventDestroy, Handle: Handle(s.key), Subject: s.base.subject})
		if s.base.cookie != nil {
			s.own = s.base.cookie // the expiring cookie must have the same domain and path
		}
		s.base, s.applied = nil, nil
	}
	s.owed = cookieNone // also one that Persist made due: the browser never had it
	if s.hadCookie && !s.previous {
		s.owed = cookieExpire
	}
	return unrevoked
}

// Invalidate ends the session as Destroy does and begins a new, empty one with the
// same cookie attributes, which is stored if something is written to it. If it fails,
// the session is as after a failed Destroy.
func (s *Session) Invalidate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.anyProof {
		return s.refuseLocked(errDetached)
	}
	attrs := s.attributes()
	err := s.destroy(ctx)
	if err != nil && !errors.Is(err, ErrNotRevocable) {
		return err
	}
	if attrs != &s.m.attrs {
		s.own = attrs
	}
	s.startOver()
	return err
}

// startOver makes it a new, empty session.
func (s *Session) startOver() {
	s.state, s.fresh, s.hasSID, s.previous, s.replaced = stateNew, true, false, false, false
	s.cred, s.key, s.proof = credential{}, RecordKey{}, Proof{}
	s.base, s.applied, s.exact = nil, nil, false
	s.now, s.last = s.m.now(), 0
	if s.sealed != nil {
		s.sealed.rec, s.sealed.cookie = nil, nil
	}
}
