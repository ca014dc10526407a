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
	now := s.m.cfg.Now()
	s.now = Millis(now.UnixMilli())
	if s.m.sealed {
		s.loadSealed(ctx)
		return
	}
	var found [maxCandidates]credential
	n, why := s.candidates(&found)
	switch {
	case why != "":
		s.observe(ctx, Event{Name: EventReject, Reason: why})
		s.fresh = true
		return
	case n == 0:
		s.fresh = true
		return
	}
	for _, c := range found[1:n] {
		if c.sid != found[0].sid {
			s.loadTheLivingOne(ctx, found[:n])
			return
		}
	}
	s.cred, s.hasSID = found[0], true
	s.key = s.m.hash.recordKey(&s.cred.sid)
	op := s.loading.start(ctx, s.m.cfg.StoreTimeout)
	if s.m.cfg.realClock {
		op.startedAt(now)
	}
	rec, err := s.fetch(op)
	switch {
	case err == nil:
	case errors.Is(err, ErrNotFound):
		s.stranger(ctx, ReasonUnknown)
		return
	case errors.Is(err, ErrCorrupt):
		s.observe(ctx, Event{Name: EventCorrupt, Handle: Handle(s.key), Err: err})
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
	if why := s.over(rec); why != "" {
		s.stranger(ctx, why)
		return
	}
	s.admit(ctx, rec, found[:n])
}

// fetch loads the record of s.key.
func (s *Session) fetch(op *opContext) (*Record, error) {
	defer op.stop()
	rec, err := s.store().Load(op, s.key)
	if err == nil && rec.key != s.key {
		// A driver that hands one query another's row must not sign anybody in as
		// somebody else (CVE-2025-47907).
		err = fmt.Errorf("%w: the store returned the record of another key", ErrCorrupt)
	}
	return rec, err
}

// over returns why a record no longer counts.
func (s *Session) over(rec *Record) Reason {
	switch {
	case rec.Expired(s.now):
		return ReasonExpired
	case s.m.cfg.Secrets.rejects(rec):
		return ReasonIssuedBefore
	}
	return ""
}

// loadTheLivingOne is load for a browser that sent genuine cookies of several sessions:
// under a name without __Host-, one may be left over from another path or domain. If all
// sessions but one have ended, that one counts; which of two living ones is whose nobody
// can tell (RFC 6265bis, 4.2.2).
func (s *Session) loadTheLivingOne(ctx context.Context, found []credential) {
	var rec *Record
	var its []credential
	living := 0
	for i := range found {
		sid := found[i].sid
		if slices.ContainsFunc(found[:i], func(c credential) bool { return c.sid == sid }) {
			continue
		}
		s.key = s.m.hash.recordKey(&sid)
		r, err := s.fetch(new(opContext).start(ctx, s.m.cfg.StoreTimeout))
		switch {
		case errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt):
			continue
		case err != nil:
			s.fails(ctx, err)
			return
		case s.over(r) != "":
			continue
		}
		same := slices.DeleteFunc(slices.Clone(found), func(c credential) bool { return c.sid != sid })
		if status, _, _ := s.bestOf(r, same); status != ProofDead {
			rec, its = r, same
			living++
		}
	}
	s.key = RecordKey{}
	if living != 1 {
		s.stranger(ctx, ReasonAmbiguous)
		return
	}
	s.key, s.hasSID = rec.key, true
	s.admit(ctx, rec, its)
}

// fails makes the session inert.
func (s *Session) fails(ctx context.Context, err error) {
	s.state, s.cause = stateInert, fmt.Errorf("beaker: load: %w", err)
	if ctx.Err() == nil { // a client that leaves is not the store's failure
		s.observe(ctx, Event{Name: EventStoreError, Handle: Handle(s.key), Detail: "load", Err: err})
	}
}

// bestOf compares the proofs of genuine tokens of one session with its record, and
// takes the credential that has the most right to it.
func (s *Session) bestOf(rec *Record, found []credential) (best ProofStatus, at int, proof Proof) {
	for i := range found {
		p := s.m.hash.recordProof(&found[i])
		if status := rec.CheckProof(p, s.now); i == 0 || status > best {
			best, at, proof = status, i, p
		}
	}
	if r := rec.rot; best == ProofDead && r != nil && s.now < max(r.at, r.until)+inFlight {
		best = ProofReplaced // genuine, and replaced more than once within a moment
	}
	return best, at, proof
}

// admit makes rec the session if one of the tokens has the right to it.
func (s *Session) admit(ctx context.Context, rec *Record, found []credential) {
	best, at, proof := s.bestOf(rec, found)
	s.cred, s.proof = found[at], proof
	switch best {
	case ProofReplaced:
		// It was in flight while the session got a new secret, perhaps by a sign-in. Any
		// cookie that it sent would overwrite the one that the browser has just been given.
		s.state, s.replaced = stateEnded, true
		s.observe(ctx, Event{Name: EventReject, Handle: Handle(s.key), Reason: ReasonReplaced})
		return
	case ProofDead:
		s.observe(ctx, Event{Name: EventStaleProof, Handle: Handle(s.key), Subject: rec.subject, Reason: ReasonStale})
		if s.m.cfg.OnStaleProof == StaleProofEnds {
			if err := s.m.remove(ctx, s.store(), s.key, s.observe); err != nil {
				s.state, s.cause = stateInert, fmt.Errorf("beaker: end a session whose cookie was replaced: %w", err)
				return
			}
			s.observe(ctx, Event{Name: EventRevoke, Handle: Handle(s.key), Subject: rec.subject, Reason: ReasonStale, Count: 1})
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
		s.observe(ctx, Event{Name: EventOldSecret, Handle: Handle(s.key), Detail: s.cred.old})
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
	s.observe(ctx, Event{Name: EventLoad, Handle: Handle(s.key), Subject: rec.subject})
}

// stranger treats the client as one without a cookie: never under the id that it sent.
func (s *Session) stranger(ctx context.Context, why Reason) {
	if why != "" {
		s.observe(ctx, Event{Name: EventReject, Handle: Handle(s.key), Reason: why})
	}
	s.state, s.fresh, s.hasSID = stateNew, true, false
	s.cred, s.key, s.proof = credential{}, RecordKey{}, Proof{}
	s.owed = cookieNone
}

// candidates finds the genuine tokens among the request's cookies, or why there is none.
func (s *Session) candidates(found *[maxCandidates]credential) (n int, why Reason) {
	style := s.m.style(s.rq.r)
	var buf [maxCandidates + 1]cookieValue
	cookies, why := s.cookies(buf[:0], style)
	if len(cookies) == 0 {
		return 0, why
	}
	now := s.now.Time()
	for _, c := range cookies {
		reason := ReasonMalformed // one session has one spelling: no quotes
		if !c.quoted {
			_, reason = style.tokens.open(c.text, now, &found[n])
		}
		if reason != "" {
			if s.shown(c) && why == "" {
				why = reason
			}
			continue
		}
		n++
	}
	if n > 0 {
		why = ""
	}
	return n, why
}

// shown reports whether a cookie that does not open is one at all to net/http.
func (s *Session) shown(c cookieValue) bool {
	if cookieBytes(c.text) {
		return true
	}
	s.hadCookie = false // it is the only one: see cookiesNamed
	return false
}

// cookies appends the cookies that may be ours to buf.
func (s *Session) cookies(buf []cookieValue, st *style) ([]cookieValue, Reason) {
	all := cookiesNamed(buf, s.rq.r, st.name)
	s.hadCookie = len(all) > 0
	// A browser has no two cookies of a __Host- name, unless one is partitioned, and its
	// order says nothing about which of two is whose (RFC 6265bis, 4.2.2).
	alone := strings.HasPrefix(cookiePrefix(st.name), "__Host-") && !s.m.attrs.Partitioned
	if len(all) > maxCandidates || len(all) > 1 && alone {
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
