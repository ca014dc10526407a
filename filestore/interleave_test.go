package filestore

// White-box because a race is forced here by stopping one side between two of its
// calls to the operating system, which no test from outside can.

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// gate stops the first call that it is set to, until it is opened.
type gate struct {
	once, opened  sync.Once
	reached, open chan struct{}
}

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) stop() {
	g.once.Do(func() {
		close(g.reached)
		<-g.open
	})
}

func (g *gate) release() { g.opened.Do(func() { close(g.open) }) }

// await fails the test if what runs behind done ends without coming to the gate.
func (g *gate) await(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case <-g.reached:
	case err := <-done:
		t.Fatalf("it ended without coming to the gate: %v", err)
	}
}

// gated is another process on the same directory, which stops before a call.
func gated(t *testing.T, dir string, at call) (*Store, *gate) {
	t.Helper()
	g := newGate()
	fsys := hooked{fileSystem: onDisk(t, dir), before: func(c call) error {
		if c == at {
			g.stop()
		}
		return nil
	}}
	s := opened(t, fsys, Options{})
	t.Cleanup(g.release) // before Close, which would wait for it
	return s, g
}

// waiting is another process on the same directory; busy is reached when it first
// finds a lock taken.
func waiting(t *testing.T, dir string) (s *Store, busy *gate) {
	t.Helper()
	busy = newGate()
	busy.release()
	fsys := hooked{fileSystem: onDisk(t, dir), before: func(c call) error {
		if c.op == "busy" {
			busy.stop()
		}
		return nil
	}}
	return opened(t, fsys, Options{}), busy
}

// This is the race that a revocation exists for: a sign-in with the old
// password that is under way while the password is changed.
func TestSignInRacingRevocation(t *testing.T) {
	ctx := context.Background()
	hash, key := subjectHash("alice"), keyOf(1)
	alice := "alice"
	for _, c := range []struct {
		desc       string
		at         call
		revokeWait bool // the revocation has to wait for the sign-in
		want       error
		ended      int
	}{
		{"before its index entry", call{"create", markerName(hash, key)}, false, beaker.ErrRevoked, 0},
		{"before it reads the mark", call{"read", markName(hash)}, true, beaker.ErrRevoked, 0},
		{"before the session has its name", call{"rename", recordName(key)}, true, nil, 1},
		{"before the session is synced", call{"syncdir", folderName(key[0])}, true, nil, 1},
		{"before it gives back the lock", call{"unlock", lockName(key[0])}, true, nil, 1},
	} {
		for _, how := range []string{"Create", "Apply"} {
			t.Run(how+" "+c.desc, func(t *testing.T) {
				dir := t.TempDir()
				signingIn, g := gated(t, dir, c.at)
				do := func() error { return signingIn.Create(ctx, record(t, 1, alice)) }
				want, ended := c.want, c.ended
				if how == "Apply" {
					create(t, opened(t, onDisk(t, dir), Options{}), record(t, 1, ""))
					do = func() error {
						_, err := signingIn.Apply(ctx, key, &beaker.Change{
							Now: now, AnyProof: true, Began: now, Subject: &alice, AuthenticatedAt: now,
						})
						return err
					}
					if c.at.op == "read" {
						ended = 0 // it deletes its own session before the revocation gets the lock
					}
				}
				revoking, busy := waiting(t, dir)

				signedIn, revoked := make(chan error, 1), make(chan error, 1)
				go func() { signedIn <- do() }()
				g.await(t, signedIn)
				var n int
				go func() {
					var err error
					n, err = revoking.RevokeSubject(ctx, alice, now)
					revoked <- err
				}()
				if c.revokeWait {
					busy.await(t, revoked)
					g.release()
				} else {
					if err := <-revoked; err != nil {
						t.Fatal(err)
					}
					revoked <- nil
					g.release()
				}
				if err := <-signedIn; !errors.Is(err, want) {
					t.Errorf("sign-in: %v, want %v", err, want)
				}
				if err := <-revoked; err != nil || n != ended {
					t.Errorf("revocation: %d ended, %v, want %d", n, err, ended)
				}
				if rec, err := revoking.Load(ctx, key); !errors.Is(err, beaker.ErrNotFound) {
					t.Errorf("the session outlived the revocation: %v, %v", rec, err)
				}
				if keys, err := revoking.marked(hash, ""); len(keys) != 0 || err != nil {
					t.Errorf("index entries: %v, %v", keys, err)
				}
			})
		}
	}
}

// The other way round: a sign-in that does all it does while the revocation is between
// two of its calls.
func TestRevocationRacingSignIn(t *testing.T) {
	ctx := context.Background()
	hash, key := subjectHash("alice"), keyOf(1)
	for _, c := range []struct {
		desc  string
		at    call
		want  error
		ended int
	}{
		{"before its mark is there", call{"rename", markName(hash)}, nil, 1},
		{"before its mark is synced", call{"syncdir", shardName(firstByte(hash))}, beaker.ErrRevoked, 0},
		{"before it lists the sessions", call{"list", shardName(firstByte(hash))}, beaker.ErrRevoked, 0},
	} {
		t.Run(c.desc, func(t *testing.T) {
			dir := t.TempDir()
			revoking, g := gated(t, dir, c.at)
			var n int
			revoked := make(chan error, 1)
			go func() {
				var err error
				n, err = revoking.RevokeSubject(ctx, "alice", now)
				revoked <- err
			}()
			g.await(t, revoked)
			signingIn := opened(t, onDisk(t, dir), Options{})
			if err := signingIn.Create(ctx, record(t, 1, "alice")); !errors.Is(err, c.want) {
				t.Errorf("sign-in: %v, want %v", err, c.want)
			}
			g.release()
			if err := <-revoked; err != nil || n != c.ended {
				t.Errorf("revocation: %d ended, %v, want %d", n, err, c.ended)
			}
			if rec, err := signingIn.Load(ctx, key); !errors.Is(err, beaker.ErrNotFound) {
				t.Errorf("the session outlived the revocation: %v, %v", rec, err)
			}
		})
	}
}

// ST-4: between its look at a record and the lock, the record may be used.
func TestPurgeSparesWhatIsTouchedMeanwhile(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	key := keyOf(1)
	s := opened(t, onDisk(t, dir), Options{})
	create(t, s, record(t, 1, "alice"))
	create(t, s, record(t, 2, "alice"))
	purging, g := gated(t, dir, call{"trylock", lockName(key[0])})
	later := now.Add(time.Hour)
	var n int
	done := make(chan error, 1)
	go func() {
		var err error
		n, err = purging.Purge(ctx, later, 10)
		done <- err
	}()
	g.await(t, done)
	if _, err := s.Apply(ctx, key, &beaker.Change{Now: later - 1, AnyProof: true, Touch: later - 1}); err != nil {
		t.Fatal(err)
	}
	g.release()
	if err := <-done; n != 1 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
	if _, err := s.Load(ctx, key); err != nil {
		t.Errorf("the touched session: %v", err)
	}
	if page, _, err := s.List(ctx, beaker.ListQuery{Subject: "alice"}); len(page) != 1 || err != nil {
		t.Errorf("List: %v, %v", page, err)
	}
}

// A sign-in has its index entry before its session: a Purge that sees one without the
// other waits for the sign-in, and looks again.
func TestPurgeSparesTheIndexEntryOfASignInUnderWay(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	signingIn, g := gated(t, dir, call{"read", markName(subjectHash("alice"))})
	signedIn := make(chan error, 1)
	go func() { signedIn <- signingIn.Create(ctx, record(t, 1, "alice")) }()
	g.await(t, signedIn)
	purging, busy := waiting(t, dir)
	purged := make(chan error, 1)
	go func() { _, err := purging.Purge(ctx, now, 10); purged <- err }()
	busy.await(t, purged)
	g.release()
	if err := <-signedIn; err != nil {
		t.Errorf("sign-in: %v", err)
	}
	if err := <-purged; err != nil {
		t.Errorf("Purge: %v", err)
	}
	if page, _, err := purging.List(ctx, beaker.ListQuery{Subject: "alice"}); len(page) != 1 || err != nil {
		t.Errorf("List: %v, %v", page, err)
	}
}

// FS-4: a temporary file is nobody's only for the one who holds the lock.
func TestPurgeSparesTheTemporaryFileOfAWriter(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	key := keyOf(1)
	writing, g := gated(t, dir, call{"rename", recordName(key)})
	written := make(chan error, 1)
	go func() { written <- writing.Create(ctx, record(t, 1, "")) }()
	g.await(t, written)

	purging, busy := waiting(t, dir)
	purged := make(chan error, 1)
	go func() { _, err := purging.Purge(ctx, now, 10); purged <- err }()
	busy.await(t, purged)
	g.release()
	if err := <-written; err != nil {
		t.Errorf("Create: %v", err)
	}
	if err := <-purged; err != nil {
		t.Errorf("Purge: %v", err)
	}
	if _, err := writing.Load(ctx, key); err != nil {
		t.Errorf("Load: %v", err)
	}
}

// A mark that is a day old may be renewed between the look at it and its removal.
func TestPurgeSparesAMarkThatIsRenewedMeanwhile(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	hash := subjectHash("alice")
	s := opened(t, onDisk(t, dir), Options{})
	if _, err := s.RevokeSubject(ctx, "alice", now); err != nil {
		t.Fatal(err)
	}
	purging, g := gated(t, dir, call{"trylock", lockName(firstByte(hash))})
	later := now.Add(25 * time.Hour)
	purged := make(chan error, 1)
	go func() { _, err := purging.Purge(ctx, later, 10); purged <- err }()
	g.await(t, purged)
	if _, err := s.RevokeSubject(ctx, "alice", later); err != nil {
		t.Fatal(err)
	}
	g.release()
	if err := <-purged; err != nil {
		t.Fatal(err)
	}
	if at, marked, err := s.readMark(hash); at != later || !marked || err != nil {
		t.Errorf("the mark is now %d, %t, %v", at, marked, err)
	}
}

// An Apply that has read the record cannot bring it back after a Delete.
func TestDeleteWaitsForAChangeUnderWay(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	key := keyOf(1)
	create(t, opened(t, onDisk(t, dir), Options{}), record(t, 1, ""))
	changing, g := gated(t, dir, call{"rename", recordName(key)})
	changed := make(chan error, 1)
	go func() {
		_, err := changing.Apply(ctx, key, &beaker.Change{Now: now, AnyProof: true, Clear: true})
		changed <- err
	}()
	g.await(t, changed)
	deleting, busy := waiting(t, dir)
	deleted := make(chan error, 1)
	go func() { deleted <- deleting.Delete(ctx, key) }()
	busy.await(t, deleted)
	g.release()
	if err := <-changed; err != nil {
		t.Errorf("Apply: %v", err)
	}
	if err := <-deleted; err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, err := changing.Load(ctx, key); !errors.Is(err, beaker.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
}

// Both ways of waiting end with the context: for another process, and in the queue
// behind the goroutine that waits for it. And reading waits for nobody.
func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	dir := t.TempDir()
	key := keyOf(1)
	create(t, opened(t, onDisk(t, dir), Options{}), record(t, 1, ""))
	holding, g := gated(t, dir, call{"rename", recordName(key)})
	held := make(chan error, 1)
	empty := &beaker.Change{Now: now, AnyProof: true, Clear: true}
	go func() { _, err := holding.Apply(context.Background(), key, empty); held <- err }()
	g.await(t, held)

	s, busy := waiting(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() { _, err := s.Apply(ctx, key, empty); first <- err }()
	busy.await(t, first)
	short, cancelShort := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancelShort()
	if err := s.Delete(short, key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("in the queue: %v", err)
	}
	if rec, err := s.Load(context.Background(), key); err != nil || rec.Version() != 1 {
		t.Errorf("Load: %v, %v", rec, err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("for the other process: %v", err)
	}
	g.release()
	if err := <-held; err != nil {
		t.Error(err)
	}
	if v, err := s.Apply(context.Background(), key, empty); v != 3 || err != nil {
		t.Errorf("afterwards: %d, %v", v, err)
	}
}

func TestCloseEndsTheWaitingForLocks(t *testing.T) {
	dir := t.TempDir()
	key := keyOf(1)
	holding, g := gated(t, dir, call{"rename", recordName(key)})
	held := make(chan error, 1)
	go func() { held <- holding.Create(context.Background(), record(t, 1, "")) }()
	g.await(t, held)
	s, busy := waiting(t, dir)
	errs := make(chan error, 1)
	const deletes = 3 // one waits for the other process, two in the queue or not yet
	for range deletes {
		go func() { errs <- s.Delete(context.Background(), key) }()
	}
	busy.await(t, errs)
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range deletes {
		if err := <-errs; !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("Delete: %v", err)
		}
	}
	g.release()
	if err := <-held; err != nil {
		t.Error(err)
	}
}

// A long Purge or List does not keep Close waiting.
func TestCloseEndsAPurge(t *testing.T) {
	dir := t.TempDir()
	create(t, opened(t, onDisk(t, dir), Options{}), record(t, 1, ""))
	for name, long := range map[string]func(*Store) error{
		"Purge": func(s *Store) error { _, err := s.Purge(context.Background(), now, 1); return err },
		"List":  func(s *Store) error { _, _, err := s.List(context.Background(), beaker.ListQuery{}); return err },
	} {
		s, g := gated(t, dir, call{"list", "00"})
		done, closed := make(chan error, 1), make(chan error, 1)
		go func() { done <- long(s) }()
		g.await(t, done)
		go func() { closed <- s.Close() }()
		<-s.closing
		g.release()
		if err := <-done; !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
