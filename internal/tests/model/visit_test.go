package model_test

import (
	"context"
	"maps"
	"slices"

	"github.com/seed12c5fab1/beaker"
)

type phase int

const (
	unborn phase = iota
	live
	over      // it ended elsewhere
	destroyed // here
)

type debt int

const (
	none debt = iota
	give
	expire
)

// visit is the model of one request's session.
type visit struct {
	w *world

	phase phase
	fresh bool
	had   bool // the browser sent a cookie
	grace bool // it is the former one, in its grace
	gone  bool // the client has left
	late  bool // it was replaced a moment before the request, which nobody may be told
	began int64
	// exempt holds the subjects that this request has itself revoked, and when that was over.
	exempt map[string]int64
	now    int64 // when it was loaded

	s    *session
	gen  int
	base state // what was stored, with what this request has saved
	p    pending
	err  error
	owed debt

	flashes int
}

type pending struct {
	clear    bool
	set      map[string]string
	remove   map[string]bool
	idle     int64
	absolute int64
	subject  *string
	wipe     bool // it was another subject's
	rotate   bool
	until    int64 // the length of the grace
	touch    bool
	save     bool
}

// open is the load.
func (w *world) open(cookie string) *visit {
	now := w.ms()
	v := &visit{w: w, exempt: map[string]int64{}, began: now, now: now, had: cookie != ""}
	h, known := w.cookies[cookie]
	got := nobody
	if known {
		got = w.status(h, now)
	}
	switch got {
	case nobody:
		v.fresh = true
		if known && !w.sealed && w.endsStale && !h.s.gone && !h.s.expired(now) {
			h.s.gone = true
		}
		return v
	case replaced:
		v.phase, v.late = over, true
		return v
	}
	v.phase, v.s, v.gen, v.grace = live, h.s, h.gen, got == former
	if w.sealed {
		v.base = h.st.clone()
	} else {
		v.base = h.s.clone()
	}
	v.p.touch = now-v.base.touched >= min(cfgTouch.Milliseconds(), v.base.idle/10)
	return v
}

// values is what the request sees.
func (v *visit) values() map[string]string {
	return v.p.over(v.base.values)
}

// over lays the pending values over others.
func (p *pending) over(base map[string]string) map[string]string {
	all := map[string]string{}
	if !p.clear {
		maps.Copy(all, base)
	}
	for name := range p.remove {
		delete(all, name)
	}
	maps.Copy(all, p.set)
	return all
}

func (v *visit) subject() string {
	if v.p.subject != nil {
		return *v.p.subject
	}
	return v.base.subject
}

func (v *visit) writable() error {
	switch v.phase {
	case destroyed:
		return beaker.ErrDestroyed
	case over:
		return beaker.ErrEnded
	}
	return nil
}

// change runs f if the session can be written, and notes the error otherwise.
func (v *visit) change(f func()) {
	if err := v.writable(); err != nil {
		v.note(err)
		return
	}
	f()
}

func (v *visit) note(err error) {
	if v.err == nil {
		v.err = err
	}
}

func (v *visit) set(name, value string) {
	v.change(func() {
		if v.p.set == nil {
			v.p.set = map[string]string{}
		}
		v.p.set[name] = value
		delete(v.p.remove, name)
	})
}

func (v *visit) remove(name string) {
	_, there := v.values()[name]
	v.change(func() {
		if !there {
			return
		}
		delete(v.p.set, name)
		if v.p.remove == nil {
			v.p.remove = map[string]bool{}
		}
		v.p.remove[name] = true
	})
}

func (v *visit) clear() {
	v.change(func() { v.p.clear, v.p.set, v.p.remove = true, nil, nil })
}

func (v *visit) revert() { v.p, v.err = pending{touch: v.p.touch}, nil }

func (v *visit) setSubject(subject string) error {
	if v.phase == over && v.late && v.err == nil && subject != "" {
		v.startOver() // somebody has clicked twice
	}
	if err := v.writable(); err != nil {
		v.note(err) // nobody looks at it
		return err
	}
	if was := v.subject(); was != "" && was != subject {
		v.p.clear, v.p.set, v.p.remove, v.p.wipe = true, nil, nil, true
	}
	v.p.subject, v.p.rotate, v.p.until = &subject, v.phase == live, 0
	return nil
}

func (v *visit) regenerate(grace int64) error {
	if err := v.writable(); err != nil {
		if v.phase != over { // or nothing is lost
			v.note(err)
		}
		return err
	}
	if v.phase == live && !v.grace {
		v.p.rotate, v.p.until = true, grace
		if v.p.subject != nil {
			v.p.until = 0 // a sign-in has none
		}
	}
	return nil
}

func (v *visit) destroy() error {
	switch v.phase {
	case over:
		v.note(beaker.ErrEnded)
		return beaker.ErrEnded
	case destroyed:
		return nil
	}
	if v.phase == live && v.w.sealed && v.s.moved && v.w.ms() < v.base.abs+inFlight {
		// It goes on under a secret that this request does not have.
		v.phase, v.p, v.err = over, pending{}, beaker.ErrEnded
		return v.err
	}
	if v.phase == live {
		v.w.end(v.s)
	}
	v.phase, v.p, v.err, v.base, v.s = destroyed, pending{}, nil, state{}, nil
	v.owed = none
	if v.had && !v.grace {
		v.owed = expire
	}
	return nil
}

func (v *visit) invalidate() error {
	if err := v.destroy(); err != nil {
		return err
	}
	v.startOver()
	return nil
}

func (v *visit) startOver() {
	v.phase, v.fresh, v.grace, v.late, v.now = unborn, true, false, false, v.w.ms()
}

func (w *world) end(s *session) {
	s.gone = true
	if s.ended == 0 {
		s.ended = w.ms()
	}
}

// beganFor is when the request began, as far as revocations of a subject go.
func (v *visit) beganFor(subject string) int64 { return max(v.began, v.exempt[subject]) }

func (v *visit) saves(all bool) bool { return all || v.p.save || v.w.save == beaker.SaveOnChange }

// persist is Persist.
func (v *visit) persist() error {
	if v.err != nil {
		return v.err
	}
	if err := v.writable(); err != nil {
		return err
	}
	if err := v.flush(true); err != nil {
		return err
	}
	if v.phase == over {
		return beaker.ErrEnded
	}
	return nil
}

// commit is the end of the request. It says which cookie goes out: with an error too,
// if what it stands for was done before.
func (v *visit) commit() (debt, error) {
	err := v.flush(false)
	if v.owed == give && v.phase != live {
		return none, err
	}
	return v.owed, err
}

func (v *visit) flush(all bool) error {
	if v.err == nil && v.gone {
		// A new cookie would reach nobody, and the old one would be dead.
		switch {
		case v.phase == unborn && v.creates(all), v.phase == live && v.p.rotate && (v.p.subject != nil || v.w.sealed), v.phase == live && v.moves():
			return context.Canceled
		case v.phase == live:
			v.p.rotate = false
		}
	}
	switch {
	case v.err != nil:
		return v.err
	case v.phase == unborn && v.creates(all):
		return v.create(all)
	case v.phase == live:
		return v.apply(all)
	}
	return nil
}

func (v *visit) creates(all bool) bool {
	return all || v.p.save || v.p.subject != nil || len(v.p.set) > 0 && v.saves(all)
}

func (v *visit) create(all bool) error {
	now := v.w.ms()
	st := state{values: map[string]string{}, created: v.now, touched: now, idle: cfgIdle.Milliseconds(), abs: v.now + cfgAbsolute.Milliseconds()}
	if v.p.idle != 0 {
		st.idle = v.p.idle
	}
	if v.p.absolute != 0 {
		st.abs = v.now + v.p.absolute
	}
	if v.p.subject != nil && *v.p.subject != "" {
		st.subject, st.auth = *v.p.subject, v.beganFor(*v.p.subject)
	}
	rest := pending{set: v.p.set}
	if v.saves(all) {
		maps.Copy(st.values, v.p.set)
		rest.set = nil
	}
	if st.expired(now) || v.w.refused(st.subject, st.auth) {
		return beaker.ErrEnded
	}
	v.s = v.w.newSession()
	v.s.state = st.clone()
	v.gen, v.base, v.phase, v.owed, v.p = 1, st, live, give, rest
	return nil
}

// moves reports whether a sealed session's deadline changes.
func (v *visit) moves() bool {
	abs := v.absolute(&v.p)
	return v.w.sealed && abs != 0 && abs != v.base.abs
}

func (v *visit) apply(all bool) error {
	p, unsaved := v.p, pending{clear: v.p.clear, set: v.p.set, remove: v.p.remove}
	if v.saves(all) {
		unsaved = pending{}
	} else {
		p.clear, p.set, p.remove = p.wipe, nil, nil
	}
	abs := v.absolute(&p)
	if v.moves() {
		p.rotate = true // all cookies of one session say the same deadline
	}
	others := p.clear || len(p.set) > 0 || len(p.remove) > 0 || p.idle != 0 || p.absolute != 0 || p.subject != nil
	if !others && !p.rotate && !p.touch {
		return nil
	}
	now := v.w.ms()
	standing := v.standing(now)
	switch {
	case p.rotate && standing != current && p.subject == nil && others && standing == former:
		// Somebody else was faster; in the grace the rest still goes through.
		p.rotate, v.grace = false, true
	case p.rotate && standing != current || standing < former:
		v.phase = over
		if others {
			v.err = beaker.ErrEnded
			return v.err
		}
		v.p = pending{}
		return nil
	case p.subject != nil && v.w.refused(*p.subject, v.beganFor(*p.subject)):
		v.phase, v.err = over, beaker.ErrEnded
		if !v.w.sealed {
			v.s.gone = true
		}
		return v.err
	}

	touch := int64(0)
	if p.touch || others || p.rotate {
		touch = v.now
	}
	amend := func(st *state) {
		st.values = p.over(st.values)
		st.touched = max(st.touched, touch)
		if p.idle != 0 {
			st.idle = p.idle
		}
		if abs != 0 {
			st.abs = abs
		}
		if p.subject != nil {
			st.subject, st.auth = *p.subject, 0
			if st.subject != "" {
				st.auth = v.beganFor(st.subject)
			}
		}
	}
	amend(&v.base)
	switch {
	case v.w.sealed && p.rotate:
		v.s.moved = true
		v.w.end(v.s)
		s := v.w.newSession()
		s.line = v.s.line
		v.s = s
		v.owed = give
	case v.w.sealed:
		v.owed = give
	default:
		amend(&v.s.state)
		if p.rotate {
			v.s.former, v.s.until, v.s.rotated = v.s.current, now+p.until, now
			v.s.current = v.w.nextGeneration()
			v.gen, v.owed = v.s.current, give
		}
	}
	v.p = unsaved
	return nil
}

func (w *world) nextGeneration() int {
	w.generations++
	return w.generations + 1
}

// standing is what the request's cookie is worth now.
func (v *visit) standing(now int64) status {
	got := v.w.status(held{v.s, v.gen, v.base}, now)
	if v.w.sealed && got == replaced {
		return nobody
	}
	return got
}

// absolute returns the new absolute deadline, or 0.
func (v *visit) absolute(p *pending) int64 {
	from, timeout := v.now, p.absolute
	switch {
	case p.subject != nil:
	case timeout == 0:
		return 0
	case v.base.auth != 0:
		from = v.base.auth
	default:
		from = v.base.created
	}
	if timeout == 0 {
		timeout = cfgAbsolute.Milliseconds()
	}
	return from + timeout
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
