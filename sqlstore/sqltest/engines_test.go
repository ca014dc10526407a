package sqltest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	servers "github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// engine is a database that a test runs on.
type engine struct {
	name    string
	dialect sqlstore.Dialect
	driver  string
	// dsn returns the DSN of a new or shared database.
	dsn func(tb testing.TB) string
	// server starts a server of its own; nil: there is none.
	server func(servers.DatabaseOptions) (*servers.Database, error)
}

var engines = []engine{
	{"SQLite", sqlstore.SQLite, "sqlite", func(tb testing.TB) string {
		return sqlstore.SQLiteDSN(filepath.Join(memoryDir(tb), "sessions.db"))
	}, nil},
	{"PostgreSQL", sqlstore.PostgreSQL, "pgx", sharedPostgres.dsn, startPostgres},
	{"MariaDB", sqlstore.MySQL, "mysql", sharedMariaDB.dsn, startMariaDB},
}

// each runs a test on every engine, on all of them at once: most of the time is spent
// waiting for one of them.
func each(t *testing.T, run func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			run(t, e)
		})
	}
}

// eachInTurn is each for what is measured or counted for the process as a whole.
func eachInTurn(t *testing.T, run func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { run(t, e) })
	}
}

// eachServer runs a test on every engine that has a server.
func eachServer(t *testing.T, run func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range engines {
		if e.server != nil {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				run(t, e)
			})
		}
	}
}

func TestMain(m *testing.M) {
	if run := os.Getenv(childVariable); run != "" {
		os.Exit(child(run))
	}
	code := leaks.Watch(m).Run()
	if err := errors.Join(sharedPostgres.stop(), sharedMariaDB.stop()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var tables atomic.Int64

// memoryDir returns a folder where syncing costs nothing, if there is one: that is most
// of what a test with SQLite waits for.
func memoryDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sqltest") //nolint:usetesting // TempDir is on the disk
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) }) // in the system's folder for temporary files
	return dir
}

// place is where stores are made: a database, and a table of its own in it.
type place struct {
	engine
	source string // the DSN
	opts   sqlstore.Options
}

// newPlace returns a migrated place.
func newPlace(tb testing.TB, e engine) *place {
	tb.Helper()
	p := emptyPlace(tb, e)
	db := p.open(tb)
	if err := sqlstore.Migrate(tb.Context(), db, e.dialect, &p.opts); err != nil {
		tb.Fatal(err)
	}
	return p
}

func emptyPlace(tb testing.TB, e engine) *place {
	tb.Helper()
	return &place{e, e.dsn(tb), sqlstore.Options{Table: fmt.Sprintf("t%d_%d", os.Getpid(), tables.Add(1))}}
}

// open returns a pool of its own, as another process has it.
func (p *place) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open(p.driver, p.source)
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("closing the pool: %v", err)
		}
	})
	return db
}

// store returns a store with a pool of its own.
func (p *place) store(tb testing.TB) *sqlstore.Store {
	tb.Helper()
	return p.storeOn(tb, p.open(tb))
}

func (p *place) storeOn(tb testing.TB, db *sql.DB) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.New(tb.Context(), db, p.dialect, &p.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

// quoted returns a name of the place's tables as SQL.
func (p *place) quoted(suffix string) string {
	quote := `"`
	if p.dialect == sqlstore.MySQL {
		quote = "`"
	}
	name := quote + p.opts.Table + suffix + quote
	if p.opts.Schema != "" {
		name = quote + p.opts.Schema + quote + "." + name
	}
	return name
}

func mustExec(tb testing.TB, db *sql.DB, statement string, args ...any) {
	tb.Helper()
	if _, err := db.ExecContext(tb.Context(), statement, args...); err != nil {
		tb.Fatalf("%.60s: %v", statement, err)
	}
}

func count(tb testing.TB, db *sql.DB, table string) int {
	tb.Helper()
	var n int
	if err := db.QueryRowContext(tb.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

var serial atomic.Uint64

func unique(what string) [32]byte {
	b := binary.BigEndian.AppendUint64([]byte(what), serial.Add(1))
	return sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(os.Getpid())))
}

const (
	epoch = beaker.Millis(1_800_000_000_000)
	hour  = time.Hour
)

// newMeta is an anonymous session of half an hour's idle time, begun at epoch.
func newMeta() beaker.Meta {
	return beaker.Meta{
		Key: unique("key"), Proof: unique("proof"), Version: 1, Created: epoch, Touched: epoch,
		Idle: 30 * time.Minute, Absolute: epoch.Add(12 * time.Hour),
	}
}

func newRecord(tb testing.TB, m beaker.Meta, pairs ...string) *beaker.Record {
	tb.Helper()
	rec, err := beaker.NewRecord(m, values(pairs...))
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func values(pairs ...string) []beaker.Value {
	var out []beaker.Value
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, beaker.Value{Name: pairs[i], Data: []byte(pairs[i+1])})
	}
	return out
}

// created returns a stored record.
func created(tb testing.TB, s beaker.Store, m beaker.Meta, pairs ...string) *beaker.Record {
	tb.Helper()
	rec := newRecord(tb, m, pairs...)
	if err := s.Create(tb.Context(), rec); err != nil {
		tb.Fatal(err)
	}
	return rec
}

func loaded(tb testing.TB, s beaker.Store, key beaker.RecordKey) *beaker.Record {
	tb.Helper()
	rec, err := s.Load(tb.Context(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

// changeOf is a change with the proof of rec, a second after its last use.
func changeOf(rec *beaker.Record) *beaker.Change {
	m := rec.Meta()
	return &beaker.Change{Now: m.Touched + 1000, Proof: m.Proof, Began: m.Touched + 1000}
}

func background() context.Context { return context.Background() }
