//go:build !plan9

package filestore

// White-box because a full or broken disk can only be had at the seam.

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// faulty fails one call, before it has an effect or after it had its effect.
type faulty struct {
	hooked
	failAt  call
	err     error
	tooLate bool
}

func newFaulty() *faulty {
	f := &faulty{hooked: hooked{fileSystem: newSim()}}
	f.before = func(c call) error {
		if f.failAt.op == c.op && strings.HasPrefix(c.name, f.failAt.name) && !f.tooLate {
			return f.err
		}
		return nil
	}
	return f
}

func (f *faulty) rename(from, to string) error {
	if err := f.hooked.rename(from, to); err != nil {
		return err
	}
	if f.failAt.op == "rename" && f.tooLate {
		return f.err
	}
	return nil
}

// FS-4: an error of any call leaves the old record, or says that it cannot tell; it
// names the operation and the remedy; no temporary file is left; and when the disk is
// well again, so is the store.
func TestDiskErrors(t *testing.T) {
	ctx := context.Background()
	alice := "alice"
	key := keyOf(1)
	folder, shard := folderName(key[0]), shardName(firstByte(subjectHash(alice)))
	change := func(s *Store) error {
		_, err := s.Apply(ctx, key, &beaker.Change{Now: now, AnyProof: true, Clear: true})
		return err
	}
	signIn := func(s *Store) error {
		_, err := s.Apply(ctx, key, &beaker.Change{Now: now, AnyProof: true, Began: now, Subject: &alice, AuthenticatedAt: now})
		return err
	}
	first := func(s *Store) error { return s.Create(ctx, record(t, 2, "")) }
	end := func(s *Store) error { return s.Delete(ctx, key) }
	revoke := func(s *Store) error { _, err := s.RevokeSubject(ctx, alice, now); return err }
	for _, c := range []struct {
		do        func(*Store) error
		failAt    call
		tooLate   bool
		err       error
		op, help  string
		uncertain bool
	}{
		{do: change, failAt: call{"create", folder}, err: syscall.ENOSPC, op: "change session", help: "no inodes left"},
		{do: change, failAt: call{"create", folder}, err: syscall.EROFS, op: "change session", help: "mounted read-only"},
		{do: change, failAt: call{"create", folder}, err: syscall.EACCES, op: "change session", help: "must own the directory"},
		{do: change, failAt: call{"create", folder}, err: syscall.EMFILE, op: "change session", help: "ulimit -n"},
		{do: change, failAt: call{"write", folder}, err: syscall.ENOSPC, op: "change session", help: "make room"},
		{do: change, failAt: call{"write", folder}, err: syscall.EDQUOT, op: "change session", help: "quota"},
		{do: change, failAt: call{"sync", folder}, err: syscall.EIO, op: "change session", help: "system's log"},
		{do: change, failAt: call{"close", folder}, err: syscall.EIO, op: "change session", help: "system's log"},
		{do: change, failAt: call{"rename", folder}, err: syscall.ENOSPC, op: "change session", help: "make room"},
		{do: change, failAt: call{"rename", folder}, tooLate: true, err: syscall.EIO, op: "change session", help: "system's log", uncertain: true},
		{do: change, failAt: call{"syncdir", folder}, err: syscall.EIO, op: "change session: sync folder", uncertain: true},
		{do: change, failAt: call{"read", folder}, err: syscall.EIO, op: "read session", help: "system's log"},
		{do: change, failAt: call{"trylock", "locks"}, err: syscall.ENOLCK, op: "lock"},
		{do: first, failAt: call{"mkdir", ""}, err: syscall.ENOSPC, op: "create session", help: "make room"},
		{do: first, failAt: call{"syncdir", "."}, err: syscall.EIO, op: "create session", help: "system's log"},
		{do: first, failAt: call{"exists", ""}, err: syscall.EIO, op: "create session", help: "system's log"},
		{do: signIn, failAt: call{"create", shard}, err: syscall.ENOSPC, op: "index session", help: "no inodes left"},
		{do: signIn, failAt: call{"time", shard}, err: syscall.EPERM, op: "index session", help: "must own the directory"},
		{do: signIn, failAt: call{"sync", shard}, err: syscall.EIO, op: "index session"},
		{do: signIn, failAt: call{"syncdir", shard}, err: syscall.EIO, op: "index session"},
		{do: signIn, failAt: call{"read", shard}, err: syscall.EIO, op: "read revocation mark"},
		{do: end, failAt: call{"remove", folder}, err: syscall.EROFS, op: "delete session", help: "mounted read-only"},
		{do: end, failAt: call{"syncdir", folder}, err: syscall.EIO, op: "delete session: sync folder", uncertain: true},
		{do: revoke, failAt: call{"write", shard}, err: syscall.ENOSPC, op: "revoke subject", help: "make room"},
		{do: revoke, failAt: call{"syncdir", shard}, err: syscall.EIO, op: "revoke subject: sync folder", uncertain: true},
		{do: revoke, failAt: call{"list", shard}, err: syscall.EIO, op: "revoke subject"},
	} {
		t.Run(c.failAt.op+" "+c.op+" "+c.err.Error(), func(t *testing.T) {
			f := newFaulty()
			s := opened(t, f, Options{})
			create(t, s, record(t, 1, ""))
			f.failAt, f.err, f.tooLate = c.failAt, c.err, c.tooLate
			err := c.do(s)
			f.failAt = call{}
			if !errors.Is(err, c.err) || errors.Is(err, beaker.ErrUncertain) != c.uncertain {
				t.Errorf("uncertain %t: %v", c.uncertain, err)
			}
			for _, word := range []string{"filestore: " + c.op + ": ", c.help} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q is not in %q", word, err)
				}
			}
			if strings.Count(err.Error(), "filestore: ") != 1 {
				t.Errorf("the prefix is not there once: %v", err)
			}
			if rec, err := s.Load(ctx, key); !c.uncertain && (err != nil || rec.Version() != 1 || rec.Subject() != "") {
				t.Errorf("the old record: %v, %v", rec, err)
			}
			for _, dir := range []string{folder, shard} {
				if names, _ := f.names(dir); slices.ContainsFunc(names, isTemp) {
					t.Errorf("in %s: %v", dir, names)
				}
			}
			// A repetition succeeds, and whatever was left does no harm.
			if err := c.do(s); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// Only the sessions that cannot be ended are left, and the error says that some are.
func TestRevocationEndsAllItCan(t *testing.T) {
	ctx := context.Background()
	f := newFaulty()
	s := opened(t, f, Options{})
	for n := range 5 {
		create(t, s, record(t, n, "alice"))
	}
	f.failAt, f.err = call{"remove", recordName(keyOf(3))}, syscall.EIO
	n, err := s.RevokeSubject(ctx, "alice", now)
	if n != 4 || !errors.Is(err, syscall.EIO) {
		t.Errorf("RevokeSubject: %d, %v", n, err)
	}
	f.failAt = call{}
	if n, err := s.RevokeSubject(ctx, "alice", now); n != 1 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

// Half of a revocation is not a success.
func TestAnInterruptedRevocationSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := opened(t, hooked{fileSystem: newSim(), after: func(c call) {
		if c.op == "remove" {
			cancel()
		}
	}}, Options{})
	for n := range 5 {
		create(t, s, record(t, n, "alice"))
	}
	if n, err := s.RevokeSubject(ctx, "alice", now); n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("RevokeSubject: %d, %v", n, err)
	}
}

// Nothing but the index entry may go wrong silently, because it does no harm.
func TestAnIndexEntryThatCannotBeRemovedDoesNoHarm(t *testing.T) {
	ctx := context.Background()
	f := newFaulty()
	s := opened(t, f, Options{})
	create(t, s, record(t, 1, "alice"))
	f.failAt, f.err = call{"remove", subjectsDir}, syscall.EIO
	if err := s.Delete(ctx, keyOf(1)); err != nil {
		t.Errorf("Delete: %v", err)
	}
	f.failAt = call{}
	if page, _, err := s.List(ctx, beaker.ListQuery{Subject: "alice"}); len(page) != 0 || err != nil {
		t.Errorf("List: %v, %v", page, err)
	}
	if _, err := s.Purge(ctx, now, 10); err != nil {
		t.Error(err)
	}
	if names, _ := f.names(shardName(firstByte(subjectHash("alice")))); len(names) != 0 {
		t.Errorf("after Purge: %v", names)
	}
}

// A rotation that was made, but whose acknowledgement was lost, is made sure of when
// it is asked for again: the one who made it may have been killed before the sync.
func TestARepeatedRotationIsSynced(t *testing.T) {
	ctx := context.Background()
	f := newFaulty()
	s := opened(t, f, Options{})
	create(t, s, record(t, 1, ""))
	ch := &beaker.Change{Now: now, Proof: beaker.Proof{1}, Rotate: &beaker.Rotation{Next: beaker.Proof{2}}}
	f.failAt, f.err = call{"syncdir", folderName(keyOf(1)[0])}, syscall.EIO
	for range 2 {
		if _, err := s.Apply(ctx, keyOf(1), ch); !errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("Apply on a disk that does not sync: %v", err)
		}
	}
	f.failAt = call{}
	if v, err := s.Apply(ctx, keyOf(1), ch); v != 2 || err != nil {
		t.Errorf("Apply: %d, %v", v, err)
	}
}
