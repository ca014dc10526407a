package sqltest

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker/sqlstore"
)

func TestEachMissingSettingIsNamed(t *testing.T) {
	dir := t.TempDir()
	full := sqlstore.SQLiteDSN(filepath.Join(dir, "full.db"))
	settings := []string{"busy_timeout", "journal_mode", "synchronous"}
	without := map[string]string{
		"busy_timeout": "_pragma=busy_timeout(5000)&", "journal_mode": "_pragma=journal_mode(WAL)&", "synchronous": "_pragma=synchronous(FULL)&",
	}
	check := func(t *testing.T, dsn string, want ...string) {
		t.Helper()
		db, err := sql.Open("sqlite", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = sqlstore.New(t.Context(), db, sqlstore.SQLite, nil)
		if err == nil {
			t.Fatal("New: no error")
		}
		for _, name := range settings {
			if got, want := strings.Contains(err.Error(), "PRAGMA "+name), contains(want, name); got != want {
				t.Errorf("names %s: %t, want %t: %v", name, got, want, err)
			}
		}
	}
	for name, part := range without {
		dsn := strings.Replace(full, "full.db", name+".db", 1)
		dsn = strings.Replace(dsn, part, "", 1)
		if name == "synchronous" { // whose default is FULL
			dsn = strings.Replace(dsn, "&_txlock", "&_pragma=synchronous(NORMAL)&_txlock", 1)
		}
		check(t, dsn, name)
	}
	check(t, "file:"+filepath.Join(dir, "none.db")+"?_pragma=synchronous(OFF)", settings...)
	check(t, ":memory:?_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)", "journal_mode")

	// Made by a statement, a setting is on one connection of the pool only.
	db, err := sql.Open("sqlite", strings.Replace(full, without["busy_timeout"], "", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mustExec(t, db, "PRAGMA busy_timeout=5000")
	if _, err := sqlstore.New(t.Context(), db, sqlstore.SQLite, nil); err == nil || !strings.Contains(err.Error(), "busy_timeout") {
		t.Errorf("New with a setting on one connection: %v", err)
	}
	// A pool of one connection does not hang.
	one, err := sql.Open("sqlite", full)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	one.SetMaxOpenConns(1)
	if err := sqlstore.Migrate(t.Context(), one, sqlstore.SQLite, nil); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.New(t.Context(), one, sqlstore.SQLite, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	created(t, s, newMeta())
}

func contains(all []string, one string) bool {
	return strings.Contains("|"+strings.Join(all, "|")+"|", "|"+one+"|")
}

func TestSQLiteDSNReachesTheFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "a b.db", "a?b=c.db", "a#b.db", "a%20b.db", "ä&_pragma=x.db", "'q'.db", "x//y/../z.db"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
		if err != nil {
			t.Fatal(err)
		}
		if err := sqlstore.Migrate(t.Context(), db, sqlstore.SQLite, nil); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if s, err := sqlstore.New(t.Context(), db, sqlstore.SQLite, nil); err != nil {
			t.Errorf("%q: %v", name, err)
		} else if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
