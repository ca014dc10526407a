package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// replace makes data the content of name, which lies in dir: all of it and on the
// disk when it returns nil, none of it after an error that is not ErrUncertain. The
// stripe of dir's number is locked, so that nobody removes the temporary file.
func (s *Store) replace(op string, dirSynced *atomic.Bool, dir, name string, data []byte, used time.Time) error {
	var temp string
	f, err := s.inDir(dirSynced, dir, func() (file, error) {
		temp = tempName(dir)
		return s.fs.create(temp)
	})
	if err != nil {
		return failed(op, err)
	}
	if err := s.fill(f, temp, data, used); err != nil {
		// If it cannot be removed, it stays until the next Purge.
		_ = s.fs.remove(temp)
		return failed(op, err)
	}
	if err := s.fs.rename(temp, name); err != nil {
		if rerr := s.fs.remove(temp); rerr != nil {
			// Either it has the new name after all, or nothing works here any more.
			return uncertain(op, err)
		}
		return failed(op, err)
	}
	if err := s.syncDir(dir); err != nil {
		return uncertain(op+": sync folder", err)
	}
	return nil
}

func (s *Store) fill(f file, temp string, data []byte, used time.Time) error {
	_, err := f.Write(data)
	if err == nil {
		// Without it the file has the time of this very moment, which is no worse.
		_ = s.fs.setTime(temp, used)
		if !s.noSync {
			err = f.Sync()
		}
	}
	return errors.Join(err, f.Close())
}

// inDir makes a file in dir, and dir itself where it is missing: because it was
// never needed, or because somebody tidied away an empty folder.
func (s *Store) inDir(synced *atomic.Bool, dir string, create func() (file, error)) (file, error) {
	const tries = 100 // somebody tidies away in a loop
	for i := 0; ; i++ {
		// Once a process, also if the folder is there: whoever made it may have been
		// killed before its entry was synced.
		if !synced.Load() {
			if err := s.mkdir(dir); err != nil {
				return nil, err
			}
			synced.Store(true)
		}
		f, err := create()
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		if i == tries {
			return nil, fmt.Errorf("folder %s cannot be made, or is removed all the time: %w", dir, err)
		}
		synced.Store(false)
	}
}

// mkdir makes a folder where there is none, and syncs its entry.
func (s *Store) mkdir(dir string) error {
	if err := s.fs.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if !errors.Is(err, fs.ErrNotExist) || parentOf(dir) == "." {
			return err
		}
		// subjects itself was removed.
		if err := s.mkdir(parentOf(dir)); err != nil {
			return err
		}
		if err := s.fs.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return s.syncDir(parentOf(dir))
}

func (s *Store) syncDir(dir string) error {
	if s.noSync {
		return nil
	}
	err := s.fs.syncDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever stored there, or somebody removed it with all that it held
	}
	return err
}

// fileTime is the modification time of a record that was last used at m.
func fileTime(m beaker.Millis) time.Time {
	t := m.Time()
	if t.IsZero() {
		t = time.UnixMilli(0) // the zero time would mean: leave it
	}
	if t.After(farFuture) { // not every year fits into a file's time
		t = farFuture
	}
	return t
}
