package filestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

const locksDir = "locks"

// A stripe is the lock of all sessions whose keys begin with one byte. Whoever
// changes one of their files, or one of the index entries that name them, holds it.
//
// The lock is on a file of its own and not on the session's: a rename replaces the
// inode, and two writers would hold locks on two files. It is a kernel's lock and
// not a file that exists or not: the kernel frees it when a process is killed.
//
// Nobody ever holds two stripes, so there is no order to keep and no deadlock.
type stripe struct {
	// turn is taken before the file is locked: the lock belongs to the descriptor,
	// which the whole process shares, so it does not keep goroutines apart. A channel
	// and not a Mutex, because waiting for it ends with the context.
	turn chan struct{}
	file lockFile // nil until the stripe is first used
}

// lock takes a stripe; s.unlock gives it back.
func (s *Store) lock(ctx context.Context, i byte) error {
	st := &s.stripes[i]
	select {
	case st.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return beaker.ErrClosed
	}
	if err := s.lockFile(ctx, st, i); err != nil {
		<-st.turn
		return err
	}
	return nil
}

var errLockRemoved = errors.New("the lock file keeps being removed while it is used")

func (s *Store) lockFile(ctx context.Context, st *stripe, i byte) error {
	// A flock that waits cannot be cancelled and takes a thread for as long as it
	// lasts, so this asks again and again. One goroutine a stripe does.
	const shortest, longest = time.Millisecond, 5 * time.Millisecond
	pause, removed := shortest, 0
	for {
		if st.file == nil {
			f, err := s.fs.openLock(lockName(i))
			if err != nil {
				return failed("open lock file", err)
			}
			st.file = f
		}
		locked, err := st.file.tryLock()
		if err != nil {
			return failed("lock", err)
		}
		if locked {
			// Somebody may have removed the file all the same; a lock on what has no
			// name any more keeps nobody out.
			gone, err := st.file.removed()
			if err == nil && !gone {
				if err = ctx.Err(); err != nil { // too late to begin
					s.unlockFile(st)
				}
				return err
			}
			_ = st.file.close() // which unlocks
			st.file = nil
			if err != nil {
				return failed("lock", err)
			}
			if removed++; removed > 100 {
				return failed("lock", fmt.Errorf("%s: %w", lockName(i), errLockRemoved))
			}
			continue
		}
		timer := time.NewTimer(pause)
		pause = min(pause+time.Millisecond, longest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-s.closing:
			timer.Stop()
			return beaker.ErrClosed
		}
	}
}

func (s *Store) unlock(i byte) {
	st := &s.stripes[i]
	s.unlockFile(st)
	<-st.turn
}

func (s *Store) unlockFile(st *stripe) {
	if err := st.file.unlock(); err != nil {
		// It must not stay locked. Closing the descriptor frees it for certain, and
		// the next writer opens another.
		_ = st.file.close()
		st.file = nil
	}
}
