package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// What Change.Base may be, and must not be taken for. A Base of the same key and
// version with other contents is not among it: keys are used once, so it cannot come
// about, and a store may take the two for the identity of what it read.
func baseChecks() []check {
	return []check{
		{"a change on the record as it is applies", func(e *env) {
			h := e.hold("k", "0")
			for i, base := range []func() *beaker.Record{
				func() *beaker.Record { return h.rec }, // never loaded, so without a hint
				func() *beaker.Record { return h.loaded() },
				func() *beaker.Record { return h.loaded().WithHint("another store's") },
				func() *beaker.Record { return h.loaded().WithHint(nil) },
			} {
				ch := h.set("k", fmt.Sprint(i))
				ch.Base = base()
				h.apply(ch)
			}
		}},
		{"a change on an older record is merged into the present one", func(e *env) {
			h := e.hold("mine", "0", "yours", "0")
			old := h.loaded()
			h.apply(h.set("yours", "1", "new", "1"))
			ch := h.set("mine", "1")
			ch.Base = old
			h.apply(ch)
			h.wantValues("mine", "1", "yours", "1", "new", "1")
		}},
		{"a change on an older record does not undo a touch", func(e *env) {
			h := e.hold("k", "0")
			old := h.loaded()
			h.apply(h.touch(e.base + minute)) // the version is still that of old
			ch := h.set("k", "1")
			ch.Base = old
			h.apply(ch)
			if h.rec.Touched() != e.base+minute {
				e.Fatalf("the check is wrong: touched at %d", h.rec.Touched())
			}
		}},
		{"a touch on an older record carries none of its data", func(e *env) {
			h := e.hold("k", "0")
			old := h.loaded()
			h.apply(h.set("k", "1"))
			ch := h.touch(e.base + minute)
			ch.Base = old
			h.apply(ch)
		}},
		{"a Base that expired does not end a session that was touched", func(e *env) {
			h := e.hold("k", "0")
			old := h.loaded()
			h.apply(h.touch(old.Expires() - 1))
			ch := h.set("k", "1")
			ch.Now, ch.Base = old.Expires()+1, old
			h.apply(ch)
		}},
		{"a Base that is alive does not revive a session that expired", func(e *env) {
			h := e.hold("k", "0")
			old := h.loaded()
			ch := h.change()
			ch.Idle = 5 * time.Minute
			h.apply(ch)
			for _, ch := range []*beaker.Change{h.set("k", "1"), h.touch(0)} {
				ch.Now, ch.Base = h.rec.Expires(), old
				ch.Touch = ch.Now
				h.refuse(ch, beaker.ErrNotFound, "expired, on a Base that is not")
			}
		}},
		{"the proof is compared with the record's and not with Base's", func(e *env) {
			h := e.hold("k", "0")
			old, oldProof := h.loaded(), h.rec.Meta().Proof
			h.apply(h.rotate(e.proof(), 0))
			for _, ch := range []*beaker.Change{h.set("k", "1"), h.touch(e.base + minute), h.rotate(e.proof(), 0)} {
				ch.Proof, ch.Base = oldProof, old
				h.refuse(ch, beaker.ErrNotFound, "the proof of an older Base")
			}
			ch := h.set("k", "1")
			ch.Base = old
			h.apply(ch)
		}},
		{"IfVersion is compared with the record's version and not with Base's", func(e *env) {
			h := e.hold("k", "0")
			old := h.loaded()
			h.apply(h.set("k", "1"))
			ch := h.set("k", "2")
			ch.Base, ch.IfVersion = old, old.Version()
			h.refuse(ch, beaker.ErrConflict, "the version of an older Base")
			ch = h.set("k", "2")
			ch.Base, ch.IfVersion = old, h.rec.Version()
			h.apply(ch)
		}},
		{"another session's record as Base leaks nothing into this one", func(e *env) {
			h := e.hold("k", "0")
			other := e.holdRecord(e.full())
			bystander := e.hold("k", "theirs") // of the same version as h
			for _, base := range []*beaker.Record{bystander.loaded(), other.loaded()} {
				ch := h.set("k", fmt.Sprint("on ", base.Version()))
				ch.Base = base
				h.apply(ch)
				ch = h.touch(h.rec.Touched() + 1)
				ch.Base = base
				h.apply(ch)
			}
			other.same("after changes of a record whose Base it was")
			bystander.same("after changes of a record whose Base it was")
		}},
		{"a Base does not stand in for a record that is gone", func(e *env) {
			h := e.hold("k", "0")
			base := h.loaded()
			if err := e.a.Delete(e.ctx(), h.key()); err != nil {
				e.Fatalf("Delete: %v", err)
			}
			ch := h.set("k", "1")
			ch.Base = base
			if _, err := e.a.Apply(e.ctx(), h.key(), ch); !errors.Is(err, beaker.ErrNotFound) {
				e.Errorf("Apply: %s, want ErrNotFound", outcome(0, err))
			}
			h.gone("after Apply with the old record as Base")
		}},
	}
}

// loaded returns the record as the store has it, with the store's hint.
func (h *held) loaded() *beaker.Record {
	h.Helper()
	rec, err := h.store.Load(h.ctx(), h.key())
	if err != nil {
		h.Fatalf("Load: %v", err)
	}
	return rec
}

func limitChecks() []check {
	const roomy = 4000 // more than enough for a value of 1,000 bytes, however a store counts names
	return []check{
		{"a change that fits is applied", func(e *env) {
			h := e.hold("a", "1")
			ch := h.set("b", strings.Repeat("x", 1000))
			ch.Limits = beaker.Limits{MaxBytes: roomy, MaxKeys: 2}
			h.apply(ch)
			ch = h.set("b", "short")
			ch.Limits = beaker.Limits{MaxBytes: roomy, MaxKeys: 2}
			h.apply(ch)
		}},
		{"too many bytes are ErrTooLarge and change nothing", func(e *env) {
			h := e.hold("a", strings.Repeat("x", 1000))
			for _, base := range []*beaker.Record{nil, h.loaded()} {
				ch := h.set("a", "1", "b", strings.Repeat("x", 2*roomy))
				ch.Base, ch.Remove, ch.Limits = base, []string{"c"}, beaker.Limits{MaxBytes: roomy}
				h.refuse(ch, beaker.ErrTooLarge, "too many bytes")
			}
		}},
		{"what the merged record holds counts, not the change alone", func(e *env) {
			h := e.hold("a", strings.Repeat("x", 3000))
			old := h.loaded()
			for _, base := range []*beaker.Record{nil, old} {
				ch := h.set("b", strings.Repeat("x", 3000))
				ch.Base, ch.Limits = base, beaker.Limits{MaxBytes: roomy}
				h.refuse(ch, beaker.ErrTooLarge, "too many bytes together")
			}
			ch := h.set("b", strings.Repeat("x", 3000))
			ch.Remove, ch.Limits = []string{"a"}, beaker.Limits{MaxBytes: roomy}
			h.apply(ch) // what is removed makes room
			ch = h.set("c", strings.Repeat("x", 3000))
			ch.Base, ch.Limits = old, beaker.Limits{MaxBytes: roomy}
			h.refuse(ch, beaker.ErrTooLarge, "too many bytes on an older Base")
			ch = h.set("d", strings.Repeat("x", 3000))
			ch.Clear, ch.Limits = true, beaker.Limits{MaxBytes: roomy}
			h.apply(ch)
		}},
		{"too many keys are ErrTooLarge and change nothing", func(e *env) {
			h := e.hold("a", "1", "b", "2")
			for _, base := range []*beaker.Record{nil, h.loaded()} {
				ch := h.set("b", "two", "c", "3")
				ch.Base, ch.Limits = base, beaker.Limits{MaxKeys: 2}
				ch.Touch = e.base + minute
				h.refuse(ch, beaker.ErrTooLarge, "too many keys")
			}
			ch := h.set("b", "two", "c", "3")
			ch.Remove, ch.Limits = []string{"a"}, beaker.Limits{MaxKeys: 2}
			h.apply(ch)
		}},
		{"a change that only shrinks or touches is never too large", func(e *env) {
			h := e.hold("a", strings.Repeat("x", 1000), "b", "2", "c", "3")
			tight := beaker.Limits{MaxBytes: 10, MaxKeys: 1}
			for _, ch := range []*beaker.Change{h.touch(e.base + minute), h.change()} {
				ch.Limits = tight
				h.apply(ch)
			}
			ch := h.change()
			ch.Remove, ch.Limits = []string{"b"}, tight
			h.apply(ch)
			ch = h.change()
			ch.Subject, ch.Limits = ptr("user-1"), tight
			h.apply(ch)
		}},
		{"a refused rotation with data leaves the proof", func(e *env) {
			h := e.hold("a", "1")
			ch := h.rotate(e.proof(), 0)
			ch.Set, ch.Limits = pairs("b", strings.Repeat("x", 2*roomy)), beaker.Limits{MaxBytes: roomy}
			h.refuse(ch, beaker.ErrTooLarge, "a rotation with too many bytes")
			h.apply(h.set("a", "2"))
		}},
	}
}
