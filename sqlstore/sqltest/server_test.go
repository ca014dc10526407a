package sqltest

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	servers "github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

func startPostgres(o servers.DatabaseOptions) (*servers.Database, error) {
	o.Ready = ready("pgx")
	return servers.PostgreSQL(background(), o)
}

func startMariaDB(o servers.DatabaseOptions) (*servers.Database, error) {
	o.Ready = ready("mysql")
	return servers.MariaDB(background(), o)
}

func ready(driver string) func(context.Context, string) error {
	return func(ctx context.Context, dsn string) error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		return db.PingContext(ctx)
	}
}

// shared is a server for all tests that do not stop it.
type shared struct {
	start func(servers.DatabaseOptions) (*servers.Database, error)
	once  sync.Once
	db    *servers.Database
	err   error
}

var (
	sharedPostgres = &shared{start: startPostgres}
	sharedMariaDB  = &shared{start: startMariaDB}
)

func (s *shared) dsn(tb testing.TB) string {
	tb.Helper()
	s.once.Do(func() { s.db, s.err = s.start(servers.DatabaseOptions{Hasty: true}) })
	if s.err != nil {
		tb.Fatalf("the tests need the server: %v", s.err)
	}
	select {
	case <-s.db.Done():
		tb.Fatalf("the server ended by itself:\n%s", s.db.Log())
	default:
	}
	return s.db.DSN
}

func (s *shared) stop() error {
	if s.db == nil {
		return nil
	}
	return s.db.Remove()
}

// own returns a server of the test's own.
func own(tb testing.TB, e engine, o servers.DatabaseOptions) *servers.Database {
	tb.Helper()
	srv, err := e.server(o)
	if err != nil {
		tb.Fatalf("the tests need the server: %v", err)
	}
	tb.Cleanup(func() {
		if err := srv.Remove(); err != nil {
			tb.Error(err)
		}
	})
	return srv
}

// durable returns the DSN of a database that syncs its commits to the disk, as in
// production. What is measured is measured there.
func durable(tb testing.TB, e engine) func(testing.TB) string {
	tb.Helper()
	if e.server == nil {
		return func(tb testing.TB) string { return sqlstore.SQLiteDSN(filepath.Join(tb.TempDir(), "sessions.db")) }
	}
	srv := own(tb, e, servers.DatabaseOptions{})
	return func(testing.TB) string { return srv.DSN }
}
