package storetest

import (
	"reflect"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func aliasChecks() []check {
	return []check{
		{"what the caller does to a Change afterwards changes nothing", func(e *env) {
			h := e.hold("a", "1", "b", "2", "c", "3")
			cookie := &beaker.CookieAttributes{Path: "/mine"}
			ch := h.rotate(e.proof(), time.Minute)
			ch.Set, ch.Remove = pairs("b", "two", "d", "four"), []string{"c"}
			ch.Subject, ch.AuthenticatedAt, ch.Cookie, ch.Touch = ptr("user-1"), e.base, cookie, e.base+minute
			h.apply(ch)

			copy(ch.Set[0].Data, "XXX")
			copy(ch.Set[1].Data, "XXXX")
			ch.Set[0].Name, ch.Set[1].Name = "X", "Y"
			ch.Remove[0] = "a"
			*ch.Subject = "user-2"
			*cookie = beaker.CookieAttributes{Path: "/theirs"}
			ch.Rotate.Next, ch.Rotate.Grace = e.proof(), time.Hour
			*ch = beaker.Change{AnyProof: true, Clear: true}
			h.same("after the caller changed the Change")
			h.apply(h.set("e", "5"))
		}},
		{"the record given to Create stays as it is, for the caller too", func(e *env) {
			rec := e.full()
			h, before := e.holdRecord(rec), e.copied(rec)
			h.apply(h.set("k", "changed"))
			if d := diff(before, rec); d != "" {
				e.Errorf("the record that was given to Create shows a later change:\n%s", d)
			}
		}},
		{"Apply leaves the Change as it is", func(e *env) {
			h := e.hold("a", "1", "b", "2")
			base := h.loaded()
			made := func() *beaker.Change {
				ch := h.change()
				ch.Base = base
				ch.Set, ch.Remove = pairs("z", "26", "c", "3"), []string{"b", "a"} // in no order
				ch.Subject, ch.Cookie = ptr("user-1"), &beaker.CookieAttributes{Path: "/"}
				ch.Rotate = &beaker.Rotation{Next: beaker.Proof{1}, Grace: time.Minute}
				ch.Limits = beaker.Limits{MaxKeys: 100}
				return ch
			}
			ch, want := made(), made()
			h.apply(ch)
			if !reflect.DeepEqual(ch, want) {
				e.Errorf("Apply changed its argument")
			}
		}},
		{"a loaded record does not change when the stored one does", func(e *env) {
			h := e.hold("a", "1")
			before, want := h.loaded(), h.rec
			h.apply(h.set("a", "2", "b", "2"))
			h.apply(h.touch(e.base + minute))
			if d := diff(want, before); d != "" {
				e.Errorf("a record that was loaded before a change shows it:\n%s", d)
			}
			h.delete()
			if d := diff(want, before); d != "" {
				e.Errorf("a record that was loaded before Delete is not what it was:\n%s", d)
			}
		}},
	}
}
