package sqltest

import (
	"path/filepath"
	"testing"

	"github.com/seed12c5fab1/beaker/sqlstore"
)

// durable returns the DSN of a database that syncs its commits to the disk, as in
// production. What is measured is measured there.
func durable(tb testing.TB, e engine) func(testing.TB) string {
	tb.Helper()
	var k kind
	switch e.dialect {
	case sqlstore.PostgreSQL:
		k = postgres
	case sqlstore.MySQL:
		k = mariadb
	default:
		return func(tb testing.TB) string { return sqlstore.SQLiteDSN(filepath.Join(tb.TempDir(), "sessions.db")) }
	}
	srv, err := install(k)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(srv.remove)
	if err := srv.up(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(srv.down)
	return func(testing.TB) string { return srv.dsn() }
}
