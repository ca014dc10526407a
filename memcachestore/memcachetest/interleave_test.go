package memcachetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// rosterKey is what memcached has a subject's roster under, for stores made by New.
func (p *place) rosterKey(subject string) string {
	return fmt.Sprintf("beaker:%s:u:%x", p.opts.Generation, sha256.Sum256([]byte(subject)))
}

// evict drops an item, as memcached may at any time.
func (p *place) evict(tb testing.TB, key string) {
	tb.Helper()
	for _, m := range p.servers {
		if _, err := m.Do(tb.Context(), "delete "+key); err != nil {
			tb.Error(err)
		}
	}
}

func oneServer(t *testing.T) *place { return placeOn(sharedServers(t)[0]) }

func revoke(t *testing.T, s beaker.Store, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
	return s.(beaker.SubjectRevoker).RevokeSubject(t.Context(), subject, at, except...)
}

// A sign-in that began before a revocation: in every order of their commands, and from
// every state that a session can sign in from, nothing of it is left, and if it ends
// after the revocation, it is ErrRevoked.
func TestSignInAndRevocationInEveryOrder(t *testing.T) {
	for name, from := range map[string]func(subject string) beaker.Meta{
		"anonymous":        func(string) beaker.Meta { return newMeta() },
		"the same subject": metaOf,
		"another subject":  func(subject string) beaker.Meta { return metaOf(subject + "-before") },
		"not there":        nil,
	} {
		for _, hinted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, hinted %t", name, hinted), func(t *testing.T) {
				p := oneServer(t)
				var key beaker.RecordKey
				var late, revoked *party
				n := everyOrder(t, p, scene{
					names: []string{"sign-in", "revocation"},
					prepare: func(parties map[string]*party) {
						late, revoked = parties["sign-in"], parties["revocation"]
						subject := fmt.Sprintf("user-%x", unique("user"))
						created(t, late.store, metaOf(subject)) // so that there is a roster
						revoked.do = func() error {
							_, err := revoke(t, revoked.store, subject, epoch+minute)
							return err
						}
						if from == nil {
							m := metaOf(subject)
							key = m.Key
							rec := newRecord(t, m)
							late.do = func() error { return late.store.Create(t.Context(), rec) }
							return
						}
						rec := created(t, late.store, from(subject), "k", "v")
						if key = rec.Key(); hinted {
							rec = loaded(t, late.store, key)
						}
						ch := signingIn(rec, subject)
						late.do = func() error { _, err := late.store.Apply(t.Context(), key, ch); return err }
					},
					check: func(order string) {
						// Of the same subject, the revocation may have ended it before.
						gone := name == "the same subject" && errors.Is(late.err, beaker.ErrNotFound)
						switch {
						case revoked.err != nil:
							t.Errorf("the revocation: %v", revoked.err)
						case late.err == nil && late.ends > revoked.ends:
							t.Errorf("a sign-in that ends after the revocation succeeds")
						case late.err != nil && !errors.Is(late.err, beaker.ErrRevoked) && !gone:
							t.Errorf("the sign-in: %v, want ErrRevoked", late.err)
						}
						absent(t, late.store, key, order)
						absent(t, revoked.store, key, order)
					},
				})
				if t.Logf("report: %d orders", n); n < 10 {
					t.Errorf("%d orders: they did not overlap", n)
				}
			})
		}
	}
}

// Who had the right proof when the session was loaded, and has not any more, cannot have
// it ended: not by signing in as somebody who was revoked.
func TestReplacedProofEndsNothing(t *testing.T) {
	p := oneServer(t)
	s := p.storeLike(t)
	for _, from := range []beaker.Meta{newMeta(), metaOf(fmt.Sprintf("user-%x", unique("user")))} {
		rec := created(t, s, from, "k", "v")
		old := loaded(t, s, rec.Key())
		rotation := changeOf(old)
		rotation.Rotate = &beaker.Rotation{Next: unique("next")}
		if _, err := s.Apply(t.Context(), rec.Key(), rotation); err != nil {
			t.Fatal(err)
		}
		want := loaded(t, s, rec.Key())
		revoked, nobody := fmt.Sprintf("revoked-%x", unique("user")), ""
		if _, err := revoke(t, s, revoked, epoch+minute); err != nil {
			t.Fatal(err)
		}
		for _, subject := range []*string{&revoked, &nobody} {
			ch := changeOf(old)
			ch.Subject, ch.AuthenticatedAt = subject, ch.Began
			if _, err := s.Apply(t.Context(), rec.Key(), ch); !errors.Is(err, beaker.ErrNotFound) {
				t.Errorf("Apply with a proof that was replaced: %v, want ErrNotFound", err)
			}
			if !sameRecord(want, loaded(t, s, rec.Key())) {
				t.Error("the session is another one")
			}
		}
	}
}

// One that began later is not refused, and its session is there if it came later.
func TestLaterSignInAndRevocationInEveryOrder(t *testing.T) {
	p := oneServer(t)
	var rec *beaker.Record
	var subject string
	var later, revoked *party
	n := everyOrder(t, p, scene{
		names: []string{"sign-in", "revocation"},
		prepare: func(parties map[string]*party) {
			later, revoked = parties["sign-in"], parties["revocation"]
			subject = fmt.Sprintf("user-%x", unique("user"))
			rec = created(t, later.store, newMeta(), "k", "v")
			ch := signingIn(loaded(t, later.store, rec.Key()), subject)
			later.do = func() error { _, err := later.store.Apply(t.Context(), rec.Key(), ch); return err }
			revoked.do = func() error { _, err := revoke(t, revoked.store, subject, epoch); return err }
		},
		check: func(order string) {
			if later.err != nil || revoked.err != nil {
				t.Errorf("the sign-in: %v; the revocation: %v", later.err, revoked.err)
			}
			got, err := revoked.store.Load(t.Context(), rec.Key())
			switch {
			case err == nil && got.Subject() != subject, err != nil && !errors.Is(err, beaker.ErrNotFound):
				t.Errorf("Load: %v", err)
			case err != nil && later.ends > revoked.ends:
				t.Error("the session of a sign-in that ended after the revocation is gone")
			}
		},
	})
	t.Logf("report: %d orders", n)
}

// While somebody signs in, a request with the old cookie finds the session, with its old
// proof or its new one: if it found none, it would be given a cookie that overwrites the
// one of the sign-in. A write without a new secret is not lost either.
func TestSessionIsThereWhileSomebodySignsIn(t *testing.T) {
	for name, subject := range map[string]string{"anonymous": "", "the same subject": "user", "another subject": "another"} {
		for _, other := range []string{"reader", "writer", "operator"} {
			t.Run(name+", "+other, func(t *testing.T) {
				p := oneServer(t)
				var rec *beaker.Record
				var login, witness *party
				n := everyOrder(t, p, scene{
					names: []string{"sign-in", other},
					prepare: func(parties map[string]*party) {
						login, witness = parties["sign-in"], parties[other]
						m := newMeta()
						if subject != "" {
							m = metaOf(fmt.Sprintf("%s-%x", subject, m.Key))
						}
						rec = created(t, login.store, m, "k", "v")
						user := fmt.Sprintf("user-%x", m.Key)
						if subject == "user" {
							user = m.Subject
						}
						in := signingIn(loaded(t, login.store, m.Key), user)
						in.Rotate = nil
						login.do = func() error { _, err := login.store.Apply(t.Context(), m.Key, in); return err }
						if other == "reader" {
							witness.do = func() error {
								got, err := witness.store.Load(t.Context(), m.Key)
								if err == nil && value(got, "k") != "v" {
									t.Errorf("k is %s", value(got, "k"))
								}
								return err
							}
							return
						}
						ch := setting(loaded(t, witness.store, m.Key), "mine", "1")
						if other == "operator" {
							ch.Base, ch.Proof, ch.AnyProof = nil, beaker.Proof{}, true
						}
						witness.do = func() error { _, err := witness.store.Apply(t.Context(), m.Key, ch); return err }
					},
					check: func(order string) {
						if login.err != nil || witness.err != nil {
							t.Errorf("sign-in: %v, %s: %v", login.err, other, witness.err)
							return
						}
						got := loaded(t, witness.store, rec.Key())
						if subject != "user" && got.Subject() == rec.Subject() || other != "reader" && value(got, "mine") != "1" {
							t.Errorf("subject %q, mine %s", got.Subject(), value(got, "mine"))
						}
					},
				})
				t.Logf("report: %d orders", n)
			})
		}
	}
}

// Who stops being a subject's while the subject is revoked: either it has left and goes
// on, or it has ended.
func TestLeavingAndRevocationInEveryOrder(t *testing.T) {
	for _, to := range []string{"", "another"} {
		t.Run("to "+to, func(t *testing.T) {
			p := oneServer(t)
			var rec *beaker.Record
			var leaves, revoked *party
			var ended int
			everyOrder(t, p, scene{
				names: []string{"leaves", "revocation"},
				prepare: func(parties map[string]*party) {
					leaves, revoked = parties["leaves"], parties["revocation"]
					subject := fmt.Sprintf("user-%x", unique("user"))
					rec = created(t, leaves.store, metaOf(subject), "k", "v")
					ch := changeOf(loaded(t, leaves.store, rec.Key()))
					next := to
					if to != "" {
						next = "to-" + subject
					}
					ch.Subject = &next
					leaves.do = func() error { _, err := leaves.store.Apply(t.Context(), rec.Key(), ch); return err }
					revoked.do = func() (err error) { ended, err = revoke(t, revoked.store, subject, epoch+minute); return err }
				},
				check: func(order string) {
					got, err := revoked.store.Load(t.Context(), rec.Key())
					switch {
					case revoked.err != nil:
						t.Errorf("the revocation: %v", revoked.err)
					case leaves.err == nil && (err != nil || got.Subject() == rec.Subject() || ended != 0):
						t.Errorf("it has left, but Load: %v; %d were ended", err, ended)
					case leaves.err != nil && !errors.Is(leaves.err, beaker.ErrNotFound):
						t.Errorf("it leaves: %v", leaves.err)
					case leaves.err != nil:
						absent(t, revoked.store, rec.Key(), order)
					}
				},
			})
		})
	}
}

// The roster may be evicted at any moment. Whoever was in it is signed out and stays so,
// whatever is under way; a session that a revocation has met does not come back.
func TestEvictedRosterInEveryOrder(t *testing.T) {
	p := oneServer(t)
	var before, rec *beaker.Record
	var login, revoked *party
	n := everyOrder(t, p, scene{
		names: []string{"sign-in", "revocation", "memory"},
		prepare: func(parties map[string]*party) {
			login, revoked = parties["sign-in"], parties["revocation"]
			memory := parties["memory"]
			subject := fmt.Sprintf("user-%x", unique("user"))
			before = created(t, login.store, metaOf(subject))
			rec = created(t, login.store, newMeta())
			ch := signingIn(loaded(t, login.store, rec.Key()), subject)
			login.do = func() error { _, err := login.store.Apply(t.Context(), rec.Key(), ch); return err }
			revoked.do = func() error { _, err := revoke(t, revoked.store, subject, epoch+minute); return err }
			memory.do = func() error {
				memory.step("evict")
				p.evict(t, p.rosterKey(subject))
				return nil
			}
		},
		check: func(order string) {
			if revoked.err != nil || login.err != nil && !errors.Is(login.err, beaker.ErrRevoked) {
				t.Errorf("sign-in: %v, revocation: %v", login.err, revoked.err)
			}
			// It may be there physically, where the revocation had nobody to tell it from.
			if _, err := login.store.Load(t.Context(), before.Key()); !errors.Is(err, beaker.ErrNotFound) {
				t.Errorf("the session from before: %v", err)
			}
			if login.err != nil {
				absent(t, login.store, rec.Key(), order)
			}
		},
	})
	t.Logf("report: %d orders", n)
}

// Sign-ins of one subject at the same time, and revocations at the same time.
func TestRosterLosesNobodyInAnyOrder(t *testing.T) {
	p := oneServer(t)
	var keys []beaker.RecordKey
	var parties map[string]*party
	names := []string{"applies", "creates"}
	if soak() {
		names = append(names, "applies too")
	}
	n := everyOrder(t, p, scene{
		names: names,
		prepare: func(ps map[string]*party) {
			keys, parties = nil, ps
			subject := fmt.Sprintf("user-%x", unique("user"))
			for i, name := range names {
				one := ps[name]
				m := newMeta()
				keys = append(keys, m.Key)
				if i == 1 {
					m = metaOf(subject)
					keys[i] = m.Key
					rec := newRecord(t, m)
					one.do = func() error { return one.store.Create(t.Context(), rec) }
					continue
				}
				created(t, one.store, m)
				ch := signingIn(loaded(t, one.store, m.Key), subject)
				one.do = func() error { _, err := one.store.Apply(t.Context(), m.Key, ch); return err }
			}
		},
		check: func(string) {
			for i, name := range names {
				if parties[name].err != nil {
					t.Errorf("%s: %v", name, parties[name].err)
				}
				loaded(t, parties["applies"].store, keys[i])
			}
		},
	})
	t.Logf("report: %d orders", n)

	var ends [2]int
	everyOrder(t, p, scene{
		names: []string{"one", "two"},
		prepare: func(ps map[string]*party) {
			keys, parties = nil, ps
			subject := fmt.Sprintf("user-%x", unique("user"))
			for range 3 {
				keys = append(keys, created(t, ps["one"].store, metaOf(subject)).Key())
			}
			for i, name := range []string{"one", "two"} {
				one := ps[name]
				one.do = func() (err error) {
					ends[i], err = revoke(t, one.store, subject, epoch+minute+beaker.Millis(i), keys[i], keys[2])
					return err
				}
			}
		},
		check: func(order string) {
			if parties["one"].err != nil || parties["two"].err != nil || ends[0]+ends[1] != 2 {
				t.Errorf("%v, %v; they ended %d and %d, want 2 together", parties["one"].err, parties["two"].err, ends[0], ends[1])
			}
			absent(t, parties["one"].store, keys[0], order)
			absent(t, parties["one"].store, keys[1], order)
			loaded(t, parties["one"].store, keys[2]) // which both have spared
		},
	})
}

// A session whose deadline moves stays in its roster, or has ended.
func TestLongerDeadlineAndRevocationInEveryOrder(t *testing.T) {
	p := oneServer(t)
	var rec *beaker.Record
	var longer, revoked *party
	everyOrder(t, p, scene{
		names: []string{"longer", "revocation"},
		prepare: func(ps map[string]*party) {
			longer, revoked = ps["longer"], ps["revocation"]
			subject := fmt.Sprintf("user-%x", unique("user"))
			rec = created(t, longer.store, metaOf(subject))
			ch := changeOf(loaded(t, longer.store, rec.Key()))
			ch.Absolute = epoch + 1000*hour
			longer.do = func() error { _, err := longer.store.Apply(t.Context(), rec.Key(), ch); return err }
			revoked.do = func() error { _, err := revoke(t, revoked.store, subject, epoch+minute); return err }
		},
		check: func(order string) {
			if revoked.err != nil || longer.err != nil && !errors.Is(longer.err, beaker.ErrNotFound) {
				t.Errorf("longer: %v, revocation: %v", longer.err, revoked.err)
			}
			absent(t, revoked.store, rec.Key(), order)
		},
	})
}

// What one session sees of two requests at once, in every order of their commands.
func TestTwoRequestsInEveryOrder(t *testing.T) {
	type request struct {
		name string
		do   func(s beaker.Store, rec *beaker.Record) error
	}
	apply := func(edit func(ch *beaker.Change)) func(s beaker.Store, rec *beaker.Record) error {
		return func(s beaker.Store, rec *beaker.Record) error {
			ch := changeOf(rec)
			edit(ch)
			_, err := s.Apply(t.Context(), rec.Key(), ch)
			return err
		}
	}
	write := func(name string) request {
		return request{name, apply(func(ch *beaker.Change) { ch.Set = values(name, "1") })}
	}
	touch := request{"touch", apply(func(ch *beaker.Change) { ch.Touch = epoch + minute })}
	rotate := func(name string) request {
		return request{name, apply(func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: unique("next")} })}
	}
	deletion := request{"delete", func(s beaker.Store, rec *beaker.Record) error { return s.Delete(t.Context(), rec.Key()) }}
	count := func(name string) request {
		return request{name, apply(func(ch *beaker.Change) { ch.Set, ch.IfVersion = values("n", "1"), ch.Base.Version() })}
	}

	for _, tc := range []struct {
		a, b request
		want func(aErr, bErr error, got *beaker.Record, err error) bool
	}{
		{write("a"), write("b"), func(aErr, bErr error, got *beaker.Record, err error) bool {
			return aErr == nil && bErr == nil && err == nil && value(got, "a") == "1" && value(got, "b") == "1" && got.Version() == 3
		}},
		{write("a"), touch, func(aErr, bErr error, got *beaker.Record, err error) bool {
			return aErr == nil && bErr == nil && err == nil && value(got, "a") == "1" && got.Touched() == epoch+minute && got.Version() == 2
		}},
		{write("a"), deletion, func(aErr, bErr error, got *beaker.Record, err error) bool {
			return (aErr == nil || errors.Is(aErr, beaker.ErrNotFound)) && bErr == nil && errors.Is(err, beaker.ErrNotFound)
		}},
		{touch, deletion, func(aErr, bErr error, got *beaker.Record, err error) bool {
			return (aErr == nil || errors.Is(aErr, beaker.ErrNotFound)) && bErr == nil && errors.Is(err, beaker.ErrNotFound)
		}},
		{rotate("a"), rotate("b"), func(aErr, bErr error, got *beaker.Record, err error) bool {
			return (aErr == nil) != (bErr == nil) && err == nil && got.Version() == 2
		}},
		{rotate("a"), write("b"), func(aErr, bErr error, got *beaker.Record, err error) bool {
			return aErr == nil && err == nil && (bErr == nil) == (value(got, "b") == "1")
		}},
		{count("a"), count("b"), func(aErr, bErr error, got *beaker.Record, err error) bool {
			return (aErr == nil) != (bErr == nil) && err == nil && got.Version() == 2
		}},
	} {
		t.Run(tc.a.name+" and "+tc.b.name, func(t *testing.T) {
			p := oneServer(t)
			var a, b *party
			var rec *beaker.Record
			everyOrder(t, p, scene{
				names: []string{"a", "b"},
				prepare: func(ps map[string]*party) {
					a, b = ps["a"], ps["b"]
					rec = created(t, a.store, newMeta(), "k", "v")
					ra, rb := loaded(t, a.store, rec.Key()), loaded(t, b.store, rec.Key())
					a.do = func() error { return tc.a.do(a.store, ra) }
					b.do = func() error { return tc.b.do(b.store, rb) }
				},
				check: func(order string) {
					got, err := a.store.Load(t.Context(), rec.Key())
					if !tc.want(a.err, b.err, got, err) {
						t.Errorf("a: %v, b: %v, Load: %v", a.err, b.err, err)
					}
				},
			})
		})
	}
}
