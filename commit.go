package beaker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// cookieDebt says which cookie the response owes the browser.
type cookieDebt uint8

const (
	cookieNone cookieDebt = iota
	// cookieRefresh repeats the cookie, with a later expiry, other attributes or under
	// a newer secret. It is sent only if the store has just confirmed that this request
	// holds the current proof: a late response must not bring back a replaced cookie.
	cookieRefresh
	cookieNew    // the session was created or given a new secret
	cookieExpire // the session was ended
)

// delivery says whether the response that is about to begin can carry a cookie.
type delivery bool

const (
	deliver       delivery = true
	withoutCookie delivery = false
)

// commit saves the session and completes the headers, once, before anything is sent.
// If it fails, the error page has been sent in the handler's stead, and this and each
// later call returns why.
func (rq *request) commit(status int, d delivery) error {
	if rq.sent {
		if errors.Is(rq.failed, errUnsettled) {
			return rq.replace(fmt.Errorf("beaker: commit: a store or an observer panicked: %w", ErrUncertain))
		}
		return rq.failed
	}
	rq.sent = true
	rq.mu.Lock()
	rq.late = true
	s := rq.s
	rq.mu.Unlock()
	if s == nil {
		return nil // never touched: nothing to do, nothing to say
	}
	addVary(rq.w.Header(), &s.vary)
	rq.failed = errUnsettled
	if err := s.settle(rq, status, d); err != nil {
		rq.m.misused((*ownContext)(rq), s.named(), err)
		return rq.replace(err)
	}
	return nil
}

// errUnsettled is why nothing of the handler's response may go out while it is not known
// whether the session was saved: a store that panics leaves it so.
var errUnsettled = errors.New("beaker: the commit did not come to its end")

// replace sends the error page in place of the handler's response.
func (rq *request) replace(err error) error {
	if errors.Is(rq.failed, errUnsettled) {
		rq.clear(rq.w.Header())
	}
	rq.failed = err
	rq.m.answer(rq.w, rq.r, err)
	return err
}

// abandon is finish for a handler that has panicked: nothing is saved any more. But what
// Persist, Destroy or Update have done is done, and whoever answers around Wrap has to
// bring the browser the cookie that stands for it.
func (rq *request) abandon() {
	rq.mu.Lock()
	rq.late, rq.over = true, true
	s := rq.s
	rq.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !rq.sent && (s.owed == cookieNew || s.owed == cookieExpire) {
		addVary(rq.w.Header(), &s.vary)
		if line := s.cookieLine(rq, false); line != "" {
			rq.addCookie(rq.w.Header(), line)
		}
	}
	rq.sent, s.sent, s.finished = true, true, true
}

// reopen undoes a commit that had nothing to send: a connection that could not be taken
// over is answered after all.
func (rq *request) reopen() {
	rq.sent = false
	rq.mu.Lock()
	rq.late = false
	s := rq.s
	rq.mu.Unlock()
	if s != nil {
		s.mu.Lock()
		s.sent = false
		s.mu.Unlock()
	}
}

// finish commits what no write has committed, and saves what changed since.
func (rq *request) finish() {
	_ = rq.commit(http.StatusOK, deliver) // the response tells
	rq.mu.Lock()
	rq.over = true
	s := rq.s
	rq.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if rq.failed == nil && !rq.dropped && (s.p.values() || s.p.idle != 0 || s.p.absolute != 0) && s.state == stateLive && !rq.expired(s) {
		// A stream that went on after its headers: nothing can be answered any more.
		if _, err := s.flush((*ownContext)(rq), false); err != nil {
			s.observe((*ownContext)(rq), Event{Name: EventLate, Handle: Handle(s.key), Err: err})
		}
	}
	if s.undead && rq.failed == nil {
		// A logout after the headers that has failed. If it does again, an event tells.
		_ = s.destroy((*ownContext)(rq))
	}
	s.finished = true
}

// expired reports whether the request's time is over: http.TimeoutHandler has
// answered, or will, and nothing that the handler does counts any more. That the
// client is gone is another matter.
func (rq *request) expired(s *Session) bool {
	return errors.Is(rq.parent.Err(), context.DeadlineExceeded) || errors.Is(s.context().Err(), context.DeadlineExceeded)
}

// settle does the session's part of the commit and sets the cookie, if one is due: with
// an error too, where Persist, Destroy or Update had already done what the cookie stands
// for. Without it the browser would keep one that is dead. All is decided before the
// observer is told, who may panic.
func (s *Session) settle(rq *request, status int, d delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.sent = true }()
	if status >= http.StatusBadRequest {
		s.seen()
	}
	confirmed, err := s.flushFor(rq, status)
	h := rq.w.Header()
	if err != nil {
		rq.clear(h)
	}
	if d == deliver || err != nil {
		if line := s.cookieLine(rq, confirmed); line != "" {
			rq.addCookie(h, line)
		}
	}
	rq.failed = err
	return err
}

// flushFor is flush for a response of that status, unless nobody waits for it.
func (s *Session) flushFor(rq *request, status int) (confirmed bool, err error) {
	gone := s.context().Err() // of http.TimeoutHandler's context too, if it stands inside
	switch {
	case status >= 500 && gone != nil && !s.undead:
		// The answer of a timeout, which promises nothing, or of a handler that the client
		// has left: nothing is saved. The handler may be at work still, and half of what
		// it does is worse than nothing.
		rq.dropped = true
		return false, nil
	case rq.expired(s):
		if status < 500 && (s.dirty() || s.undead) {
			return false, fmt.Errorf("beaker: commit: %w", context.DeadlineExceeded)
		}
		return false, nil
	}
	return s.flush((*ownContext)(rq), false)
}

// owesNew reports whether a flush would make a cookie without which the session cannot be
// used any more.
func (s *Session) owesNew(all bool) bool {
	switch s.state {
	case stateNew:
		return s.creates(all)
	case stateLive:
		return s.p.rotate || s.movesSealed()
	}
	return false
}

// movesSealed reports whether a sealed session gets a new sid because of its deadline: all
// cookies of one sid say the same one. The mark of a logout is kept until the deadline of
// the cookie that logged out; a copy with a later one would outlive it.
func (s *Session) movesSealed() bool {
	if s.sealed == nil {
		return false
	}
	abs := s.absolute(s.now)
	return abs != 0 && abs != s.record().abs
}

// dirty reports whether flush has more to do than a touch.
func (s *Session) dirty() bool {
	p := &s.p
	return s.err != nil || p.values() && s.saves(false) || p.idle != 0 || p.absolute != 0 || p.subject != nil || p.rotate || p.cookie != nil || p.save
}

// saves reports whether changed values are to be saved.
func (s *Session) saves(all bool) bool {
	return all || s.p.save || s.m.cfg.Save == SaveOnChange
}

// owesCookie reports whether the response must carry a cookie, so that a connection
// without a response would lose it.
func (s *Session) owesCookie() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed != nil && s.state == stateLive && s.dirty() {
		return true
	}
	return s.owesNew(false) || s.owed == cookieNew || s.owed == cookieExpire
}

func (s *Session) cookieLine(rq *request, confirmed bool) string {
	style := s.m.style(rq.r)
	switch s.owed {
	case cookieNone:
		return ""
	case cookieExpire:
		return style.line(nil, s.attributes(), -1, time.Unix(1, 0))
	case cookieRefresh:
		if !confirmed || s.previous {
			return ""
		}
	case cookieNew:
	}
	if s.state != stateLive {
		return ""
	}
	attrs := s.attributes()
	// Others may have used the session meanwhile: what this request knows must not
	// shorten the cookie's life.
	now, rec := s.m.now(), s.record()
	maxAge, expires := attrs.Expires.lifetime(now, min(rec.abs, max(rec.touched, now)+rec.idle))
	s.warnUndeliverable(rq, style)
	if s.sealed != nil {
		return style.line(s.sealed.cookie, attrs, maxAge, expires)
	}
	var buf [tokenChars]byte
	return style.line(style.tokens.issue(buf[:0], &s.cred), attrs, maxAge, expires)
}

func (st *style) line(value []byte, a *CookieAttributes, maxAge time.Duration, expires time.Time) string {
	if !st.secure {
		// Over plain HTTP browsers refuse what needs Secure.
		plain := *a
		plain.Partitioned = false
		if plain.SameSite == http.SameSiteNoneMode {
			plain.SameSite = http.SameSiteLaxMode
		}
		a = &plain
	}
	return setCookie(st.name, value, a, st.secure, maxAge, expires)
}

// addVary says that the answer depends on the cookie. room is the request's own: a slice
// that requests share could be written to by any middleware.
func addVary(h http.Header, room *[1]string) {
	if len(h["Vary"]) == 0 {
		room[0] = "Cookie"
		h["Vary"] = room[:1:1]
		return
	}
	for _, line := range h["Vary"] {
		for field := range strings.SplitSeq(line, ",") {
			if f := strings.TrimSpace(field); f == "*" || strings.EqualFold(f, "Cookie") {
				return
			}
		}
	}
	h["Vary"] = append(h["Vary"], "Cookie")
}

// addCookie puts the line in place of an earlier one of the same name, and keeps the
// response out of caches: what carries a session's cookie is nobody else's.
func (rq *request) addCookie(h http.Header, line string) {
	name, _, _ := strings.Cut(line, "=")
	h["Set-Cookie"] = append(slices.DeleteFunc(h["Set-Cookie"], func(l string) bool {
		return len(l) > len(name) && l[:len(name)] == name && l[len(name)] == '='
	}), line)
	noStore(h)
	for outer := rq.outer(); outer != nil; outer = outer.outer() {
		outer.mu.Lock()
		outer.rarely().inner = append(outer.rarely().inner, line)
		outer.mu.Unlock()
	}
}

func noStore(h http.Header) {
	for _, line := range h["Cache-Control"] {
		for d := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(d), "no-store") {
				return
			}
		}
	}
	h.Set("Cache-Control", "no-store")
}

// outer returns the request of the manager that is wrapped around this one, if any.
func (rq *request) outer() *request {
	for w := rq.w; ; {
		if o, ok := w.(interface{ beakerRequest() *request }); ok {
			return o.beakerRequest()
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
}

// replaced are the headers that describe a representation which is not sent.
var replaced = [...]string{
	"Accept-Ranges", "Cache-Control", "Clear-Site-Data", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language",
	"Content-Length", "Content-Location", "Content-Range", "Content-Type", "Digest", "Etag", "Expires", "Last-Modified",
	"Hx-Location", "Hx-Push-Url", "Hx-Redirect", "Hx-Refresh", "Link", "Location", "Refresh", "Repr-Digest", "Trailer",
	"X-Accel-Redirect", "X-Sendfile",
}

// clear makes room for the error page in place of the handler's response.
func (rq *request) clear(h http.Header) {
	for _, name := range replaced {
		h.Del(name)
	}
	// The handler's cookies belong to a response that did not happen. Those of a
	// manager that is wrapped by this one stand for something that is stored, and those
	// of a middleware around this one for something that is not the handler's.
	rq.mu.Lock()
	keep := slices.Concat(rq.rarely().before, rq.rarely().inner)
	rq.mu.Unlock()
	if kept := slices.DeleteFunc(h["Set-Cookie"], func(l string) bool { return !slices.Contains(keep, l) }); len(kept) > 0 {
		h["Set-Cookie"] = kept
		noStore(h)
	} else {
		h.Del("Set-Cookie")
	}
}
