package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// operation is something that a store is asked to do, and how it looks when it is done.
type operation struct {
	name string
	// prepare returns the call, and what is there before and after it.
	prepare func(t *testing.T, s beaker.Store) (do func(ctx context.Context) error, undone, done func() error)
}

func holds(t *testing.T, s beaker.Store, want *beaker.Record) func() error {
	return func() error {
		got, err := s.Load(context.WithoutCancel(t.Context()), want.Key())
		switch {
		case err != nil:
			return fmt.Errorf("Load: %w", err)
		case !sameRecord(got, want):
			return fmt.Errorf("the record is another: %+v, want %+v", got.Meta(), want.Meta())
		}
		return nil
	}
}

func isGone(t *testing.T, s beaker.Store, key beaker.RecordKey) func() error {
	return func() error {
		if _, err := s.Load(context.WithoutCancel(t.Context()), key); !errors.Is(err, beaker.ErrNotFound) {
			return fmt.Errorf("Load: %v, want ErrNotFound", err)
		}
		return nil
	}
}

// operations are all that change something.
func operations() []operation {
	apply := func(from func() beaker.Meta, hinted bool, edit func(ch *beaker.Change, rec *beaker.Record)) func(t *testing.T, s beaker.Store) (func(context.Context) error, func() error, func() error) {
		return func(t *testing.T, s beaker.Store) (func(context.Context) error, func() error, func() error) {
			rec := created(t, s, from(), "k", "v", "n", "0")
			ch := changeOf(rec)
			if ch.Base = nil; hinted {
				ch.Base = loaded(t, s, rec.Key())
			}
			edit(ch, rec)
			after, err := beaker.Merge(rec, ch)
			if err != nil {
				t.Fatal(err)
			}
			return func(ctx context.Context) error {
				v, err := s.Apply(ctx, rec.Key(), ch)
				if err == nil && v != after.Version() {
					return fmt.Errorf("version %d, want %d", v, after.Version())
				}
				return err
			}, holds(t, s, rec), holds(t, s, after)
		}
	}
	write := func(ch *beaker.Change, _ *beaker.Record) { ch.Set = values("k", "w") }
	signIn := func(ch *beaker.Change, rec *beaker.Record) {
		subject := fmt.Sprintf("to-%x", rec.Key())
		ch.Subject, ch.AuthenticatedAt, ch.Rotate = &subject, ch.Began, &beaker.Rotation{Next: unique("next")}
	}
	signedIn := func() beaker.Meta { return metaOf(fmt.Sprintf("user-%x", unique("user"))) }
	return []operation{
		{"write", apply(newMeta, true, write)},
		{"write without Base", apply(newMeta, false, write)},
		{"write of somebody signed in", apply(signedIn, false, write)},
		{"conditional write", apply(newMeta, true, func(ch *beaker.Change, rec *beaker.Record) {
			ch.Set, ch.IfVersion = values("n", "1"), rec.Version()
		})},
		{"touch", apply(newMeta, true, func(ch *beaker.Change, rec *beaker.Record) { ch.Touch = ch.Now })},
		{"rotation", apply(newMeta, true, func(ch *beaker.Change, rec *beaker.Record) {
			ch.Rotate = &beaker.Rotation{Next: unique("next")}
		})},
		{"sign-in", apply(newMeta, true, signIn)},
		{"sign-in without Base", apply(newMeta, false, signIn)},
		{"sign-in as somebody else", apply(signedIn, true, signIn)},
		{"leaving", apply(signedIn, true, func(ch *beaker.Change, rec *beaker.Record) {
			nobody := ""
			ch.Subject, ch.Rotate = &nobody, &beaker.Rotation{Next: unique("next")}
		})},
		{"longer deadline", apply(signedIn, true, func(ch *beaker.Change, rec *beaker.Record) { ch.Absolute = epoch + 100*hour })},
		{"create", func(t *testing.T, s beaker.Store) (func(context.Context) error, func() error, func() error) {
			rec := newRecord(t, newMeta(), "k", "v")
			return func(ctx context.Context) error { return s.Create(ctx, rec) }, isGone(t, s, rec.Key()), holds(t, s, rec)
		}},
		{"create signed in", func(t *testing.T, s beaker.Store) (func(context.Context) error, func() error, func() error) {
			rec := newRecord(t, signedIn(), "k", "v")
			return func(ctx context.Context) error { return s.Create(ctx, rec) }, isGone(t, s, rec.Key()), holds(t, s, rec)
		}},
		{"delete", func(t *testing.T, s beaker.Store) (func(context.Context) error, func() error, func() error) {
			rec := created(t, s, newMeta(), "k", "v")
			return func(ctx context.Context) error { return s.Delete(ctx, rec.Key()) }, holds(t, s, rec), isGone(t, s, rec.Key())
		}},
		{"revocation", func(t *testing.T, s beaker.Store) (func(context.Context) error, func() error, func() error) {
			m := signedIn()
			rec := created(t, s, m, "k", "v")
			kept := metaOf(m.Subject)
			spared := created(t, s, kept)
			both := func(one func() error) func() error {
				return func() error { return errors.Join(one(), holds(t, s, spared)()) }
			}
			return func(ctx context.Context) error {
				_, err := s.(beaker.SubjectRevoker).RevokeSubject(ctx, m.Subject, epoch+minute, kept.Key)
				return err
			}, both(holds(t, s, rec)), both(isGone(t, s, rec.Key()))
		}},
	}
}

// Whatever becomes of any one of an operation's commands: if the operation succeeds it
// is done, if it fails it is not, and if it says that nobody knows, it is one of the two.
func TestEveryFateOfEveryCommand(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			p := oneServer(t)
			for f, fateName := range map[fate]string{
				answerLost: "the answer is lost", answerLate: "the answer is late", neverSent: "it is not sent", sentLater: "it is sent later",
			} {
				for _, lasting := range []bool{false, true} {
					for nth := 1; ; nth++ {
						if !oneFate(t, p, op, nth, f, lasting, fmt.Sprintf("%s of command %d, lasting %t", fateName, nth, lasting)) {
							if nth == 1 {
								t.Fatal("it has no commands")
							}
							break
						}
					}
				}
			}
		})
	}
}

// oneFate lets the nth command of an operation have a fate, and all after it if that is
// lasting. It returns false if there are not so many commands.
func oneFate(t *testing.T, p *place, op operation, nth int, f fate, lasting bool, what string) bool {
	t.Helper()
	s, w := p.watched(t)
	do, undone, done := op.prepare(t, s)
	w.take()
	var mu sync.Mutex
	n, met := 0, false
	w.on(func(string) fate {
		mu.Lock()
		defer mu.Unlock()
		if n++; n == nth || lasting && n > nth {
			met = true
			return f
		}
		return goes
	})
	err := do(t.Context())
	w.on(nil)
	if !met {
		return false
	}
	log := w.take()
	judge := func(when string) {
		t.Helper()
		isDone, isUndone := done(), undone()
		switch {
		case err == nil && isDone != nil:
			t.Errorf("%s%s: it succeeded, but %v\n%s", what, when, isDone, strings.Join(log, "\n"))
		case errors.Is(err, beaker.ErrUncertain) && isDone != nil && isUndone != nil && !halfDone(op.name):
			t.Errorf("%s%s: it is unknown, and not the one thing (%v) nor the other (%v)\n%s", what, when, isDone, isUndone, strings.Join(log, "\n"))
		case err != nil && !errors.Is(err, beaker.ErrUncertain) && isUndone != nil:
			t.Errorf("%s%s: it failed with %v, but %v\n%s", what, when, err, isUndone, strings.Join(log, "\n"))
		}
	}
	judge("")
	if err != nil && !strings.Contains(err.Error(), "memcachestore: ") {
		t.Errorf("%s: the error does not say whose it is: %v", what, err)
	}
	// What the network has held back comes now.
	if w.deliver() > 0 && (err == nil || errors.Is(err, beaker.ErrUncertain)) {
		judge(", and came later")
	}
	return true
}

// halfDone tells the one operation that has a third outcome: who goes from one subject
// to another is signed in before leaving, and if nobody knows whether that went well,
// the session may have been ended.
func halfDone(name string) bool { return name == "leaving" || name == "sign-in as somebody else" }

// The same for a context that ends while a command is under way: that one is performed,
// and no other is sent.
func TestContextThatEndsOnTheWay(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			p := oneServer(t)
			for nth := 1; ; nth++ {
				s, w := p.watched(t)
				do, undone, done := op.prepare(t, s)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var mu sync.Mutex
				n := 0
				w.on(func(string) fate {
					mu.Lock()
					defer mu.Unlock()
					if n++; n == nth {
						cancel()
					}
					return goes
				})
				err := do(ctx)
				w.on(nil)
				if n < nth {
					if nth == 1 {
						t.Fatal("it has no commands")
					}
					return
				}
				isDone, isUndone := done(), undone()
				switch {
				case n > nth:
					t.Errorf("command %d: %d more were sent", nth, n-nth)
				case err == nil && isDone != nil:
					t.Errorf("command %d: it succeeded, but %v", nth, isDone)
				case err != nil && !errors.Is(err, context.Canceled):
					t.Errorf("command %d: %v, want context.Canceled", nth, err)
				case err != nil && !errors.Is(err, beaker.ErrUncertain) && isUndone != nil:
					t.Errorf("command %d: it failed with %v, but %v", nth, err, isUndone)
				}
			}
		})
	}
}

// An add that is under way when its caller gives up may be performed at any time. It is
// not sent again: a session that was created by the second one and then ended would be
// brought back by the first.
func TestCreateIsNotRepeated(t *testing.T) {
	p := oneServer(t)
	s, w := p.watched(t)
	rec := newRecord(t, newMeta(), "k", "v")
	w.once("add", 1, sentLater)
	err := s.Create(t.Context(), rec)
	if !errors.Is(err, beaker.ErrUncertain) {
		t.Errorf("Create: %v, want ErrUncertain", err)
	}
	if verbs := w.verbs(); !slices.Equal(verbs, []string{"add", "gets"}) {
		t.Errorf("commands: %v, want one add, and a look whether it was performed", verbs)
	}
	if err := s.Delete(t.Context(), rec.Key()); err != nil {
		t.Fatal(err)
	}
	if n := w.deliver(); n != 1 {
		t.Fatalf("%d commands were held back", n)
	}
	loaded(t, s, rec.Key()) // so it was an add, of which nobody was told
}

// A change that is under way when its caller gives up is one of at most one that is made.
func TestLateCASDoesNothing(t *testing.T) {
	p := oneServer(t)
	for name, then := range map[string]func(s beaker.Store, rec *beaker.Record) error{
		"after it was repeated": func(beaker.Store, *beaker.Record) error { return nil },
		"after another write": func(s beaker.Store, rec *beaker.Record) error {
			_, err := s.Apply(t.Context(), rec.Key(), setting(rec, "k", "newer"))
			return err
		},
		"after a delete": func(s beaker.Store, rec *beaker.Record) error { return s.Delete(t.Context(), rec.Key()) },
	} {
		s, w := p.watched(t)
		rec := created(t, s, newMeta(), "k", "v")
		ch := setting(loaded(t, s, rec.Key()), "k", "w")
		w.once("cas", 1, sentLater)
		if _, err := s.Apply(t.Context(), rec.Key(), ch); err != nil {
			t.Fatal(err)
		}
		if err := then(s, rec); err != nil {
			t.Fatal(err)
		}
		before, berr := s.Load(t.Context(), rec.Key())
		if n := w.deliver(); n != 1 {
			t.Fatalf("%d commands were held back", n)
		}
		after, aerr := s.Load(t.Context(), rec.Key())
		if errors.Is(berr, beaker.ErrNotFound) != errors.Is(aerr, beaker.ErrNotFound) || berr == nil && !sameRecord(before, after) {
			t.Errorf("%s: the late command changed the session: %v, %v", name, berr, aerr)
		}
	}
}

// What somebody else does between a lost answer and the look for what became of it.
func TestLostAnswerAndOtherWriters(t *testing.T) {
	p := oneServer(t)
	count := func(ch *beaker.Change, base *beaker.Record) {
		ch.Set, ch.IfVersion = values("n", "1"), base.Version()
	}
	write := func(ch *beaker.Change, _ *beaker.Record) { ch.Set = values("mine", "1") }
	for _, tc := range []struct {
		name   string
		f      fate
		edit   func(ch *beaker.Change, base *beaker.Record)
		others func(s beaker.Store, rec *beaker.Record)
		want   error
		mine   string // of the name "mine" or "n"
	}{
		// Both count from 0 to 1, and write the same bytes. Only one may say that it did.
		{"the same count, and mine was not made", neverSent, count, func(s beaker.Store, rec *beaker.Record) {
			apply(t, s, rec, count)
		}, beaker.ErrConflict, "1"},
		{"a touch, and mine was made", answerLost, count, func(s beaker.Store, rec *beaker.Record) {
			apply(t, s, rec, func(ch *beaker.Change, _ *beaker.Record) { ch.Touch = epoch + minute })
		}, nil, "1"},
		{"a touch, and mine was not made", neverSent, write, func(s beaker.Store, rec *beaker.Record) {
			apply(t, s, rec, func(ch *beaker.Change, _ *beaker.Record) { ch.Touch = epoch + minute })
		}, nil, "1"},
		{"one write, and mine was not made", neverSent, write, func(s beaker.Store, rec *beaker.Record) {
			apply(t, s, rec, func(ch *beaker.Change, _ *beaker.Record) { ch.Set = values("theirs", "1") })
		}, nil, "1"},
		{"one write, and mine was made", answerLost, write, func(s beaker.Store, rec *beaker.Record) {
			apply(t, s, rec, func(ch *beaker.Change, _ *beaker.Record) { ch.Set = values("theirs", "1") })
		}, beaker.ErrUncertain, "1"},
		{"two writes, and mine was not made", neverSent, write, func(s beaker.Store, rec *beaker.Record) {
			for range 2 {
				apply(t, s, rec, func(ch *beaker.Change, _ *beaker.Record) { ch.Set = values("theirs", "1") })
			}
		}, beaker.ErrUncertain, "none"},
		{"a delete", answerLost, write, func(s beaker.Store, rec *beaker.Record) {
			if err := s.Delete(t.Context(), rec.Key()); err != nil {
				t.Error(err)
			}
		}, beaker.ErrNotFound, ""},
	} {
		s, w := p.watched(t)
		other := p.storeLike(t)
		rec := created(t, s, newMeta(), "k", "v", "n", "0")
		base := loaded(t, s, rec.Key())
		var once sync.Once
		lost := false
		w.on(func(command string) fate {
			switch {
			case strings.HasPrefix(command, "cas") && !lost:
				lost = true
				return tc.f
			case strings.HasPrefix(command, "gets"):
				once.Do(func() { tc.others(other, rec) })
			}
			return goes
		})
		ch := changeOf(base)
		tc.edit(ch, base)
		_, err := s.Apply(t.Context(), rec.Key(), ch)
		w.on(nil)
		if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
			t.Errorf("%s: Apply: %v, want %v", tc.name, err, tc.want)
		}
		if tc.mine == "" {
			absent(t, s, rec.Key(), tc.name)
			continue
		}
		got := loaded(t, s, rec.Key())
		name := "mine"
		if _, ok := got.Lookup(name); !ok && ch.IfVersion != 0 {
			name = "n"
		}
		if v := value(got, name); v != tc.mine {
			t.Errorf("%s: %s is %s, want %s", tc.name, name, v, tc.mine)
		}
	}
}

func apply(t *testing.T, s beaker.Store, rec *beaker.Record, edit func(ch *beaker.Change, base *beaker.Record)) {
	t.Helper()
	ch := changeOf(rec)
	ch.Base, ch.Proof, ch.AnyProof = nil, beaker.Proof{}, true
	edit(ch, rec)
	if _, err := s.Apply(t.Context(), rec.Key(), ch); err != nil {
		t.Errorf("the other writer: %v", err)
	}
}
