package sqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

func soak() bool { return os.Getenv("BEAKER_SOAK") == "1" }

// pairs races a call of this process with one of another process until as many of them
// as wanted did overlap. judge looks at what came out.
func pairs(t *testing.T, p *place, mine, theirs string, want int, judge func(s *sqlstore.Store, key beaker.RecordKey, mine, theirs string)) {
	t.Helper()
	s, c := p.store(t), p.peer(t)
	overlapped, n := 0, 0
	// Where both are through in a moment, they often miss each other.
	for ; overlapped < want && n < 40*want; n++ {
		rec := created(t, s, newMeta(), "k", "v")
		key := rec.Key()
		call, err := callOf(s, mine, key)
		if err != nil {
			t.Fatal(err)
		}
		moment := time.Now().Add(2 * time.Millisecond).UnixNano()
		c.tell(theirs, moment, key)
		how, ran := at(moment, call)
		howTheirs, ranTheirs := c.result()
		if ran.overlaps(ranTheirs) {
			overlapped++
		}
		judge(s, key, how, howTheirs)
		if t.Failed() {
			return
		}
	}
	t.Logf("%s and %s: %d of %d pairs overlapped", mine, theirs, overlapped, n)
	if overlapped < want {
		t.Errorf("%s and %s: only %d of %d pairs overlapped, want %d", mine, theirs, overlapped, n, want)
	}
}

func TestTwoProcesses(t *testing.T) {
	many, some := 500, 150
	if soak() {
		many, some = 10_000, 3_000
	}
	each(t, func(t *testing.T, e engine) {
		t.Run("no update is lost", func(t *testing.T) {
			pairs(t, newPlace(t, e), "mine", "theirs", many, func(s *sqlstore.Store, key beaker.RecordKey, mine, theirs string) {
				rec := loaded(t, s, key)
				_, a := rec.Lookup("mine")
				_, b := rec.Lookup("theirs")
				if mine != "ok" || theirs != "ok" || !a || !b || rec.Version() != 3 {
					t.Errorf("%s and %s: mine there %t, theirs there %t, version %d", mine, theirs, a, b, rec.Version())
				}
			})
		})
		t.Run("nothing comes back after Delete", func(t *testing.T) {
			pairs(t, newPlace(t, e), "mine", "delete", some, func(s *sqlstore.Store, key beaker.RecordKey, mine, theirs string) {
				if mine != "ok" && mine != "ErrNotFound" || theirs != "ok" {
					t.Errorf("Apply: %s; Delete: %s", mine, theirs)
				}
				if _, err := s.Load(t.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
					t.Errorf("Load after Delete and an Apply (%s): %v", mine, err)
				}
			})
		})
		t.Run("TE-2: a late login does not survive a revocation", func(t *testing.T) {
			pairs(t, newPlace(t, e), "login", "revoke", some, func(s *sqlstore.Store, key beaker.RecordKey, mine, theirs string) {
				if mine != "ok" && mine != "ErrRevoked" && mine != "ErrNotFound" || theirs != "ok" {
					t.Errorf("login: %s; RevokeSubject: %s", mine, theirs)
				}
				if _, err := s.Load(t.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
					t.Errorf("Load after RevokeSubject and a login (%s): %v", mine, err)
				}
			})
		})
	})
}

// increment is what Manager.Update does to a counter: read, write on condition that
// nobody else did, again.
func increment(ctx context.Context, s *sqlstore.Store, key beaker.RecordKey, name string) (int, error) {
	for {
		rec, err := s.Load(ctx, key)
		if err != nil {
			return 0, err
		}
		n := number(rec, name)
		ch := changeOf(rec)
		ch.Base, ch.IfVersion, ch.Set = rec, rec.Version(), values(name, strconv.Itoa(n+1))
		_, err = s.Apply(ctx, key, ch)
		if !errors.Is(err, beaker.ErrConflict) {
			return n + 1, err
		}
	}
}

func number(rec *beaker.Record, name string) int {
	text, ok := rec.Lookup(name)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// A server is killed with SIGKILL while two nodes count, and started again: what was
// acknowledged is there, what failed was not done, and the nodes go on by themselves.
func TestServerKilled(t *testing.T) {
	eachServer(t, func(t *testing.T, e engine) {
		srv := own(t, e.server, false)
		e.dsn = func(testing.TB) string { return srv.DSN }
		p := newPlace(t, e)
		stores := []*sqlstore.Store{p.store(t), p.store(t)}
		rec := created(t, stores[0], newMeta())

		const workers = 4
		kills := 1
		if soak() {
			kills = 10
		}
		var acked, uncertain [workers]int
		var down, total atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				name := fmt.Sprintf("n%d", w) // and "n", which all of them count
				for ctx.Err() == nil {
					op, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
					_, err := increment(op, stores[w%2], rec.Key(), name)
					done()
					switch {
					case err == nil:
						acked[w]++
						total.Add(1)
						continue
					case errors.Is(err, beaker.ErrUncertain):
						uncertain[w]++
					case errors.Is(err, beaker.ErrNotFound), errors.Is(err, beaker.ErrCorrupt):
						t.Errorf("while the server was down: %v", err)
						return
					}
					down.Add(1)
				}
			})
		}
		reach := func(n int64, what *atomic.Int64) {
			t.Helper()
			for deadline := time.Now().Add(time.Minute); what.Load() < n; {
				if time.Now().After(deadline) || t.Failed() {
					t.Fatal("the nodes do not get on")
				}
				runtime.Gosched()
			}
		}
		for range kills {
			reach(total.Load()+40, &total)
			srv.Kill()
			reach(down.Load()+2*workers, &down) // requests fail, and do not hang
			if err := srv.Again(t.Context()); err != nil {
				t.Fatal(err)
			}
			reach(total.Load()+40, &total)
		}
		cancel()
		wg.Wait()
		got := loaded(t, stores[1], rec.Key())
		for w := range workers {
			n := number(got, fmt.Sprintf("n%d", w))
			if n < acked[w] || n > acked[w]+uncertain[w] {
				t.Errorf("worker %d: counted %d, acknowledged %d, uncertain %d", w, n, acked[w], uncertain[w])
			}
			t.Logf("worker %d: counted %d, acknowledged %d, uncertain %d", w, n, acked[w], uncertain[w])
		}
	})
}

// The same for SQLite, where the process that writes is what can be killed.
func TestSQLiteProcessKilled(t *testing.T) {
	p := newPlace(t, engines[0])
	s := p.store(t)
	rec := created(t, s, newMeta())
	kills := 3
	if soak() {
		kills = 50
	}
	mine := 0
	for range kills {
		c := p.peer(t)
		c.tell("count", 0, rec.Key())
		last := 0
		for range 20 {
			if _, err := fmt.Sscanf(c.answer(), "counted %d", &last); err != nil {
				t.Fatal(err)
			}
			// This process counts too.
			if _, err := increment(t.Context(), s, rec.Key(), "mine"); err != nil {
				t.Fatal(err)
			}
			mine++
		}
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for { // what it had said before
			line, err := c.out.ReadString('\n')
			if err != nil {
				break
			}
			if strings.HasPrefix(line, "counted") && strings.HasSuffix(line, "\n") {
				_, _ = fmt.Sscanf(line, "counted %d", &last)
			}
		}
		_ = c.cmd.Wait() // killed
		got := loaded(t, s, rec.Key())
		if n := number(got, "n"); n < last || n > last+1 {
			t.Errorf("counted %d, acknowledged %d", n, last)
		}
		if n := number(got, "mine"); n != mine {
			t.Errorf("this process counted %d, acknowledged %d", n, mine)
		}
	}
}

// The counter is exact with writers in this process, on two nodes.
func TestCounterIsExact(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		stores := []*sqlstore.Store{p.store(t), p.store(t)}
		rec := created(t, stores[0], newMeta())
		const writers, each = 8, 10
		errs := make(chan error, writers)
		for w := range writers {
			go func() {
				for range each {
					if _, err := increment(t.Context(), stores[w%2], rec.Key(), "n"); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range writers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := number(loaded(t, stores[0], rec.Key()), "n"); n != writers*each {
			t.Errorf("counted %d, want %d", n, writers*each)
		}
	})
}
