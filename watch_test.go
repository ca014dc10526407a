package beaker_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
)

// vigil is a session that is watched, with time that is virtual.
type vigil struct {
	*app
	b   *browser
	ctx context.Context // of Session.Watch
}

// keepVigil signs somebody in and watches the session from a request of its own, in a
// bubble of synctest.
func keepVigil(t *testing.T, f func(t *testing.T, v *vigil), change ...func(*beaker.Config)) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		change := append([]func(*beaker.Config){func(c *beaker.Config) { c.Now = time.Now }}, change...)
		v := &vigil{app: newApp(t, stores["memory"](t), change...), b: newBrowser(t)}
		v.b.do(v.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("alice")) }))
		v.b.do(v.session(func(s *beaker.Session, _ *http.Request) { v.ctx = s.Watch(context.Background()) }))
		synctest.Wait()
		if err := v.ctx.Err(); err != nil {
			t.Fatalf("the watch of a live session is over: %v", context.Cause(v.ctx))
		}
		f(t, v)
		must(t, v.Close())
	})
}

func (v *vigil) request(f func(s *beaker.Session, r *http.Request)) { v.b.do(v.session(f)) }

func (v *vigil) handle() (h beaker.Handle) {
	v.b.clone().do(v.session(func(s *beaker.Session, _ *http.Request) { h = s.Handle() }))
	return h
}

// pass lets virtual time pass: everything happens that is due.
func (v *vigil) pass(d time.Duration) { <-time.After(d) }

// mustEnd sees that the watch is over for the wanted reason, and how much time it took.
func (v *vigil) mustEnd(t *testing.T, want error, after time.Duration) {
	t.Helper()
	began := time.Now()
	if after == 0 {
		synctest.Wait()
		if v.ctx.Err() == nil {
			t.Fatal("the watch goes on")
		}
	} else {
		select {
		case <-v.ctx.Done():
		case <-time.After(24 * time.Hour):
			t.Fatal("the watch goes on")
		}
	}
	if took := time.Since(began); took != after {
		t.Errorf("it was noticed after %v, want %v", took, after)
	}
	if cause := context.Cause(v.ctx); !errors.Is(cause, want) {
		t.Errorf("the cause is %v, want %v", cause, want)
	}
}

func TestWhatEndsASessionEndsItsWatchAtOnce(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, v *vigil){
		"Destroy": func(t *testing.T, v *vigil) {
			v.request(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) })
		},
		"Invalidate": func(t *testing.T, v *vigil) {
			v.request(func(s *beaker.Session, r *http.Request) { must(t, s.Invalidate(r.Context())) })
		},
		"Revoke":    func(t *testing.T, v *vigil) { must(t, v.Revoke(t.Context(), v.handle())) },
		"RevokeOwn": func(t *testing.T, v *vigil) { must(t, v.RevokeOwn(t.Context(), "alice", v.handle())) },
		"RevokeAll": func(t *testing.T, v *vigil) {
			if n, err := v.RevokeAll(t.Context(), "alice"); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		},
		"another subject": func(t *testing.T, v *vigil) {
			v.request(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("bob")) })
		},
		"no subject": func(t *testing.T, v *vigil) {
			v.request(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("")) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			keepVigil(t, func(t *testing.T, v *vigil) {
				end(t, v)
				v.mustEnd(t, beaker.ErrEnded, 0)
			})
		})
	}
}

func TestAWatchGoesOnWhileItsSessionDoes(t *testing.T) {
	keepVigil(t, func(t *testing.T, v *vigil) {
		v.request(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) })
		v.request(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) })
		v.request(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("alice")) })
		if _, err := v.RevokeAll(t.Context(), "alice", v.handle()); err != nil {
			t.Fatal(err)
		}
		if _, err := v.RevokeAll(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		v.pass(20 * time.Minute)
		if v.ctx.Err() != nil {
			t.Fatal(context.Cause(v.ctx))
		}
	})
}

// Watching is not a use: the session ends when nobody uses it, and not while somebody
// does.
func TestAWatchEndsAtTheDeadlines(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) {
			before := v.store.apply.Load()
			v.mustEnd(t, beaker.ErrEnded, 30*time.Minute)
			if after := v.store.apply.Load(); after != before {
				t.Errorf("watching wrote %d times", after-before)
			}
		})
	})
	t.Run("idle, used meanwhile", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) {
			v.pass(20 * time.Minute)
			v.request(nothing)
			v.mustEnd(t, beaker.ErrEnded, 30*time.Minute)
		})
	})
	t.Run("absolute", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) { v.mustEnd(t, beaker.ErrEnded, 12*time.Hour) },
			func(c *beaker.Config) { c.IdleTimeout = beaker.NoLimit })
	})
}

// Another process says nothing: its deeds are seen by looking.
func TestAWatchNoticesOtherProcesses(t *testing.T) {
	keepVigil(t, func(t *testing.T, v *vigil) {
		v.pass(3 * time.Second)
		must(t, v.store.inner.Delete(t.Context(), beaker.RecordKey(v.handle())))
		v.mustEnd(t, beaker.ErrEnded, 7*time.Second)
	})
}

// telling is a store that tells what other processes do.
type telling struct {
	full
	tell  chan beaker.RecordKey
	fails chan error
}

func (s *telling) Watch(ctx context.Context, ended func(beaker.RecordKey)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.fails:
			return err
		case key := <-s.tell:
			ended(key)
		}
	}
}

func TestAWatchHearsFromTheStore(t *testing.T) {
	var told *telling
	tells := func(c *beaker.Config) {
		told = &telling{c.Store.(full), make(chan beaker.RecordKey), make(chan error)}
		c.Store = told
	}
	ended := func(t *testing.T, v *vigil) {
		key := beaker.RecordKey(v.handle())
		must(t, v.store.inner.Delete(t.Context(), key))
		told.tell <- key
		v.mustEnd(t, beaker.ErrEnded, 0)
	}
	t.Run("an end", func(t *testing.T) { keepVigil(t, ended, tells) })
	t.Run("a false alarm", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) {
			told.tell <- beaker.RecordKey(v.handle())
			told.tell <- beaker.RecordKey{1}
			synctest.Wait()
			if v.ctx.Err() != nil {
				t.Error(context.Cause(v.ctx))
			}
		}, tells)
	})
	t.Run("deaf for a while", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) {
			told.fails <- errors.New("the connection broke")
			synctest.Wait()
			if found := v.events.named(beaker.EventStoreError); len(found) != 1 || found[0].Detail != "watch" {
				t.Errorf("events: %v", found)
			}
			v.pass(10 * time.Second) // then it listens again
			ended(t, v)
		}, tells)
	})
}

// A store that is down ends nobody's session, and keeps nobody's past its deadline.
func TestAWatchWhileTheStoreIsDown(t *testing.T) {
	down := errors.New("down")
	keepVigil(t, func(t *testing.T, v *vigil) {
		v.store.breaks(func(string) error { return down })
		v.pass(10 * time.Minute)
		if v.ctx.Err() != nil {
			t.Fatalf("ended by the outage: %v", context.Cause(v.ctx))
		}
		v.store.breaks(nil)
		v.pass(time.Minute)
		v.store.breaks(func(string) error { return down })
		v.mustEnd(t, down, 19*time.Minute)
	})
}

func TestAWatchOfNothingIsOver(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	cause := func(f func(s *beaker.Session, r *http.Request)) (cause error) {
		b.do(a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := a.Get(r.Context())
			f(s, r)
			cause = context.Cause(s.Watch(r.Context()))
		})))
		return cause
	}
	if err := cause(nothing); !errors.Is(err, beaker.ErrEnded) {
		t.Errorf("a new session: %v", err)
	}
	if err := cause(func(s *beaker.Session, r *http.Request) { must(t, s.Persist(r.Context())) }); err != nil {
		t.Errorf("a session that was just stored: %v", err)
	}
	if err := cause(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }); !errors.Is(err, beaker.ErrEnded) {
		t.Errorf("a destroyed session: %v", err)
	}
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	down := errors.New("down")
	a.store.breaks(func(string) error { return down })
	if err := cause(nothing); !errors.Is(err, beaker.ErrInert) || !errors.Is(err, down) {
		t.Errorf("a session that could not be loaded: %v", err)
	}
}

// The session may end between Get and Watch.
func TestAWatchThatComesTooLate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Now = time.Now })
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		b.do(a.session(func(s *beaker.Session, r *http.Request) {
			must(t, a.Revoke(r.Context(), s.Handle()))
			ctx := s.Watch(r.Context())
			synctest.Wait()
			if !errors.Is(context.Cause(ctx), beaker.ErrEnded) {
				t.Errorf("the cause is %v", context.Cause(ctx))
			}
		}))
		must(t, a.Close())
	})
}

// Promise 11: the bubble cannot end while a goroutine runs.
func TestWatchesEndOnClose(t *testing.T) {
	keepVigil(t, func(t *testing.T, v *vigil) {
		must(t, v.Close())
		v.mustEnd(t, beaker.ErrClosed, 0)
		v.request(func(s *beaker.Session, r *http.Request) {
			if err := context.Cause(s.Watch(r.Context())); !errors.Is(err, beaker.ErrClosed) {
				t.Errorf("a watch after Close: %v", err)
			}
		})
	})
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	keepVigil(t, func(t *testing.T, v *vigil) {
		type key struct{}
		parent, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
		v.request(func(s *beaker.Session, _ *http.Request) { v.ctx = s.Watch(parent) })
		synctest.Wait()
		if v.ctx.Value(key{}) != "value" || v.ctx.Err() != nil {
			t.Error(v.ctx.Value(key{}), v.ctx.Err())
		}
		cancel()
		v.mustEnd(t, context.Canceled, 0)
	})
}

func TestWatchOfASealedSession(t *testing.T) {
	sealed := func(c *beaker.Config) {
		c.Sealed = &beaker.Sealed{Revoker: c.Store}
		c.Store = nil
	}
	t.Run("logout", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) {
			v.request(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) })
			v.mustEnd(t, beaker.ErrEnded, 0)
		}, sealed)
	})
	t.Run("revoked by handle", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) {
			must(t, v.Revoke(t.Context(), v.handle()))
			v.mustEnd(t, beaker.ErrEnded, 0)
		}, sealed)
	})
	t.Run("revoked by subject", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) {
			if _, err := v.RevokeAll(t.Context(), "alice"); err != nil {
				t.Fatal(err)
			}
			v.mustEnd(t, beaker.ErrEnded, 0)
		}, sealed)
	})
	t.Run("a new secret", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) {
			v.request(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) })
			v.mustEnd(t, beaker.ErrEnded, 0)
		}, sealed)
	})
	t.Run("absolute deadline", func(t *testing.T) {
		keepVigil(t, func(t *testing.T, v *vigil) { v.mustEnd(t, beaker.ErrEnded, 12*time.Hour) }, sealed)
	})
}
