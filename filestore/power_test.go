package filestore

// White-box because the order of the calls, and what a power failure between two of
// them leaves, can only be seen at the seam.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// FS-4: the order of the calls that makes each change safe.
func TestOrderOfSystemCalls(t *testing.T) {
	ctx := context.Background()
	var calls []string
	quiet := []string{"read", "exists", "list", "trylock"} // change nothing, wait for nothing
	s := opened(t, hooked{fileSystem: newSim(), after: func(c call) {
		if !slices.Contains(quiet, c.op) {
			calls = append(calls, c.String())
		}
	}}, Options{})
	alice := "alice"
	rec := record(t, 1, "")
	key, hash := rec.Key(), subjectHash(alice)
	names := strings.NewReplacer(
		"LOCKS", "locks/"+hexByte(key[0]), "FOLDER", folderName(key[0]), "RECORD", recordName(key),
		"SHARD", shardName(firstByte(hash)), "ENTRY", markerName(hash, key), "MARK", markName(hash),
		"SUBJECTLOCK", "locks/"+hash[:2],
	)
	for _, c := range []struct {
		desc string
		do   func() error
		want string
	}{
		{"the first session of a folder", func() error { return s.Create(ctx, rec) }, `
			lock LOCKS, mkdir FOLDER, syncdir .,
			create FOLDER/temp, write FOLDER/temp, time FOLDER/temp, sync FOLDER/temp, close FOLDER/temp,
			rename RECORD, syncdir FOLDER, unlock LOCKS`},
		{"a change", func() error {
			_, err := s.Apply(ctx, key, &beaker.Change{Now: now, AnyProof: true, Clear: true})
			return err
		}, `
			lock LOCKS, create FOLDER/temp, write FOLDER/temp, time FOLDER/temp, sync FOLDER/temp, close FOLDER/temp,
			rename RECORD, syncdir FOLDER, unlock LOCKS`},
		{"a sign-in: the index entry is on the disk before the session", func() error {
			_, err := s.Apply(ctx, key, &beaker.Change{Now: now, AnyProof: true, Began: now, Subject: &alice, AuthenticatedAt: now})
			return err
		}, `
			lock LOCKS, mkdir SHARD, syncdir subjects,
			create ENTRY, time ENTRY, sync ENTRY, close ENTRY, syncdir SHARD,
			create FOLDER/temp, write FOLDER/temp, time FOLDER/temp, sync FOLDER/temp, close FOLDER/temp,
			rename RECORD, syncdir FOLDER, unlock LOCKS`},
		{"a revocation: the mark is on the disk before a session is deleted", func() error {
			_, err := s.RevokeSubject(ctx, alice, now)
			return err
		}, `
			lock SUBJECTLOCK, create SHARD/temp, write SHARD/temp, time SHARD/temp, sync SHARD/temp, close SHARD/temp,
			rename MARK, syncdir SHARD, unlock SUBJECTLOCK,
			lock LOCKS, remove RECORD, syncdir FOLDER, remove ENTRY, unlock LOCKS`},
		{"an end that was an end already is made sure of", func() error { return s.Delete(ctx, key) }, `
			lock LOCKS, syncdir FOLDER, unlock LOCKS`},
	} {
		calls = nil
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.desc, err)
		}
		want := strings.Join(strings.Fields(names.Replace(c.want)), " ")
		if got := strings.Join(calls, ", "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.desc, got, want)
		}
	}
}

func TestNoSyncSyncsNothing(t *testing.T) {
	var syncs []string
	s := opened(t, hooked{fileSystem: newSim(), after: func(c call) {
		if strings.HasPrefix(c.op, "sync") {
			syncs = append(syncs, c.String())
		}
	}}, Options{NoSync: true})
	workload(t, 1, s, newLedger(s))
	if len(syncs) > 0 {
		t.Errorf("%d syncs: %v", len(syncs), syncs[0])
	}
}

// state is what is stored under a key; the zero state is that there is nothing.
type state struct {
	version beaker.Version
	subject string
	touched beaker.Millis
}

func stateOf(rec *beaker.Record) state {
	return state{rec.Version(), rec.Subject(), rec.Touched()}
}

// ledger knows what was acknowledged, and what the change under way may make of it.
type ledger struct {
	s        *Store
	acked    map[beaker.RecordKey]state
	underway map[beaker.RecordKey][]state
	marks    map[string]beaker.Millis // acknowledged revocations
	revoking string
}

func newLedger(s *Store) *ledger {
	return &ledger{s: s, acked: map[beaker.RecordKey]state{}, underway: map[beaker.RecordKey][]state{}, marks: map[string]beaker.Millis{}}
}

// change runs a change of a session that may make it any of the states, and takes note
// of which it is now.
func (l *ledger) change(t *testing.T, keys []beaker.RecordKey, f func() error, maybe ...state) error {
	t.Helper()
	for _, key := range keys {
		l.underway[key] = maybe
	}
	err := f()
	if errors.Is(err, beaker.ErrUncertain) {
		t.Fatal(err)
	}
	for _, key := range keys {
		delete(l.underway, key)
		rec, lerr := l.s.Load(context.Background(), key)
		switch {
		case lerr == nil:
			l.acked[key] = stateOf(rec)
		case errors.Is(lerr, beaker.ErrNotFound):
			l.acked[key] = state{}
		default:
			t.Fatal(lerr)
		}
	}
	return err
}

// check says what is wrong on a disk after a power failure.
func (l *ledger) check(disk *simFS) error {
	s, err := open(disk, Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	for _, purged := range []bool{false, true} { // also after the garbage is gone
		if purged {
			if _, err := s.Purge(ctx, now, 1000); err != nil {
				return err
			}
		}
		for key, acked := range l.acked {
			var got state
			rec, err := s.Load(ctx, key)
			if err == nil {
				got = stateOf(rec)
			} else if !errors.Is(err, beaker.ErrNotFound) {
				return fmt.Errorf("purged %t: session %s: %w", purged, key, err)
			}
			if got != acked && !slices.Contains(l.underway[key], got) {
				return fmt.Errorf("purged %t: session %s is %+v, acknowledged was %+v, under way %+v", purged, key, got, acked, l.underway[key])
			}
			if got.subject != "" {
				if ok, err := disk.exists(markerName(subjectHash(got.subject), key)); !ok {
					return fmt.Errorf("purged %t: session %s of %s has no index entry: %w", purged, key, got.subject, err)
				}
			}
			if got != acked && l.revoking != "" {
				if _, marked, err := s.readMark(subjectHash(l.revoking)); !marked {
					return fmt.Errorf("a session of %s is deleted, but its mark is not there: %w", l.revoking, err)
				}
			}
		}
		for subject, at := range l.marks {
			if got, _, err := s.readMark(subjectHash(subject)); err != nil || got < at {
				return fmt.Errorf("purged %t: %s was revoked at %d, marked at %d: %w", purged, subject, at, got, err)
			}
		}
	}
	for _, dir := range append(must(disk.names(".")), "subjects/"+subjectHash("alice")[:2]) {
		names, err := disk.names(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if i := slices.IndexFunc(names, isTemp); i >= 0 {
			return fmt.Errorf("a temporary file is left in %s", dir)
		}
	}
	return nil
}

func must(names []string, err error) []string {
	if err != nil {
		panic(err)
	}
	return names
}

// workload makes changes of all kinds.
func workload(t *testing.T, seed uint64, s *Store, l *ledger) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(seed, 0))
	subjects := []string{"", "alice", "bob"}
	revoked := map[string]beaker.Millis{}
	clock := now
	for range 60 {
		clock++
		n := r.IntN(6)
		key := keyOf(n)
		keys := []beaker.RecordKey{key}
		subject := subjects[r.IntN(len(subjects))]
		began := clock - beaker.Millis(r.IntN(8))
		was := l.acked[key]
		switch op := r.IntN(10); {
		case was == state{}:
			rec := record(t, n, subject)
			err := l.change(t, keys, func() error { return s.Create(ctx, rec) }, stateOf(rec))
			if err != nil && !errors.Is(err, beaker.ErrRevoked) {
				t.Fatal(err)
			}
		case op < 3: // data
			next := was
			next.version++
			must0(t, l.change(t, keys, func() error {
				_, err := s.Apply(ctx, key, &beaker.Change{Now: clock, AnyProof: true, Set: []beaker.Value{{Name: "a", Data: []byte("1")}}})
				return err
			}, next))
		case op < 4: // touch
			next := was
			next.touched = clock
			must0(t, l.change(t, keys, func() error {
				_, err := s.Apply(ctx, key, &beaker.Change{Now: clock, AnyProof: true, Touch: clock})
				return err
			}, next))
		case op < 7: // sign in, or out, or as somebody else
			next := was
			next.version++
			next.subject = subject
			err := l.change(t, keys, func() error {
				_, err := s.Apply(ctx, key, &beaker.Change{Now: clock, AnyProof: true, Began: began, Subject: &subject, AuthenticatedAt: began})
				return err
			}, next, state{})
			if want := subject != "" && revoked[subject] >= began; errors.Is(err, beaker.ErrRevoked) != want || err != nil && !want {
				t.Fatalf("sign-in at %d, revoked at %d: %v", began, revoked[subject], err)
			}
			if err == nil && l.acked[key] != next || err != nil && l.acked[key] != (state{}) {
				t.Fatalf("sign-in: %v, %+v", err, l.acked[key])
			}
		case op < 8:
			must0(t, l.change(t, keys, func() error { return s.Delete(ctx, key) }, state{}))
		case op < 9 && subject != "":
			keys = nil
			for k, st := range l.acked {
				if st.subject == subject {
					keys = append(keys, k)
				}
			}
			l.revoking = subject
			must0(t, l.change(t, keys, func() error {
				_, err := s.RevokeSubject(ctx, subject, clock)
				return err
			}, state{}))
			l.revoking = ""
			l.marks[subject], revoked[subject] = clock, clock
		default:
			keys = nil
			later := now.Add(time.Hour) + beaker.Millis(r.IntN(20))
			for k, st := range l.acked {
				if st != (state{}) && st.touched.Add(time.Hour) <= later {
					keys = append(keys, k)
				}
			}
			must0(t, l.change(t, keys, func() error { _, err := s.Purge(ctx, later, 3); return err }, state{}))
		}
	}
}

func must0(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cutEverywhere runs the workload and cuts the power after each call, in each way. It
// returns what was wrong first.
func cutEverywhere(t *testing.T, seed uint64, lazy func(call) bool) (cuts int, wrong error) {
	t.Helper()
	disk := newSim()
	var l *ledger
	s := opened(t, hooked{
		fileSystem: lazyFS{disk, lazy},
		after: func(c call) {
			if l == nil || wrong != nil || slices.Contains([]string{"read", "exists", "list", "trylock", "lock", "unlock", "time"}, c.op) {
				return
			}
			for desc, keep := range losses(seed) {
				cuts++
				if err := l.check(disk.powerLoss(keep)); err != nil {
					wrong = fmt.Errorf("power cut after %q, %s: %w", c, desc, err)
					return
				}
			}
		},
	}, Options{})
	l = newLedger(s)
	workload(t, seed, s, l)
	return cuts, wrong
}

// lazyFS does not do some of the syncs.
type lazyFS struct {
	*simFS
	lazy func(call) bool
}

func (l lazyFS) syncDir(dir string) error {
	if l.lazy != nil && l.lazy(call{"syncdir", dir}) {
		return nil
	}
	return l.simFS.syncDir(dir)
}

func (l lazyFS) create(name string) (file, error) {
	f, err := l.simFS.create(name)
	if err == nil && l.lazy != nil && l.lazy(call{"sync", name}) {
		f = lazyFile{f}
	}
	return f, err
}

type lazyFile struct{ file }

func (lazyFile) Sync() error { return nil }

// FS-4: after a power failure between any two calls, each session is as it was
// acknowledged, or as the change under way was about to make it; what was ended stays
// ended, what was revoked is marked, and each session is in the index.
func TestPowerFailureAfterEachCall(t *testing.T) {
	var cuts int
	seeds := uint64(4)
	if os.Getenv("BEAKER_SOAK") == "1" {
		seeds = 100
	}
	for seed := range seeds {
		n, err := cutEverywhere(t, seed, nil)
		cuts += n
		if err != nil {
			t.Errorf("workload %d: %v", seed, err)
		}
	}
	if cuts < 1000 {
		t.Errorf("the power was cut only %d times", cuts)
	}
}

// The test above sees each of the syncs that are left out here.
func TestPowerFailureFindsEachMissingSync(t *testing.T) {
	for _, c := range []struct {
		desc string
		lazy func(call) bool
	}{
		{"of a file before it gets its name", func(c call) bool { return c.op == "sync" }},
		{"of the store's directory", func(c call) bool { return c.op == "syncdir" && c.name == "." }},
		{"of a folder of sessions", func(c call) bool { return c.op == "syncdir" && isFolder(c.name) }},
		{"of the index's directory", func(c call) bool { return c.op == "syncdir" && c.name == subjectsDir }},
		{"of a folder of the index", func(c call) bool {
			return c.op == "syncdir" && strings.HasPrefix(c.name, subjectsDir+"/")
		}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			for seed := range uint64(10) {
				if _, err := cutEverywhere(t, seed, c.lazy); err != nil {
					return
				}
			}
			t.Error("not found")
		})
	}
}
