package model_test

import (
	"maps"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// The configuration under test, and what it means. Times are in milliseconds.
const (
	cfgIdle     = 10 * time.Minute
	cfgAbsolute = time.Hour
	cfgTouch    = time.Minute
	inFlight    = int64(60_000) // how long a replaced cookie counts as one under way
)

// state is what a session holds: in the store, or in a sealed cookie. Flashes are
// values whose names no user can give.
type state struct {
	values  map[string]string
	subject string
	auth    int64
	created int64
	touched int64
	idle    int64
	abs     int64
}

func (st *state) clone() state {
	c := *st
	c.values = maps.Clone(st.values)
	return c
}

func (st *state) expires() int64 { return min(st.abs, st.touched+st.idle) }

func (st *state) expired(now int64) bool { return now >= st.expires() }

// session is one that the server has ever made. A stored one has its state here and a
// current and a previous cookie; of a sealed one there are as many states as cookies,
// and a new secret makes a new session of the same line.
type session struct {
	id     int
	handle beaker.Handle // zero: not seen yet

	state
	gone    bool // ended, or purged
	moved   bool // sealed: it was given a new secret, and so another handle
	current int  // generations of its cookie
	former  int
	until   int64 // grace of the former one
	rotated int64

	line  int   // sealed: the first session that this one goes back to
	ended int64 // sealed: when; 0: it is not
}

// held is a cookie that the server has sent.
type held struct {
	s   *session
	gen int
	st  state // sealed: what it carries
}

// status is what a cookie is worth.
type status int

const (
	nobody   status = iota // a stranger's
	replaced               // under way while it was replaced: opens nothing, gets no cookie
	former                 // in its grace
	current
)

// revocation is a RevokeAll of sealed sessions.
type revocation struct {
	subject string
	at      int64
	kept    map[int]bool // lines
}

func (s status) String() string {
	return [...]string{"nothing", "nothing, quietly", "the session, in its grace", "the session"}[s]
}

// status says what a cookie of the session is worth.
func (w *world) status(h held, now int64) status {
	s := h.s
	if w.sealed {
		switch {
		case h.st.expired(now):
			return nobody
		case s.ended != 0 && now < s.ended+inFlight:
			return replaced
		case s.ended != 0 || w.revoked(&h.st, s):
			return nobody
		}
		return current
	}
	switch {
	case s.gone || s.expired(now):
		return nobody
	case h.gen == s.current:
		return current
	case s.former == 0:
		return nobody
	case h.gen == s.former && now < s.until:
		return former
	case now < max(s.rotated, s.until)+inFlight:
		return replaced // also a cookie that was replaced twice within a moment
	}
	return nobody
}

// revoked reports whether a sealed state's sign-in is covered by a RevokeAll.
func (w *world) revoked(st *state, s *session) bool {
	for _, r := range w.revocations {
		if st.subject == r.subject && st.subject != "" && st.auth <= r.at && (s == nil || !r.kept[s.line]) {
			return true
		}
	}
	return false
}

// refused reports whether a sign-in that began at a time comes too late.
func (w *world) refused(subject string, began int64) bool {
	if subject == "" {
		return false
	}
	if w.sealed {
		return w.revoked(&state{subject: subject, auth: began}, nil)
	}
	at, ok := w.marks[subject]
	return ok && began <= at
}

func (w *world) newSession() *session {
	s := &session{id: len(w.sessions) + 1, current: 1}
	s.line = s.id
	w.sessions = append(w.sessions, s)
	return s
}
