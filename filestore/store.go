package filestore

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/seed12c5fab1/beaker"
)

// Options are the choices of a store. The zero value is the safe one.
type Options struct {
	// NoSync leaves it to the operating system when to write to the disk. Writes
	// take half the time or less, and a crash of the process still loses nothing. A
	// power failure or a crash of the system may lose the changes of the last
	// seconds, and not in their order: a session that was ended, by logout or by a
	// revocation, may be back, and a record may be damaged.
	NoSync bool

	// InsecureNetworkFS accepts a directory on NFS, SMB, FUSE and the like. Writes
	// may then be lost or undone, logouts included, unless you know that this file
	// system's locks exclude all of its clients, that a rename is atomic for them
	// and that a sync reaches the disk.
	InsecureNetworkFS bool
}

// Store keeps sessions in the files of one directory. It is made by [Open], is safe
// for concurrent use, and other processes may use the directory at the same time.
// It must not be copied.
type Store struct {
	fs     fileSystem
	noSync bool

	// Each method holds mu for reading, so that Close waits for those under way;
	// closing ends their waiting for locks.
	mu      sync.RWMutex
	closing chan struct{}
	once    sync.Once
	closed  bool

	stripes [256]stripe

	// Folders whose entry in their parent is known to be on the disk.
	folderSynced, shardSynced [256]atomic.Bool

	// Where the next Purge goes on. Only a saving: any value is right.
	purgeMu sync.Mutex
	sweep   sweepPosition
}

var (
	_ beaker.Store          = (*Store)(nil)
	_ beaker.Lister         = (*Store)(nil)
	_ beaker.Purger         = (*Store)(nil)
	_ beaker.SubjectRevoker = (*Store)(nil)
	_ io.Closer             = (*Store)(nil)
)

// Open opens the store in a directory and makes it if there is none, with mode 0700.
// Nil Options are the defaults.
//
// It fails if dir is not a directory, belongs to another user, can be written to by
// others, or is on a network file system; the error names everything that is wrong
// and what to do.
func Open(dir string, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	fsys, err := openDir(dir, o)
	if err != nil {
		return nil, err
	}
	s, err := open(fsys, o)
	if err != nil {
		_ = fsys.close() // the error at hand says more
		return nil, err
	}
	return s, nil
}

func open(fsys fileSystem, o Options) (*Store, error) {
	s := &Store{fs: fsys, noSync: o.NoSync, closing: make(chan struct{})}
	for i := range s.stripes {
		s.stripes[i].turn = make(chan struct{}, 1)
	}
	for _, name := range [...]string{locksDir, subjectsDir} {
		if err := s.mkdir(name); err != nil {
			return nil, failed("make folder", err)
		}
	}
	return s, nil
}

// Close waits for the methods under way, and gives back all descriptors. Those that
// wait for a lock, list or purge end early, with [beaker.ErrClosed]. It may be called
// again.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true
		for i := range s.stripes {
			if f := s.stripes[i].file; f != nil {
				_ = f.close() // nothing was written to it
			}
		}
		err = s.fs.close()
	})
	return err
}

// begin starts a method; if it returns nil, the method ends with s.mu.RUnlock.
func (s *Store) begin(ctx context.Context) error {
	if err := s.interrupted(ctx); err != nil {
		return err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return beaker.ErrClosed
	}
	return nil
}

// interrupted says why a method that takes long should not go on.
func (s *Store) interrupted(ctx context.Context) error {
	select {
	case <-s.closing:
		return beaker.ErrClosed
	default:
		return ctx.Err()
	}
}
