package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// full returns a record in which every field is set, each to a value of its own, so
// that two that were mixed up show.
func (e *env) full() *beaker.Record {
	e.Helper()
	m := e.meta()
	m.PrevProof, m.PrevUntil, m.RotatedAt = e.proof(), e.base+11, e.base-13
	m.Version = 7
	m.Created, m.Touched = e.base-17, e.base+19
	m.Idle, m.Absolute = 31*time.Minute+23*time.Millisecond, e.base+9*hour+29
	m.Subject, m.AuthenticatedAt = "user-1", e.base-37
	m.Cookie = &beaker.CookieAttributes{
		Domain: "example.com", Path: "/app", SameSite: http.SameSiteNoneMode, Partitioned: true,
		Expires: beaker.ExpiresAfter(41 * time.Hour),
	}
	return e.record(m, pairs("name", "Fred", "\x00internal", "1", "empty", "", "z", "\x00\xff")...)
}

func recordChecks() []check {
	return []check{
		{"every part of a new record comes back", func(e *env) {
			e.holdRecord(e.full()).same("after Create")
		}},
		{"a record without any optional part comes back", func(e *env) {
			e.hold().same("after Create")
		}},
		{"cookie attributes come back, and none is not the same as all at zero", func(e *env) {
			for _, c := range []*beaker.CookieAttributes{
				nil,
				{},
				{Domain: "example.com"},
				{Path: "/a b"},
				{SameSite: http.SameSiteStrictMode},
				{Partitioned: true},
				{Expires: beaker.ExpiresWithSession},
				{Expires: beaker.ExpiresAfter(time.Hour)},
				{Expires: beaker.ExpiresAt(time.Unix(1_900_000_000, 0))},
			} {
				e.holdMeta(func(m *beaker.Meta) { m.Cookie = c }, "k", "v").same(fmt.Sprintf("with %+v", c))
			}
		}},
		{"large numbers come back exactly", func(e *env) {
			// More than a float of a script or a 32-bit TTL holds.
			h := e.holdMeta(func(m *beaker.Meta) {
				m.Version = 1<<53 - 3
				m.Idle, m.Absolute = beaker.NoLimit, 1<<51-1
			}, "k", "v")
			h.same("after Create")
			h.apply(h.set("k", "w"))
			h.apply(h.touch(e.base + 2001))
			h.apply(h.set("k", "x"))
		}},
		{"records do not mix", func(e *env) {
			one, two := e.hold("k", "1"), e.holdRecord(e.full())
			one.apply(one.set("k", "one", "only", "one"))
			two.same("after a change of another record")
			two.apply(two.set("k", "two"))
			one.same("after a change of another record")
		}},
		{"Load of a key that was never stored is ErrNotFound", func(e *env) {
			e.hold("k", "v")
			if _, err := e.a.Load(e.ctx(), e.key()); !errors.Is(err, beaker.ErrNotFound) {
				e.Errorf("Load: %s, want ErrNotFound", outcome(0, err))
			}
		}},
		{"Load does not write", func(e *env) {
			h := e.holdRecord(e.full())
			for range 20 {
				h.same("after a Load")
			}
			old, there := e.past("k", "v")
			if !there {
				return
			}
			for range 20 {
				old.same("after a Load of an expired record")
			}
		}},
	}
}

// past returns a record that ended an hour ago by any clock. An engine may have
// dropped it already; then there is nothing to check.
func (e *env) past(namesAndData ...string) (h *held, there bool) {
	e.Helper()
	h = e.holdMeta(func(m *beaker.Meta) {
		m.Created, m.Touched, m.Absolute = e.base-3*hour, e.base-3*hour, e.base-hour
		m.Idle = 6 * time.Hour
	}, namesAndData...)
	if _, err := h.store.Load(e.ctx(), h.key()); errors.Is(err, beaker.ErrNotFound) {
		e.Logf("the engine drops expired records by its own clock: not checked on one that ended in the past")
		return h, false
	}
	h.same("after Create")
	return h, true
}

func createChecks() []check {
	return []check{
		{"a second Create under one key is ErrExists and changes nothing", func(e *env) {
			h := e.hold("k", "first")
			for why, rec := range map[string]*beaker.Record{
				"another record":  e.record(metaWith(e, h.key()), pairs("k", "second")...),
				"the same record": h.rec,
				"a higher version": e.record(func() beaker.Meta {
					m := metaWith(e, h.key())
					m.Version = 9
					return m
				}(), pairs("k", "third")...),
			} {
				if err := e.a.Create(e.ctx(), rec); !errors.Is(err, beaker.ErrExists) {
					e.Errorf("%s: Create: %s, want ErrExists", why, outcome(0, err))
				}
				h.same(why)
			}
		}},
		{"an expired record is in the way of Create too", func(e *env) {
			h, there := e.past("k", "first")
			if !there {
				return
			}
			err := e.a.Create(e.ctx(), e.record(metaWith(e, h.key()), pairs("k", "second")...))
			if !errors.Is(err, beaker.ErrExists) {
				e.Errorf("Create: %s, want ErrExists", outcome(0, err))
			}
			h.same("after the second Create")
		}},
		{"racing Creates of one key have one winner", func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				key := e.key()
				left, right := e.record(metaWith(e, key), pairs("k", "left")...), e.record(metaWith(e, key), pairs("k", "right")...)
				return nil, key, e.createOp("left", left), e.createOp("right", right)
			})
		}},
	}
}

func metaWith(e *env, key beaker.RecordKey) beaker.Meta {
	m := e.meta()
	m.Key = key
	return m
}

func applyChecks() []check {
	return []check{
		{"a change sets, replaces and removes values and leaves the others alone", func(e *env) {
			h := e.hold("a", "1", "b", "2", "c", "3")
			ch := h.set("b", "two", "d", "4")
			ch.Remove = []string{"c", "not there"}
			h.apply(ch)
			h.wantValues("a", "1", "b", "two", "d", "4")
		}},
		{"it clears, then removes, then sets", func(e *env) {
			h := e.hold("a", "1", "b", "2", "\x00internal", "3")
			ch := h.set("b", "new", "c", "3")
			ch.Clear, ch.Remove = true, []string{"a"}
			h.apply(ch)
			h.wantValues("b", "new", "c", "3")
			ch = h.change()
			ch.Clear = true
			h.apply(ch)
			h.wantValues()
		}},
		{"every change of data raises the version by one and returns it", func(e *env) {
			h := e.hold("a", "1")
			for _, edit := range []func(*beaker.Change){
				func(ch *beaker.Change) { ch.Set = pairs("a", "2") },
				func(ch *beaker.Change) { ch.Set = pairs("a", "2") }, // the same again is a change too
				func(ch *beaker.Change) { ch.Remove = []string{"a"} },
				func(ch *beaker.Change) { ch.Remove = []string{"a"} },
				func(ch *beaker.Change) { ch.Clear = true },
				func(ch *beaker.Change) { ch.Idle = 20 * time.Minute },
				func(ch *beaker.Change) { ch.Absolute = e.base + 5*hour },
				func(ch *beaker.Change) { ch.Subject = ptr("user-1") },
				func(ch *beaker.Change) { ch.Cookie = &beaker.CookieAttributes{Path: "/p"} },
				func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: e.proof()} },
				func(ch *beaker.Change) { ch.Touch, ch.Set, ch.Remove = e.base+2000, pairs("b", "1"), []string{"a"} },
			} {
				before := h.rec.Version()
				ch := h.change()
				edit(ch)
				h.apply(ch)
				if h.rec.Version() != before+1 {
					e.Fatalf("the check is wrong: its change raises the version from %d to %d", before, h.rec.Version())
				}
			}
		}},
		{"a change that asks for nothing changes nothing", func(e *env) {
			h := e.holdRecord(e.full())
			h.apply(h.change())
		}},
		{"the subject is set, replaced and dropped", func(e *env) {
			h := e.hold("cart", "3")
			for i, subject := range []string{"user-1", "user-2", "", "user-1"} {
				ch := h.change()
				ch.Subject = &subject
				if subject != "" {
					ch.AuthenticatedAt = e.base + beaker.Millis(i)
				}
				h.apply(ch)
				h.apply(h.set("k", subject)) // and stays
			}
		}},
		{"deadlines and cookie attributes are replaced, and stay", func(e *env) {
			h := e.holdRecord(e.full())
			for _, edit := range []func(*beaker.Change){
				func(ch *beaker.Change) { ch.Idle = 3 * time.Hour },
				func(ch *beaker.Change) { ch.Idle = 10 * time.Minute },
				func(ch *beaker.Change) { ch.Idle = beaker.NoLimit },
				func(ch *beaker.Change) { ch.Absolute = e.base + 20*hour },
				func(ch *beaker.Change) { ch.Absolute = e.base + 2*hour },
				func(ch *beaker.Change) {
					ch.Cookie = &beaker.CookieAttributes{Domain: "example.org", Expires: beaker.ExpiresWithSession}
				},
				func(ch *beaker.Change) { ch.Cookie = &beaker.CookieAttributes{} },
			} {
				ch := h.change()
				edit(ch)
				h.apply(ch)
				h.apply(h.set("k", "v"))
				h.apply(h.touch(h.rec.Touched() + 10))
			}
		}},
		{"times are cut to milliseconds", func(e *env) {
			h := e.hold()
			ch := h.rotate(e.proof(), 10*time.Second+999*time.Microsecond)
			ch.Idle = time.Hour + 999*time.Microsecond
			h.apply(ch)
		}},
		{"IfVersion applies to that version only", func(e *env) {
			h := e.hold("k", "0")
			for _, data := range []string{"1", "2"} {
				ch := h.set("k", data)
				ch.IfVersion = h.rec.Version()
				h.apply(ch)
			}
			for _, v := range []beaker.Version{h.rec.Version() - 1, h.rec.Version() + 1, 1} {
				ch := h.set("k", "lost")
				ch.IfVersion = v
				h.refuse(ch, beaker.ErrConflict, fmt.Sprintf("IfVersion %d of version %d", v, h.rec.Version()))
				ch = h.touch(e.base + minute)
				ch.IfVersion = v
				h.refuse(ch, beaker.ErrConflict, "a touch with IfVersion of another version")
				ch = h.rotate(e.proof(), 0)
				ch.IfVersion = v
				h.refuse(ch, beaker.ErrConflict, "a rotation with IfVersion of another version")
			}
		}},
		{"an impossible change is refused and changes nothing", func(e *env) {
			h := e.holdRecord(e.full())
			for why, edit := range map[string]func(*beaker.Change){
				"a rotation to the zero proof":        func(ch *beaker.Change) { ch.Rotate = new(beaker.Rotation) },
				"an idle timeout below a millisecond": func(ch *beaker.Change) { ch.Idle = time.Microsecond },
				"a negative idle timeout":             func(ch *beaker.Change) { ch.Idle = -time.Hour },
				"a negative absolute deadline":        func(ch *beaker.Change) { ch.Absolute = -1 },
				"an absolute deadline out of range":   func(ch *beaker.Change) { ch.Absolute = 1 << 60 },
				"a subject with a control character":  func(ch *beaker.Change) { ch.Subject = ptr("a\x00b") },
				"a subject that is not UTF-8":         func(ch *beaker.Change) { ch.Subject = ptr("a\xff") },
				"a subject that is too long":          func(ch *beaker.Change) { ch.Subject = ptr(strings.Repeat("s", 256)) },
			} {
				ch := h.set("k", "lost")
				ch.Touch = e.base + minute
				edit(ch)
				h.refuse(ch, nil, why)
			}
		}},
		{"a long history ends as Merge says", history},
	}
}

func (h *held) wantValues(namesAndData ...string) {
	h.Helper()
	want := h.record(h.rec.Meta(), pairs(namesAndData...)...)
	if d := diff(want, h.rec); d != "" {
		h.Errorf("the record holds other values:\n%s", d)
	}
}

// history applies many changes to one record, chance by chance of a fixed seed, and
// compares each answer and each state with Merge's.
func history(e *env) {
	const steps = 150
	rnd := rand.New(rand.NewPCG(1, 2)) // a reproducible history, no secret
	h := e.hold("a", "0")
	now := e.base
	proofs := []beaker.Proof{h.rec.Meta().Proof}
	bases := []*beaker.Record{nil, h.rec}
	for step := range steps {
		now += beaker.Millis(rnd.IntN(2000))
		ch := &beaker.Change{Now: now, Began: now, Base: bases[rnd.IntN(len(bases))], AnyProof: rnd.IntN(8) == 0}
		ch.Proof = proofs[max(0, len(proofs)-1-rnd.IntN(3)*rnd.IntN(2))]
		some := func(one int) bool { return rnd.IntN(one) == 0 }
		names := rnd.Perm(12)
		if some(2) {
			ch.Set = pairs("k"+fmt.Sprint(names[0]), fmt.Sprint(step), "k"+fmt.Sprint(names[1]), strings.Repeat("x", rnd.IntN(300)))
		}
		if some(4) {
			ch.Remove = []string{"k" + fmt.Sprint(names[2]), "k" + fmt.Sprint(names[3])}
		}
		ch.Clear = some(12)
		if some(3) {
			ch.Touch = now - beaker.Millis(rnd.IntN(5000))
		}
		if some(8) {
			ch.IfVersion = h.rec.Version() - beaker.Version(rnd.IntN(2))
		}
		if some(10) {
			ch.Idle = time.Duration(30+rnd.IntN(60)) * time.Minute
		}
		if some(12) {
			ch.Absolute = now + 10*hour + beaker.Millis(rnd.IntN(1000))
		}
		if some(9) {
			ch.Subject, ch.AuthenticatedAt = ptr([]string{"", "user-1", "user-2"}[rnd.IntN(3)]), now
		}
		if some(15) {
			ch.Cookie = &beaker.CookieAttributes{Path: fmt.Sprintf("/%d", step)}
		}
		if some(9) {
			ch.Rotate = &beaker.Rotation{Next: e.proof(), Grace: time.Duration(rnd.IntN(4)) * time.Second}
		}
		want, wantErr := beaker.Merge(h.rec, ch)
		v, err := h.store.Apply(e.ctx(), h.key(), ch)
		var wantVersion beaker.Version
		if wantErr == nil {
			wantVersion = want.Version()
		}
		if got, want := outcome(v, err), outcome(wantVersion, wantErr); got != want {
			e.Fatalf("step %d: Apply: %s, want %s", step, got, want)
		}
		if wantErr == nil {
			h.rec = want
			bases = append(bases, h.rec)
			if ch.Rotate != nil {
				proofs = append(proofs, ch.Rotate.Next)
			}
		}
		h.same(fmt.Sprintf("after step %d", step))
	}
}
