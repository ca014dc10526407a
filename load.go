package beaker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// maxCandidates bounds the work that cookies of one name can cause.
const maxCandidates = 4

// load finds out what the request's cookie stands for. It runs once, at the first Get.
func (s *Session) load(ctx context.Context) {
	s.now = s.m.now()
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
	rec, err := s.m.store.Load(op, s.key)
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
		s.state, s.cause = stateInert, fmt.Errorf("beaker: load: %w", err)
		s.m.observe(ctx, Event{Name: EventStoreError, Handle: Handle(s.key), Detail: "load", Err: err})
		return
	}
	if rec.Expired(s.now) {
		s.stranger(ctx, ReasonExpired)
		return
	}
	s.admit(ctx, rec, found[:n])
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
			if err := s.m.remove(ctx, s.key); err != nil {
				s.state, s.cause = stateInert, fmt.Errorf("beaker: end a session whose cookie was replaced: %w", err)
				return
			}
			s.m.observe(ctx, Event{Name: EventRevoke, Handle: Handle(s.key), Subject: rec.subject, Reason: ReasonStale, Count: 1})
		}
		s.stranger(ctx, "")
		return
	}
	s.state, s.base, s.version, s.exact, s.last = stateLive, rec, rec.version, true, rec.touched
	s.previous = best == ProofPrevious
	cfg := &s.m.cfg
	if !cfg.NoTouch && s.now-rec.touched >= inMillis(cfg.TouchInterval) {
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
	cookies := s.rq.r.CookiesNamed(style.name)
	if len(cookies) == 0 {
		return found, 0, ""
	}
	s.hadCookie = true
	// A browser never has two cookies of a __Host- name, and its order says nothing
	// about which of two is whose (RFC 6265bis, 4.2.2).
	if len(cookies) > maxCandidates || len(cookies) > 1 && strings.HasPrefix(cookiePrefix(style.name), "__Host-") {
		return found, 0, ReasonAmbiguous
	}
	now := s.now.Time()
	for _, c := range cookies {
		var cred credential
		stale, reason := false, ReasonMalformed // one session has one spelling: no quotes
		if !c.Quoted {
			stale, reason = style.tokens.open(c.Value, now, &cred)
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
		if stale {
			s.owed = cookieRefresh // made with an older secret
		}
	}
	if n > 0 {
		why = ""
	}
	return found, n, why
}

// style is how cookies look on one kind of host.
type style struct {
	name   string
	secure bool
	tokens tokens
}

func (m *Manager) style(r *http.Request) *style {
	if m.plain != nil && r.TLS == nil {
		host := hostOf(r.Host)
		for _, h := range m.cfg.Cookie.InsecureHosts {
			if h == host {
				return m.plain
			}
		}
	}
	return &m.secure
}
