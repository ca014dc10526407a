package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/seed12c5fab1/beaker"
)

var (
	_ beaker.Store          = (*Store)(nil)
	_ beaker.Lister         = (*Store)(nil)
	_ beaker.Purger         = (*Store)(nil)
	_ beaker.SubjectRevoker = (*Store)(nil)
	_ io.Closer             = (*Store)(nil)
)

// Options are the choices of a store. The zero value is the default. Migrate and all
// stores of the same tables must be given the same.
type Options struct {
	// Table is the table of sessions; empty means [DefaultTable]. Letters, digits and
	// underscores, at most 55, not beginning with a digit. It is quoted everywhere, so
	// reserved words and capital letters are as good as others. The tables TABLE_meta
	// and TABLE_revoked belong to it.
	Table string

	// Schema is the schema (PostgreSQL) or the database (MySQL) of the tables. Empty
	// means what the connection says: search_path, or the database of the DSN.
	Schema string

	// ErrorCode returns the engine's code in an error, for drivers that the package
	// does not know: five characters of SQLSTATE for PostgreSQL, the decimal number of
	// the error for MySQL, the decimal result code for SQLite. Empty means that there
	// is none, which is then looked for as without ErrorCode. Nil is right for pgx,
	// lib/pq, go-sql-driver/mysql and modernc.org/sqlite.
	ErrorCode func(error) string
}

// Store keeps sessions in a table. It is made by [New], is safe for concurrent use,
// and other processes may use the table at the same time. It must not be copied.
type Store struct {
	db *sql.DB
	e  *engine
	o  Options
	q  *queries

	owner string // of leases

	notRaw atomic.Bool // loadRaw met errNotRaw

	// Each method holds mu for reading, so that Close waits for those under way, and
	// what is called meanwhile finds it locked.
	mu   sync.RWMutex
	once sync.Once

	// Writers of one session take turns after their first try.
	turns [64]turn
	// writer is for engines with oneWriter. SQLite lets waiting writers poll, which is
	// unfair: one of them may wait for seconds. Here they queue. It is taken before
	// there is a connection: who holds one and waits for the turn would wait for somebody
	// who has the turn and waits for a connection.
	writer turn
}

// New returns a store for tables that Migrate made. It fails if something is wrong
// with the options, the connection, the tables or, in SQLite, the settings in the
// DSN, and says what to do.
//
// The database stays the caller's: Close does not close it.
func New(ctx context.Context, db *sql.DB, dialect Dialect, opts *Options) (*Store, error) {
	e, o, err := options(db, dialect, opts)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, e: e, o: o, q: defineQueries(e, &o), owner: rand.Text(), writer: newTurn()}
	for i := range s.turns {
		s.turns[i] = newTurn()
	}
	if err := e.retry(ctx, func() error { return s.check(ctx) }); err != nil {
		return nil, e.failed("check at start", err)
	}
	if e.keepStatements {
		if err := s.q.prepare(ctx, db); err != nil {
			return nil, e.failed("check at start", err)
		}
	}
	return s, nil
}

func options(db *sql.DB, dialect Dialect, opts *Options) (*engine, Options, error) {
	e, o, err := checkOptions(dialect, opts)
	if db == nil {
		err = errors.Join(errors.New("sqlstore: the database is nil: use sql.Open"), err)
	}
	return e, o, err
}

func checkOptions(dialect Dialect, opts *Options) (*engine, Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Table == "" {
		o.Table = DefaultTable
	}
	e := dialect.engine()
	if e == nil {
		return nil, o, fmt.Errorf("sqlstore: %v: use SQLite, PostgreSQL or MySQL", dialect)
	}
	e.hook = o.ErrorCode
	return e, o, checkNames(e, &o)
}

// Close waits for the methods under way and gives back the prepared statements. It
// may be called again. The database is not closed.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		s.mu.Lock() // and never unlocked
		err = s.q.close()
	})
	return err
}

// begin starts a method; if it returns nil, the method ends with s.mu.RUnlock.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.mu.TryRLock() { // it fails if Close waits or has been, and not otherwise
		return beaker.ErrClosed
	}
	return nil
}

// turn is a mutex whose wait ends with a context. Those who wait are served in order.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }
