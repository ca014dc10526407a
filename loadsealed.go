package beaker

import (
	"context"
	"errors"
	"slices"
)

// sealedSession is what a cookie holds.
type sealedSession struct {
	rec  *Record
	cred *credential
}

// loadSealed opens the session that the cookie holds.
func (s *Session) loadSealed(ctx context.Context) {
	style := s.m.style(s.rq.r)
	s.sealed = &sealedStore{m: s.m, style: style}
	found, why, err := s.openSealed(style)
	if err != nil {
		s.fails(ctx, err)
		return
	}
	if len(found) > 1 {
		if found, why = s.livingSealed(ctx, found); s.state == stateInert {
			return
		}
	}
	if len(found) == 0 {
		s.stranger(ctx, why)
		return
	}
	one := &found[0]
	rec := one.rec
	s.cred, s.hasSID, s.key, s.proof = *one.cred, true, rec.key, rec.proof
	if why := s.overSealed(rec); why != "" {
		s.stranger(ctx, why)
		return
	}
	switch err := s.revokedSealed(s.loading.start(ctx, s.m.cfg.StoreTimeout), one); {
	case err == nil:
		s.begin(ctx, rec)
	case errors.Is(err, errRecentlyRevoked):
		s.state, s.replaced = stateEnded, true
		s.observe(ctx, Event{Name: EventReject, Handle: Handle(s.key), Reason: ReasonRevoked})
	case errors.Is(err, ErrNotFound):
		s.sealed.rec = nil
		s.stranger(ctx, ReasonRevoked)
	default:
		s.fails(ctx, err)
	}
}

// livingSealed is loadTheLivingOne for sealed sessions. It returns at most one: one that
// was revoked a moment ago if none is alive, since no cookie may be sent then.
func (s *Session) livingSealed(ctx context.Context, found []sealedSession) ([]sealedSession, Reason) {
	var living, recent []sealedSession
	for i := range found {
		if s.overSealed(found[i].rec) != "" {
			continue
		}
		switch err := s.revokedSealed(new(opContext).start(ctx, s.m.cfg.StoreTimeout), &found[i]); {
		case err == nil:
			living = append(living, found[i])
		case errors.Is(err, errRecentlyRevoked):
			recent = append(recent, found[i])
		case !errors.Is(err, ErrNotFound):
			s.fails(ctx, err)
			return nil, ""
		}
	}
	s.sealed.rec = nil
	switch {
	case len(living) == 1:
		return living, ""
	case len(living) == 0 && len(recent) > 0:
		return recent[:1], ""
	}
	return nil, ReasonAmbiguous
}

// overSealed returns why a sealed session no longer counts, or does not yet.
func (s *Session) overSealed(rec *Record) Reason {
	if rec.created > s.now+maxSkew || rec.touched > s.now+maxSkew {
		return ReasonFuture
	}
	return s.over(rec)
}

// revokedSealed makes one the session of s.sealed and asks the Revoker.
func (s *Session) revokedSealed(op *opContext, one *sealedSession) error {
	defer op.stop()
	s.sealed.rec, s.sealed.sid, s.sealed.epoch = one.rec, one.cred.sid, one.cred.epoch
	_, err := s.sealed.Load(op, one.rec.key)
	return err
}

// openSealed returns the sessions that the cookies hold, of each the newest state. The
// error is that a later release has made one of them.
func (s *Session) openSealed(st *style) (found []sealedSession, why Reason, err error) {
	var buf [maxCandidates + 1]cookieValue
	cookies, why := s.cookies(buf[:0], st)
	for _, c := range cookies {
		reason := ReasonMalformed // one session has one spelling: no quotes
		var payload []byte
		var by *secret
		stale := false
		if !c.quoted {
			payload, by, stale, reason = st.sealer.open(c.text, s.now.Time())
		}
		if reason != "" {
			if s.shown(c) && why == "" {
				why = reason
			}
			continue
		}
		rec, cred, err := parsePayload(payload, s.m.hash)
		switch {
		case errors.Is(err, ErrNewerFormat):
			return nil, "", err
		case err != nil:
			why = ReasonUndecodable
			continue
		}
		if stale {
			cred.old = by.id
		}
		i := slices.IndexFunc(found, func(f sealedSession) bool { return f.rec.key == rec.key })
		switch {
		case i < 0:
			found = append(found, sealedSession{rec, cred})
		case rec.version > found[i].rec.version:
			found[i] = sealedSession{rec, cred}
		}
	}
	return found, why, nil
}
