package beaker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxCandidates bounds the work that cookies of one name can cause.
const maxCandidates = 4

// load finds out what the request's cookie stands for. It runs once, at the first Get.
func (s *Session) load(ctx context.Context) {
	s.now = s.m.now()
	if s.m.sealed {
		s.loadSealed(ctx)
		return
	}
	s.store = s.m.store
	found, n, why := s.candidates()
	switch {
	case why != "":
		s.m.observe(ctx, Event{Name: EventReject, Reason: why})
		s.fresh = true
		return
	case n == 0:
		s.fresh = true
		return
	}
	s.cred, s.hasSID = found[0], true
	s.key = s.m.hash.recordKey(&s.cred.sid)

	op := s.loading.start(ctx, s.m.cfg.StoreTimeout)
	rec, err := s.store.Load(op, s.key)
	op.stop()
	if err == nil && rec.key != s.key {
		// A driver that hands one query another's row must not sign anybody in as
		// somebody else (CVE-2025-47907).
		err = fmt.Errorf("%w: the store returned the record of another key", ErrCorrupt)
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrNotFound):
		s.stranger(ctx, ReasonUnknown)
		return
	case errors.Is(err, ErrCorrupt):
		s.m.observe(ctx, Event{Name: EventCorrupt, Handle: Handle(s.key), Err: err})
		if s.m.cfg.OnCorrupt == CorruptFails {
			s.state, s.cause = stateInert, fmt.Errorf("beaker: load: %w", err)
			return
		}
		s.stranger(ctx, "")
		return
	default:
		s.fails(ctx, err)
		return
	}
	switch {
	case rec.Expired(s.now):
		s.stranger(ctx, ReasonExpired)
		return
	case s.m.cfg.Secrets.rejects(rec):
		s.stranger(ctx, ReasonIssuedBefore)
		return
	}
	s.admit(ctx, rec, found[:n])
}

// fails makes the session inert.
func (s *Session) fails(ctx context.Context, err error) {
	s.state, s.cause = stateInert, fmt.Errorf("beaker: load: %w", err)
	if ctx.Err() == nil { // a client that leaves is not the store's failure
		s.m.observe(ctx, Event{Name: EventStoreError, Handle: Handle(s.key), Detail: "load", Err: err})
	}
}

// admit compares the proofs.
func (s *Session) admit(ctx context.Context, rec *Record, found []credential) {
	best := ProofDead
	for i := range found {
		proof := s.m.hash.recordProof(&found[i])
		if status := rec.CheckProof(proof, s.now); i == 0 || status > best {
			best, s.cred, s.proof = status, found[i], proof
		}
	}
	if r := rec.rot; best == ProofDead && r != nil && s.now < max(r.at, r.until)+inFlight {
		best = ProofReplaced // genuine, and replaced more than once within a moment
	}
	switch best {
	case ProofReplaced:
		// It was in flight while the session got a new secret, perhaps by a sign-in. Any
		// cookie that it sent would overwrite the one that the browser has just been given.
		s.state = stateEnded
		s.m.observe(ctx, Event{Name: EventReject, Handle: Handle(s.key), Reason: ReasonReplaced})
		return
	case ProofDead:
		s.m.observe(ctx, Event{Name: EventStaleProof, Handle: Handle(s.key), Subject: rec.subject, Reason: ReasonStale})
		if s.m.cfg.OnStaleProof == StaleProofEnds {
			if err := s.m.remove(ctx, s.store, s.key); err != nil {
				s.state, s.cause = stateInert, fmt.Errorf("beaker: end a session whose cookie was replaced: %w", err)
				return
			}
			s.m.observe(ctx, Event{Name: EventRevoke, Handle: Handle(s.key), Subject: rec.subject, Reason: ReasonStale, Count: 1})
		}
		s.stranger(ctx, "")
		return
	}
	s.previous = best == ProofPrevious
	s.begin(ctx, rec)
}

// begin makes rec the session.
func (s *Session) begin(ctx context.Context, rec *Record) {
	s.state, s.base, s.version, s.exact, s.last = stateLive, rec, rec.version, true, rec.touched
	if s.cred.old != "" {
		s.owed = cookieRefresh
		s.m.observe(ctx, Event{Name: EventOldSecret, Handle: Handle(s.key), Detail: s.cred.old})
	}
	// A session with a short timeout of its own is touched more often, or it would end
	// while it is used.
	interval := inMillis(s.m.cfg.TouchInterval)
	if rec.idle != inMillis(s.m.cfg.IdleTimeout) {
		interval = min(interval, rec.idle/10)
	}
	if !s.m.cfg.NoTouch && s.now-rec.touched >= interval {
		s.p.touch = s.now
	}
	s.m.observe(ctx, Event{Name: EventLoad, Handle: Handle(s.key), Subject: rec.subject})
}

// stranger treats the client as one without a cookie: never under the id that it sent.
func (s *Session) stranger(ctx context.Context, why Reason) {
	if why != "" {
		s.m.observe(ctx, Event{Name: EventReject, Handle: Handle(s.key), Reason: why})
	}
	s.state, s.fresh, s.hasSID = stateNew, true, false
	s.cred, s.key, s.proof = credential{}, RecordKey{}, Proof{}
	s.owed = cookieNone
}

// candidates returns the genuine tokens among the request's cookies. They name one
// session, or it returns why there is none.
func (s *Session) candidates() (found [maxCandidates]credential, n int, why Reason) {
	style := s.m.style(s.rq.r)
	cookies, why := s.cookies(style)
	if len(cookies) == 0 {
		return found, 0, why
	}
	now := s.now.Time()
	for _, c := range cookies {
		var cred credential
		reason := ReasonMalformed // one session has one spelling: no quotes
		if !c.Quoted {
			_, reason = style.tokens.open(c.Value, now, &cred)
		}
		if reason != "" {
			if why == "" {
				why = reason
			}
			continue
		}
		if n > 0 && cred.sid != found[0].sid {
			return found, 0, ReasonAmbiguous
		}
		found[n] = cred
		n++
	}
	if n > 0 {
		why = ""
	}
	return found, n, why
}

// loadSealed opens the session that the cookie holds.
func (s *Session) loadSealed(ctx context.Context) {
	style := s.m.style(s.rq.r)
	s.sealed = &sealedStore{m: s.m, style: style}
	s.store = s.sealed
	rec, cred, why := s.openSealed(style)
	if rec == nil {
		s.stranger(ctx, why)
		return
	}
	s.cred, s.hasSID, s.key, s.proof = *cred, true, rec.key, rec.proof
	switch {
	case rec.created > s.now+maxSkew || rec.touched > s.now+maxSkew:
		s.stranger(ctx, ReasonFuture)
		return
	case rec.Expired(s.now):
		s.stranger(ctx, ReasonExpired)
		return
	case s.m.cfg.Secrets.rejects(rec):
		s.stranger(ctx, ReasonIssuedBefore)
		return
	}
	s.sealed.rec, s.sealed.sid = rec, cred.sid
	op := s.loading.start(ctx, s.m.cfg.StoreTimeout)
	_, err := s.sealed.Load(op, rec.key)
	op.stop()
	switch {
	case err == nil:
		s.begin(ctx, rec)
	case errors.Is(err, errRecentlyRevoked):
		s.state = stateEnded
		s.m.observe(ctx, Event{Name: EventReject, Handle: Handle(s.key), Reason: ReasonRevoked})
	case errors.Is(err, ErrNotFound):
		s.sealed.rec = nil
		s.stranger(ctx, ReasonRevoked)
	default:
		s.fails(ctx, err)
	}
}

func (s *Session) openSealed(st *style) (rec *Record, cred *credential, why Reason) {
	cookies, why := s.cookies(st)
	for _, c := range cookies {
		reason := ReasonMalformed // one session has one spelling: no quotes
		var payload []byte
		var by *secret
		stale := false
		if !c.Quoted {
			payload, by, stale, reason = st.sealer.open(c.Value, s.now.Time())
		}
		if reason != "" {
			if why == "" {
				why = reason
			}
			continue
		}
		r, cr, err := parsePayload(payload, s.m.hash)
		switch {
		case err != nil:
			why = ReasonUndecodable
			continue
		case rec != nil && r.key != rec.key:
			return nil, nil, ReasonAmbiguous
		case rec != nil && r.version <= rec.version:
			continue // the same session twice: the newer state counts
		}
		if stale {
			cr.old = by.id
		}
		rec, cred = r, cr
	}
	return rec, cred, why
}

// cookies returns the cookies that may be ours.
func (s *Session) cookies(st *style) ([]*http.Cookie, Reason) {
	all := s.rq.r.CookiesNamed(st.name)
	s.hadCookie = len(all) > 0
	// A browser never has two cookies of a __Host- name, and its order says nothing
	// about which of two is whose (RFC 6265bis, 4.2.2).
	if len(all) > maxCandidates || len(all) > 1 && strings.HasPrefix(cookiePrefix(st.name), "__Host-") {
		return nil, ReasonAmbiguous
	}
	return all, ""
}

// style is how cookies look on one kind of host.
type style struct {
	name   string
	secure bool
	tokens tokens
	sealer sealer
}

func (m *Manager) style(r *http.Request) *style {
	if m.plain != nil && r.TLS == nil {
		host := hostOf(r.Host)
		if slices.Contains(m.cfg.Cookie.InsecureHosts, host) {
			return m.plain
		}
	}
	return &m.secure
}
