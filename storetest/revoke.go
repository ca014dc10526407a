package storetest

import (
	"errors"
	"fmt"

	"github.com/seed12c5fab1/beaker"
)

func (e *env) revoke(subject string, at beaker.Millis, except ...beaker.RecordKey) int {
	e.Helper()
	n, err := e.a.(beaker.SubjectRevoker).RevokeSubject(e.ctx(), subject, at, except...)
	if err != nil {
		e.Fatalf("RevokeSubject: %v", err)
	}
	return n
}

func (e *env) wantRevoked(want int, subject string, at beaker.Millis, except ...beaker.RecordKey) {
	e.Helper()
	if n := e.revoke(subject, at, except...); n != want {
		e.Errorf("RevokeSubject says that it ended %d sessions, want %d", n, want)
	}
}

func revokeChecks() []check {
	return []check{
		{"all sessions of the subject end, and are counted", func(e *env) {
			var mine []*held
			for range 3 {
				mine = append(mine, e.holdSubject("user-1"))
			}
			signedIn := e.hold("k", "v")
			ch := signedIn.rotate(e.proof(), 0)
			ch.Subject, ch.AuthenticatedAt = ptr("user-1"), e.base
			signedIn.apply(ch)
			other, anonymous := e.holdSubject("user-10"), e.hold("k", "v")
			gone := e.holdSubject("user-1")
			gone.delete()

			e.wantRevoked(4, "user-1", e.base+minute)
			for _, h := range append(mine, signedIn, gone) {
				h.gone("after RevokeSubject")
			}
			other.same("after RevokeSubject of another subject")
			anonymous.same("after RevokeSubject")
			e.wantRevoked(0, "user-1", e.base+minute)
			e.wantRevoked(0, "nobody", e.base+minute)
			other.apply(other.set("k", "w"))
		}},
		{"the sessions that are named stay", func(e *env) {
			kept, ended, also := e.holdSubject("user-1"), e.holdSubject("user-1"), e.holdSubject("user-1")
			e.wantRevoked(1, "user-1", e.base+minute, kept.key(), also.key(), e.key())
			kept.same("after RevokeSubject")
			also.same("after RevokeSubject")
			ended.gone("after RevokeSubject")
			kept.apply(kept.set("k", "w"))
			kept.apply(kept.touch(e.base + 2*minute))
			ch := kept.rotate(e.proof(), 0)
			kept.apply(ch)
		}},
		{"who has left the subject is not meant", func(e *env) {
			out, moved := e.holdSubject("user-1"), e.holdSubject("user-1")
			for h, subject := range map[*held]string{out: "", moved: "user-2"} {
				ch := h.change()
				ch.Subject = &subject
				h.apply(ch)
			}
			e.wantRevoked(0, "user-1", e.base+minute)
			out.same("after RevokeSubject")
			moved.same("after RevokeSubject")
		}},
		{"more sessions than fit a page all end", func(e *env) {
			const many = 210
			var mine []*held
			for range many {
				mine = append(mine, e.holdSubject("user-1"))
			}
			e.wantRevoked(many, "user-1", e.base+minute)
			for _, h := range mine {
				h.gone("after RevokeSubject")
			}
		}},
		{"subjects are compared byte for byte", func(e *env) {
			sessions := map[string]*held{}
			for _, subject := range hostileSubjects() {
				sessions[subject] = e.holdSubject(subject)
			}
			for i, subject := range hostileSubjects() {
				if i%2 == 0 {
					continue
				}
				e.wantRevoked(1, subject, e.base+minute)
				sessions[subject].gone(fmt.Sprintf("after RevokeSubject of %.40q", subject))
				delete(sessions, subject)
			}
			for subject, h := range sessions {
				h.same(fmt.Sprintf("subject %.40q after the others were revoked", subject))
				again := e.hold("k", "v") // and its sign-ins are not refused
				ch := again.change()
				ch.Subject, ch.Began = &subject, e.base
				again.apply(ch)
			}
		}},
	}
}

// signIn returns what a login does: a new subject and a new secret.
func (h *held) signIn(subject string, began beaker.Millis) *beaker.Change {
	ch := h.rotate(h.proof(), 0)
	ch.Now, ch.Began, ch.Subject, ch.AuthenticatedAt = max(ch.Now, began), began, &subject, began
	return ch
}

// wantSignInRefused sees that the sign-in is ErrRevoked and that its session is gone.
func (h *held) wantSignInRefused(ch *beaker.Change, why string) {
	h.Helper()
	if _, err := h.store.Apply(h.ctx(), h.key(), ch); !errors.Is(err, beaker.ErrRevoked) {
		h.Errorf("%s: Apply: %s, want ErrRevoked", why, outcome(0, err))
	}
	h.gone(why)
}

func (e *env) wantCreateRefused(s beaker.Store, subject string, at beaker.Millis, why string) {
	e.Helper()
	m := e.meta()
	m.Subject, m.AuthenticatedAt = subject, at
	if err := s.Create(e.ctx(), e.record(m, pairs("k", "v")...)); !errors.Is(err, beaker.ErrRevoked) {
		e.Errorf("%s: Create: %s, want ErrRevoked", why, outcome(0, err))
	}
	e.absent(s, m.Key, why)
}

func signInChecks() []check {
	return append([]check{
		{"a sign-in that began before the revocation is ErrRevoked, and its session is deleted", func(e *env) {
			late := []*held{e.hold("k", "1"), e.hold("k", "2"), e.hold("k", "3"), e.hold("k", "4")}
			e.revoke("user-1", e.base+minute)
			for i, began := range []beaker.Millis{e.base + minute, e.base + minute - 1, e.base, 0} {
				ch := late[i].signIn("user-1", began)
				ch.Now = e.base + 2*minute
				late[i].wantSignInRefused(ch, fmt.Sprintf("a sign-in that began %d ms before", e.base+minute-began))
			}
			again := e.hold("k", "v")
			ch := again.change()
			ch.Subject, ch.AnyProof, ch.Proof, ch.Base = ptr("user-1"), true, beaker.Proof{}, again.rec
			again.wantSignInRefused(ch, "a sign-in without a proof, on a Base")
		}},
		{"a new record of such a sign-in is ErrRevoked and not stored", func(e *env) {
			e.revoke("user-1", e.base+minute)
			for _, at := range []beaker.Millis{e.base + minute, e.base + minute - 1, e.base, 0} {
				e.wantCreateRefused(e.a, "user-1", at, fmt.Sprintf("authenticated %d ms before", e.base+minute-at))
			}
			e.wantRevoked(0, "user-1", e.base+minute)
		}},
		{"a sign-in that began later succeeds, and its session stays", func(e *env) {
			e.revoke("user-1", e.base+minute)
			h := e.hold("k", "v")
			h.apply(h.signIn("user-1", e.base+minute+1))
			h.apply(h.set("k", "w"))
			e.holdMeta(func(m *beaker.Meta) { m.Subject, m.AuthenticatedAt = "user-1", e.base+minute+1 }, "k", "v").same("after Create")
		}},
		{"other subjects, anonymous sessions and changes that sign nobody in are not refused", func(e *env) {
			kept := e.holdSubject("user-1")
			e.revoke("user-1", e.base+minute, kept.key())
			kept.apply(kept.set("k", "w"))
			out := kept.change()
			out.Subject = ptr("")
			kept.apply(out)
			h := e.hold("k", "v")
			h.apply(h.signIn("user-2", e.base))
			e.holdSubject("user-10").same("after Create")
			e.hold("k", "v").same("after Create")
		}},
		{"an older revocation does not take back a newer one", func(e *env) {
			e.revoke("user-1", e.base+2*minute)
			e.revoke("user-1", e.base+minute)
			h := e.hold("k", "v")
			h.wantSignInRefused(h.signIn("user-1", e.base+2*minute), "a sign-in that began between the two")
			e.wantCreateRefused(e.a, "user-1", e.base+2*minute, "a new record of a sign-in that began between the two")
			h = e.hold("k", "v")
			h.apply(h.signIn("user-1", e.base+2*minute+1))
		}},
		{"a newer revocation takes the place of an older one", func(e *env) {
			e.revoke("user-1", e.base+minute)
			h := e.hold("k", "v")
			h.apply(h.signIn("user-1", e.base+minute+1))
			e.wantRevoked(1, "user-1", e.base+2*minute)
			h.gone("after the second RevokeSubject")
			h = e.hold("k", "v")
			h.wantSignInRefused(h.signIn("user-1", e.base+2*minute), "a sign-in between the two")
		}},
		{"who has no right to a session cannot end it by signing in as a revoked subject", func(e *env) {
			h := e.hold("k", "v")
			e.revoke("user-1", e.base+minute)
			ch := h.signIn("user-1", e.base)
			ch.Proof = e.proof()
			_, err := e.a.Apply(e.ctx(), h.key(), ch)
			if !errors.Is(err, beaker.ErrNotFound) && !errors.Is(err, beaker.ErrRevoked) {
				e.Errorf("Apply: %s, want ErrNotFound", outcome(0, err))
			}
			h.same("after a sign-in with a wrong proof")
		}},
	}, signInRaces()...)
}

// A revocation is two steps, a mark and deletes, so its races are not judged by the
// answers of both parties but by what must never be: a session that outlives it.
func signInRaces() []check {
	race := func(e *env, start func() *beaker.Record, login func(s beaker.Store, key beaker.RecordKey, subject string) error) {
		round := 0
		e.race(func(release func(left, right func(beaker.Store)) order) {
			round++
			subject := fmt.Sprintf("user-%d", round)
			rec := start()
			key := e.key()
			if rec != nil {
				key = rec.Key()
				if err := e.a.Create(e.ctx(), rec); err != nil {
					e.Fatalf("Create: %v", err)
				}
			}
			var revokeErr, loginErr error
			ran := release(
				func(s beaker.Store) {
					_, revokeErr = s.(beaker.SubjectRevoker).RevokeSubject(e.ctx(), subject, e.base+minute)
				},
				func(s beaker.Store) { loginErr = login(s, key, subject) },
			)
			if revokeErr != nil {
				e.Fatalf("RevokeSubject: %v", revokeErr)
			}
			got := outcome(0, loginErr)
			if got != "no error" && got != "ErrRevoked" || ran == leftFirst && got != "ErrRevoked" || ran == rightFirst && got != "no error" {
				e.Fatalf("the sign-in: %s", got)
			}
			for _, s := range e.stores() {
				e.absent(s, key, "after a revocation and a sign-in that began before it ("+got+")")
			}
			if e.Failed() {
				e.Fatalf("a session outlived the revocation of its subject")
			}
		})
	}
	return []check{
		{"a racing sign-in by Apply does not survive the revocation", func(e *env) {
			var rec *beaker.Record
			race(e, func() *beaker.Record { rec = e.record(e.meta(), pairs("k", "v")...); return rec },
				func(s beaker.Store, key beaker.RecordKey, subject string) error {
					ch := e.plain(rec)
					ch.Subject, ch.AuthenticatedAt, ch.Rotate = &subject, ch.Began, &beaker.Rotation{Next: beaker.Proof{1}}
					_, err := s.Apply(e.ctx(), key, ch)
					return err
				})
		}},
		{"a racing sign-in by Create does not survive the revocation", func(e *env) {
			race(e, func() *beaker.Record { return nil }, func(s beaker.Store, key beaker.RecordKey, subject string) error {
				m := e.meta()
				m.Key, m.Subject, m.AuthenticatedAt = key, subject, e.base
				rec, err := beaker.NewRecord(m, pairs("k", "v"))
				if err != nil {
					return err
				}
				return s.Create(e.ctx(), rec)
			})
		}},
		{"a write that races the revocation of its session does not bring it back", func(e *env) {
			e.race(func(release func(left, right func(beaker.Store)) order) {
				m := e.meta()
				m.Subject, m.AuthenticatedAt = fmt.Sprintf("user-%x", m.Key[:8]), e.base
				h := e.holdRecord(e.record(m, pairs("k", "v")...))
				ch := h.set("k", "back")
				var revokeErr, writeErr error
				release(
					func(s beaker.Store) {
						_, revokeErr = s.(beaker.SubjectRevoker).RevokeSubject(e.ctx(), m.Subject, e.base+minute)
					},
					func(s beaker.Store) { _, writeErr = s.Apply(e.ctx(), h.key(), ch) },
				)
				if revokeErr != nil || writeErr != nil && !errors.Is(writeErr, beaker.ErrNotFound) {
					e.Fatalf("RevokeSubject: %s; Apply: %s", outcome(0, revokeErr), outcome(0, writeErr))
				}
				for _, s := range e.stores() {
					e.absent(s, h.key(), "after RevokeSubject")
				}
				if e.Failed() {
					e.Fatalf("a write brought a revoked session back")
				}
			})
		}},
	}
}
