package sqltest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker/sqlstore"
)

// No part of a DSN shows in an error's text.
func TestDSNSecretsStayOutOfErrors(t *testing.T) {
	const secret = "s3cr3t-Pa55"
	for _, c := range []struct {
		desc    string
		dialect sqlstore.Dialect
		driver  string
		dsn     string
	}{
		{"PostgreSQL, nobody listens", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1:1/db?sslmode=disable"},
		{"PostgreSQL, no such host", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@nowhere.invalid/db?connect_timeout=5"},
		{"PostgreSQL, not a DSN", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1:port/db"},
		{"PostgreSQL, words, not a DSN", sqlstore.PostgreSQL, "pgx", "host=127.0.0.1 password='" + secret + " port=x"},
		{"PostgreSQL, an unknown setting", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1/db?sslmode=" + secret},
		{"MariaDB, nobody listens", sqlstore.MySQL, "mysql", "u:" + secret + "@tcp(127.0.0.1:1)/db"},
		{"MariaDB, no such host", sqlstore.MySQL, "mysql", "u:" + secret + "@tcp(nowhere.invalid:3306)/db?timeout=5s"},
		{"SQLite, no such folder", sqlstore.SQLite, "sqlite", "file:/nowhere/" + "sessions.db?_pragma=busy_timeout(5000)&key=" + secret},
	} {
		t.Run(c.desc, func(t *testing.T) {
			db, err := sql.Open(c.driver, c.dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			_, nerr := sqlstore.New(t.Context(), db, c.dialect, nil)
			merr := sqlstore.Migrate(t.Context(), db, c.dialect, nil)
			for what, err := range map[string]error{"New": nerr, "Migrate": merr} {
				if err == nil {
					t.Errorf("%s: no error", what)
				} else if text := fmt.Sprintf("%v %+v %q", err, err, err); strings.Contains(text, secret) {
					t.Errorf("%s tells the secret: %s", what, text)
				} else {
					t.Logf("%s: %v", what, err)
				}
			}
		})
	}
}
