package filestore

// The tests of this package, unlike those of filestore_test, see the calls between
// the store and the operating system: no test from outside can cut the power, fill
// the disk or stop a sign-in half way. This file has what they share.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

const now = beaker.Millis(1_800_000_000_000)

func keyOf(n int) beaker.RecordKey {
	return beaker.RecordKey(sha256.Sum256(fmt.Appendf(nil, "key %d", n)))
}

func record(t testing.TB, n int, subject string) *beaker.Record {
	t.Helper()
	m := beaker.Meta{
		Key: keyOf(n), Proof: beaker.Proof{1}, Version: 1, Created: now, Touched: now,
		Idle: time.Hour, Absolute: now.Add(12 * time.Hour),
	}
	if subject != "" {
		m.Subject, m.AuthenticatedAt = subject, now
	}
	rec, err := beaker.NewRecord(m, []beaker.Value{{Name: "n", Data: bytes.Repeat([]byte("x"), 100)}})
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func opened(t testing.TB, fsys fileSystem, o Options) *Store {
	t.Helper()
	s, err := open(fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func onDisk(t testing.TB, dir string) fileSystem {
	t.Helper()
	fsys, err := openDir(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func create(t testing.TB, s *Store, rec *beaker.Record) {
	t.Helper()
	if err := s.Create(context.Background(), rec); err != nil {
		t.Fatal(err)
	}
}

// call is one call of the store to the operating system, such as "rename 5e/5e0c...".
// Temporary names are all written as "temp".
type call struct{ op, name string }

func (c call) String() string {
	dir, base := path.Split(c.name)
	if isTemp(base) {
		base = "temp"
	}
	return c.op + " " + dir + base
}

// hooked lets a test see, fail and delay the calls to another file system.
type hooked struct {
	fileSystem
	before func(call) error // an error is what the call fails with
	after  func(call)
}

func (h hooked) do(op, name string, f func() error) error {
	c := call{op, name}
	if h.before != nil {
		if err := h.before(c); err != nil {
			return err
		}
	}
	if err := f(); err != nil {
		return err
	}
	if h.after != nil {
		h.after(c)
	}
	return nil
}

func (h hooked) mkdir(name string) error {
	return h.do("mkdir", name, func() error { return h.fileSystem.mkdir(name) })
}

func (h hooked) create(name string) (f file, err error) {
	err = h.do("create", name, func() (err error) { f, err = h.fileSystem.create(name); return err })
	if err != nil {
		return nil, err
	}
	return hookedFile{f, h, name}, nil
}

func (h hooked) read(name string, buf []byte) (b []byte, err error) {
	err = h.do("read", name, func() (err error) { b, err = h.fileSystem.read(name, buf); return err })
	return b, err
}

func (h hooked) exists(name string) (ok bool, err error) {
	err = h.do("exists", name, func() (err error) { ok, err = h.fileSystem.exists(name); return err })
	return ok, err
}

// rename has the new name: what is renamed is always a temporary file.
func (h hooked) rename(from, to string) error {
	return h.do("rename", to, func() error { return h.fileSystem.rename(from, to) })
}

func (h hooked) remove(name string) error {
	return h.do("remove", name, func() error { return h.fileSystem.remove(name) })
}

func (h hooked) setTime(name string, t time.Time) error {
	return h.do("time", name, func() error { return h.fileSystem.setTime(name, t) })
}

func (h hooked) names(dir string) (names []string, err error) {
	err = h.do("list", dir, func() (err error) { names, err = h.fileSystem.names(dir); return err })
	return names, err
}

func (h hooked) syncDir(dir string) error {
	return h.do("syncdir", dir, func() error { return h.fileSystem.syncDir(dir) })
}

func (h hooked) openLock(name string) (lockFile, error) {
	f, err := h.fileSystem.openLock(name)
	return hookedLock{f, h, name}, err
}

type hookedFile struct {
	file
	h    hooked
	name string
}

func (f hookedFile) Write(b []byte) (n int, err error) {
	err = f.h.do("write", f.name, func() (err error) { n, err = f.file.Write(b); return err })
	return n, err
}

func (f hookedFile) Sync() error { return f.h.do("sync", f.name, f.file.Sync) }

func (f hookedFile) Close() error {
	if err := f.h.do("close", f.name, func() error { return nil }); err != nil {
		_ = f.file.Close()
		return err
	}
	return f.file.Close()
}

type hookedLock struct {
	lockFile
	h    hooked
	name string
}

func (l hookedLock) tryLock() (ok bool, err error) {
	op := "lock"
	if err := l.h.do("trylock", l.name, func() (err error) { ok, err = l.lockFile.tryLock(); return err }); err != nil {
		return false, err
	}
	if !ok {
		op = "busy"
	}
	return ok, l.h.do(op, l.name, func() error { return nil })
}

func (l hookedLock) unlock() error { return l.h.do("unlock", l.name, l.lockFile.unlock) }

// simFS is a file system that can lose its power. It keeps only promises that POSIX
// makes: a file's bytes are on the disk after its sync, and an entry of a folder after
// that folder's; of everything else any part may be there, or not.
type simFS struct {
	mu    *sync.Mutex
	root  *node
	locks map[string]bool
}

type node struct {
	dir bool

	data, synced []byte

	entries, durable map[string]*node
	pending          []map[string]*node // changes of entries since the last sync; nil: removed
}

func newDir() *node {
	return &node{dir: true, entries: map[string]*node{}, durable: map[string]*node{}}
}

func newSim() *simFS { return &simFS{mu: new(sync.Mutex), root: newDir(), locks: map[string]bool{}} }

func (n *node) change(names map[string]*node) {
	for name, to := range names {
		if to == nil {
			delete(n.entries, name)
		} else {
			n.entries[name] = to
		}
	}
	n.pending = append(n.pending, names)
}

// find returns the folder and the entry, which may be nil.
func (s *simFS) find(name string) (dir, entry *node, base string, err error) {
	dir, base = s.root, path.Base(name)
	if d := path.Dir(name); d != "." {
		for part := range strings.SplitSeq(d, "/") {
			if dir = dir.entries[part]; dir == nil {
				return nil, nil, "", fs.ErrNotExist
			}
		}
	}
	return dir, dir.entries[base], base, nil
}

func (s *simFS) add(name string, n *node) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, old, base, err := s.find(name)
	if err != nil {
		return err
	}
	if old != nil {
		return fs.ErrExist
	}
	dir.change(map[string]*node{base: n})
	return nil
}

func (s *simFS) mkdir(name string) error { return s.add(name, newDir()) }

func (s *simFS) create(name string) (file, error) {
	n := &node{}
	return simFile{s, n}, s.add(name, n)
}

func (s *simFS) get(name string) (*node, error) {
	if name == "." {
		return s.root, nil
	}
	_, n, _, err := s.find(name)
	if err == nil && n == nil {
		err = fs.ErrNotExist
	}
	return n, err
}

func (s *simFS) read(name string, buf []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.get(name)
	if err != nil {
		return nil, err
	}
	return append(buf, n.data...), nil
}

func (s *simFS) exists(name string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, _ := s.get(name)
	return n != nil, nil
}

func (s *simFS) rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, n, old, err := s.find(from)
	if err != nil || n == nil {
		return fs.ErrNotExist
	}
	dir.change(map[string]*node{old: nil, path.Base(to): n})
	return nil
}

func (s *simFS) remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, n, base, err := s.find(name)
	if err != nil || n == nil {
		return fs.ErrNotExist
	}
	dir.change(map[string]*node{base: nil})
	return nil
}

func (s *simFS) setTime(string, time.Time) error { return nil }

func (s *simFS) names(dir string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.get(dir)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(n.entries)), nil
}

func (s *simFS) syncDir(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.get(dir)
	if err != nil {
		return err
	}
	n.durable, n.pending = maps.Clone(n.entries), nil
	return nil
}

func (s *simFS) close() error { return nil }

func (s *simFS) openLock(name string) (lockFile, error) { return simLock{s, name}, nil }

type simLock struct {
	s    *simFS
	name string
}

func (l simLock) tryLock() (bool, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.s.locks[l.name] {
		return false, nil
	}
	l.s.locks[l.name] = true
	return true, nil
}

func (l simLock) unlock() error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.locks[l.name] = false
	return nil
}

func (l simLock) removed() (bool, error) { return false, nil }
func (l simLock) close() error           { return nil }

type simFile struct {
	s *simFS
	n *node
}

func (f simFile) Write(b []byte) (int, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.n.data = append(f.n.data, b...)
	return len(b), nil
}

func (f simFile) Sync() error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.n.synced = bytes.Clone(f.n.data)
	return nil
}

func (f simFile) Close() error { return nil }

// powerLoss returns what is on the disk: all that was synced, and of the rest each
// part for which keep says so.
func (s *simFS) powerLoss(keep func() bool) *simFS {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := newSim()
	left.root = s.root.powerLoss(keep, map[*node]*node{})
	return left
}

func (n *node) powerLoss(keep func() bool, seen map[*node]*node) *node {
	if left := seen[n]; left != nil {
		return left
	}
	if !n.dir {
		left := &node{data: bytes.Clone(n.synced)}
		if !bytes.Equal(n.data, n.synced) && keep() {
			left.data = bytes.Clone(n.data[:len(n.data)/2])
		}
		left.synced = left.data
		seen[n] = left
		return left
	}
	left := newDir()
	seen[n] = left
	entries := maps.Clone(n.durable)
	for _, names := range n.pending {
		if !keep() {
			continue
		}
		for name, to := range names {
			if to == nil {
				delete(entries, name)
			} else {
				entries[name] = to
			}
		}
	}
	for name, to := range entries {
		left.entries[name] = to.powerLoss(keep, seen)
	}
	left.durable = maps.Clone(left.entries)
	return left
}

// losses are the ways in which the power can fail: all that was not synced is lost,
// none is, or some.
func losses(seed uint64) map[string]func() bool {
	r := rand.New(rand.NewPCG(seed, 1))
	return map[string]func() bool{
		"everything that was not synced is lost": func() bool { return false },
		"entries are there, bytes are not":       func() bool { return true },
		"some of it is lost":                     func() bool { return r.IntN(2) == 0 },
	}
}
