package backend

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	// SQLite translated to Go: whoever runs the demo needs no C compiler.
	_ "modernc.org/sqlite"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

func openSQLite(ctx context.Context, r request, cfg *beaker.Config) (*Backend, error) {
	switch r.arg {
	case "":
		return nil, errors.New("which file? say sqlite:PATH, for example sqlite:beaker-data/sessions.db")
	case ":memory:":
		return nil, errors.New("a database in memory is one for each connection: say --store memory")
	}
	if strings.HasPrefix(r.arg, "//") {
		// As in URLs elsewhere, of which some mean the root folder by it and some do not.
		return nil, errors.New("what follows sqlite: is a path, without //: say sqlite:beaker-data/sessions.db, or sqlite:/srv/sessions.db")
	}
	if err := makePrivate(r.arg); err != nil {
		return nil, err
	}
	// An absolute path is nothing but a path, whatever the name looks like.
	path, err := filepath.Abs(r.arg)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return nil, err
	}
	return openSQL(ctx, db, sqlstore.SQLite, r.arg, cfg)
}

// makePrivate makes the file, and the folder that it is in, for the owner only: SQLite
// would leave the mode to the umask. The files that SQLite puts beside it get the same
// mode from it. What others can read holds what sessions hold, and with what they can
// write to they can sign in as anybody.
func makePrivate(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		if err := f.Close(); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// The file is not opened if it is there: on Unix, closing it would release the
	// locks of everything else in this process that has it open.
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	folder, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file: choose another path", path)
	case runtime.GOOS == "windows":
		return nil // its modes say nothing about others
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s can be used by others than its owner (mode %04o): chmod 600 it, or choose another path", path, info.Mode().Perm())
	case folder.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written to by others (mode %04o), who could replace the database: chmod go-w it, or choose another folder", dir, folder.Mode().Perm())
	}
	return nil
}
