package floor

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// files keeps each record in a file, which is replaced by renaming another one.
type files struct {
	dir  string
	sync bool // file and folder, so that a power failure loses nothing that was answered
}

// File keeps sessions in the files of a folder. With sync they are on the disk before
// a request is answered.
func File(dir string, sync bool) *contest.Site { return site(&files{dir, sync}, binaryForm) }

func (t *files) path(id string) string { return filepath.Join(t.dir, filepath.Base(id)) }

func (t *files) get(_ context.Context, id string) (string, error) {
	if id == "" {
		return "", errNoSession
	}
	b, err := os.ReadFile(t.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNoSession
	}
	return string(b), err
}

func (t *files) create(_ context.Context, id, rec string) error {
	temp := filepath.Join(t.dir, ".tmp-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(rec)
	if err == nil && t.sync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp, t.path(id))
	}
	if err != nil {
		return err
	}
	return t.syncDir()
}

func (t *files) syncDir() error {
	if !t.sync {
		return nil
	}
	d, err := os.Open(t.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (t *files) replace(ctx context.Context, id, _, rec string) error { return t.create(ctx, id, rec) }

func (t *files) rename(ctx context.Context, old, id, rec string) error {
	if err := t.create(ctx, id, rec); err != nil {
		return err
	}
	if err := os.Remove(t.path(old)); err != nil {
		return err
	}
	return t.syncDir()
}
