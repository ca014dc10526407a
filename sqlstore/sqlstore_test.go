package sqlstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker/sqlstore"
)

var dialects = []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL}

func TestDialectNames(t *testing.T) {
	for d, want := range map[sqlstore.Dialect]string{
		sqlstore.SQLite: "SQLite", sqlstore.PostgreSQL: "PostgreSQL", sqlstore.MySQL: "MySQL", 0: "Dialect(0)", 9: "Dialect(9)",
	} {
		if got := d.String(); got != want {
			t.Errorf("String of %d is %q, want %q", int(d), got, want)
		}
	}
}

// SQ-1: every name in the SQL that people run is quoted.
func TestMigrationSQLQuotesEveryName(t *testing.T) {
	for _, d := range dialects {
		o := &sqlstore.Options{Table: "Order"}
		quote := map[sqlstore.Dialect]string{sqlstore.SQLite: `"`, sqlstore.PostgreSQL: `"`, sqlstore.MySQL: "`"}[d]
		if d != sqlstore.SQLite {
			o.Schema = "select"
		}
		text, err := sqlstore.MigrationSQL(d, 0, o)
		if err != nil {
			t.Fatal(err)
		}
		rest := text
		for n := 0; ; n++ {
			i := strings.Index(rest, "Order")
			if i < 0 {
				if n < 10 {
					t.Errorf("%v: the table is named %d times only:\n%s", d, n, text)
				}
				break
			}
			end := i + len("Order")
			for end < len(rest) && (rest[end] == '_' || rest[end] >= 'a' && rest[end] <= 'z') {
				end++
			}
			if rest[i-1:i] != quote || rest[end:end+1] != quote {
				t.Errorf("%v: a name that is not quoted: %s", d, rest[max(0, i-20):min(len(rest), end+10)])
			}
			rest = rest[end:]
		}
		if o.Schema != "" && !strings.Contains(text, quote+"select"+quote+"."+quote+"Order"+quote) {
			t.Errorf("%v: the schema is missing:\n%s", d, text)
		}
		if strings.ContainsAny(text, "{}?") || strings.Contains(text, "$1") {
			t.Errorf("%v: something was not filled in:\n%s", d, text)
		}
	}
}

func TestTableNamesHaveABound(t *testing.T) {
	for _, d := range dialects {
		for n, ok := range map[int]bool{1: true, 55: true, 56: false, 63: false} {
			_, err := sqlstore.MigrationSQL(d, 0, &sqlstore.Options{Table: strings.Repeat("t", n)})
			if (err == nil) != ok {
				t.Errorf("%v: a table name of %d bytes: %v", d, n, err)
			}
		}
	}
	for _, name := range []string{"sqlite_x", "SQLite_x"} {
		if _, err := sqlstore.MigrationSQL(sqlstore.SQLite, 0, &sqlstore.Options{Table: name}); err == nil {
			t.Errorf("the table name %s, which SQLite reserves, is accepted", name)
		}
	}
}

// What was released is never edited: see the golden files of the migration tests.
func TestVersion1IsAsItWas(t *testing.T) {
	for d, name := range map[sqlstore.Dialect]string{sqlstore.SQLite: "sqlite", sqlstore.PostgreSQL: "postgresql", sqlstore.MySQL: "mariadb"} {
		golden, err := os.ReadFile(filepath.Join("sqltest", "testdata", "v1-"+name+".sql"))
		if errors.Is(err, os.ErrNotExist) {
			t.Fatal("the golden files are missing: run the tests in the repository")
		} else if err != nil {
			t.Fatal(err)
		}
		tables, _, ok := strings.Cut(string(golden), "INSERT INTO golden_sessions ")
		text, err := sqlstore.MigrationSQL(d, 0, &sqlstore.Options{Table: "golden_sessions"})
		if err != nil {
			t.Fatal(err)
		}
		if !ok || !strings.HasPrefix(text, tables) {
			t.Errorf("%v: the migration to version 1 is not what it was:\n%s\nwant\n%s", d, text, tables)
		}
	}
}

func TestSQLiteDSN(t *testing.T) {
	const settings = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	for path, want := range map[string]string{
		"sessions.db":        "file:sessions.db",
		"data/sessions.db":   "file:data/sessions.db",
		"/data/sessions.db":  "file:/data/sessions.db",
		"//data/sessions.db": "file:/data/sessions.db",
		"a b?c#d%.db":        "file:a%20b%3Fc%23d%25.db",
	} {
		if got := sqlstore.SQLiteDSN(path); got != want+settings {
			t.Errorf("SQLiteDSN(%q) is %q, want %q", path, got, want+settings)
		}
	}
}
