package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// sqliteSettings are what the store needs of a connection: several connections, and
// processes, that write to one file without failing (WAL, and waiting for the lock),
// and commits that a power failure does not undo (FULL; with NORMAL, a logout may be
// lost).
const sqliteSettings = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"

// SQLiteDSN returns the DSN of an SQLite file for the driver modernc.org/sqlite, with
// the settings that the store needs. [New] checks them.
//
// The file and those beside it (-wal, -shm) are made with the rights that the umask
// leaves: put them into a folder of mode 0700.
func SQLiteDSN(path string) string {
	p := filepath.ToSlash(filepath.Clean(path))
	if filepath.VolumeName(path) != "" {
		p = "/" + p // file:/C:/...
	}
	if strings.HasPrefix(p, "//") {
		p = "//" + p // or the first part would be taken for a host
	}
	return "file:" + (&url.URL{Path: p}).EscapedPath() + "?" + sqliteSettings
}

// checkSQLite names every setting that is missing.
func checkSQLite(ctx context.Context, conn *sql.Conn) error {
	var errs []error
	missing := func(name, is, pragma, why string) {
		errs = append(errs, fmt.Errorf("PRAGMA %s is %s: put _pragma=%s into the DSN, or use sqlstore.SQLiteDSN: %s", name, is, pragma, why))
	}
	var timeout, synchronous int
	var journal string
	for name, into := range map[string]any{"busy_timeout": &timeout, "journal_mode": &journal, "synchronous": &synchronous} {
		if err := conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(into); err != nil {
			return fmt.Errorf("PRAGMA %s: %w", name, err)
		}
	}
	const minTimeout = 1000
	if timeout < minTimeout {
		missing("busy_timeout", fmt.Sprint(timeout), "busy_timeout(5000)", "writers would fail when they meet, instead of waiting")
	}
	if !strings.EqualFold(journal, "wal") {
		missing("journal_mode", journal, "journal_mode(WAL)", "a writer would stop all readers, and a database in memory is one for each connection")
	}
	const full = 2
	if synchronous < full {
		missing("synchronous", fmt.Sprint(synchronous), "synchronous(FULL)", "a power failure may undo a logout")
	}
	return errors.Join(errs...)
}
