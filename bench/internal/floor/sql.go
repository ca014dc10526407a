package floor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite" // the driver of the SQLite floor

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/wire"
)

// rows keeps each record in a row of a table, by statements that were prepared.
type rows struct {
	calls                          atomic.Int64
	load, insert, update, renaming *sql.Stmt
}

const (
	sqlLoad   = `SELECT data FROM %s WHERE id=? AND expires>?`
	sqlInsert = `INSERT INTO %s (id, data, expires) VALUES (?, ?, ?)`
	sqlUpdate = `UPDATE %s SET data=? WHERE id=?`
	sqlRename = `UPDATE %s SET id=?, data=? WHERE id=?`
)

func newRows(ctx context.Context, db *sql.DB, create, table string) (*rows, error) {
	if _, err := db.ExecContext(ctx, fmt.Sprintf(create, table)); err != nil {
		return nil, err
	}
	t := &rows{}
	for into, text := range map[**sql.Stmt]string{&t.load: sqlLoad, &t.insert: sqlInsert, &t.update: sqlUpdate, &t.renaming: sqlRename} {
		stmt, err := db.PrepareContext(ctx, fmt.Sprintf(text, table)) //nolint:sqlclosecheck // it ends with db
		if err != nil {
			return nil, err
		}
		*into = stmt
	}
	return t, nil
}

func (t *rows) get(ctx context.Context, id string) (rec string, err error) {
	t.calls.Add(1)
	err = t.load.QueryRowContext(ctx, id, time.Now().UnixMilli()).Scan(&rec)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errNoSession
	}
	return rec, err
}

func (t *rows) exec(ctx context.Context, stmt *sql.Stmt, args ...any) error {
	t.calls.Add(1)
	_, err := stmt.ExecContext(ctx, args...)
	return err
}

func (t *rows) create(ctx context.Context, id, rec string) error {
	return t.exec(ctx, t.insert, id, []byte(rec), time.Now().Add(lifetime).UnixMilli())
}

func (t *rows) replace(ctx context.Context, id, _, rec string) error {
	return t.exec(ctx, t.update, []byte(rec), id)
}

func (t *rows) rename(ctx context.Context, old, id, rec string) error {
	return t.exec(ctx, t.renaming, id, []byte(rec), old)
}

// SQLite keeps sessions in an SQLite file in WAL mode. synchronous is the pragma: with
// FULL, what was answered is on the disk.
func SQLite(ctx context.Context, path, synchronous string) (*contest.Site, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	t, err := newRows(ctx, db, `CREATE TABLE %s (id TEXT PRIMARY KEY, data BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID`, "sessions")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := site(t, binaryForm)
	s.Trips, s.Close = t.calls.Load, db.Close
	return s, nil
}

// MariaDB keeps sessions in a table of MariaDB.
func MariaDB(ctx context.Context, dsn, table string) (*contest.Site, error) {
	var trips wire.Counter
	db, err := OpenMySQL(dsn, &trips)
	if err != nil {
		return nil, err
	}
	t, err := newRows(ctx, db, `CREATE TABLE %s (id CHAR(43) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, data BLOB NOT NULL, expires BIGINT NOT NULL)`, table)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := site(t, binaryForm)
	s.Trips, s.Close = trips.Trips, db.Close
	return s, nil
}

// OpenMySQL opens a database whose round trips are counted.
func OpenMySQL(dsn string, trips *wire.Counter) (*sql.DB, error) {
	return OpenMySQLDatabase(dsn, "", trips)
}

// OpenMySQLDatabase is OpenMySQL with another database than the DSN says.
func OpenMySQLDatabase(dsn, name string, trips *wire.Counter) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if name != "" {
		cfg.DBName = name
	}
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return trips.Dial(ctx, network, address)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// pgTable keeps each record in a row of PostgreSQL. pgx prepares the statements.
type pgTable struct {
	pool                           *pgxpool.Pool
	load, insert, update, renaming string
}

// PostgreSQL keeps sessions in a table of PostgreSQL.
func PostgreSQL(ctx context.Context, dsn, table string) (*contest.Site, error) {
	var trips wire.Counter
	pool, err := OpenPool(ctx, dsn, &trips)
	if err != nil {
		return nil, err
	}
	t := &pgTable{
		pool:     pool,
		load:     fmt.Sprintf(`SELECT data FROM %s WHERE id=$1 AND expires>$2`, table),
		insert:   fmt.Sprintf(`INSERT INTO %s (id, data, expires) VALUES ($1, $2, $3)`, table),
		update:   fmt.Sprintf(`UPDATE %s SET data=$1 WHERE id=$2`, table),
		renaming: fmt.Sprintf(`UPDATE %s SET id=$1, data=$2 WHERE id=$3`, table),
	}
	if _, err := pool.Exec(ctx, fmt.Sprintf(`CREATE TABLE %s (id text COLLATE "C" PRIMARY KEY, data bytea NOT NULL, expires bigint NOT NULL)`, table)); err != nil {
		pool.Close()
		return nil, err
	}
	s := site(t, binaryForm)
	s.Trips, s.Close = trips.Trips, func() error { pool.Close(); return nil }
	return s, nil
}

// OpenPool opens a pool whose round trips are counted.
func OpenPool(ctx context.Context, dsn string, trips *wire.Counter) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.DialFunc = trips.Dial
	return pgxpool.NewWithConfig(ctx, cfg)
}

func (t *pgTable) get(ctx context.Context, id string) (string, error) {
	var rec []byte
	err := t.pool.QueryRow(ctx, t.load, id, time.Now().UnixMilli()).Scan(&rec)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", errNoSession
	}
	return string(rec), err
}

func (t *pgTable) create(ctx context.Context, id, rec string) error {
	_, err := t.pool.Exec(ctx, t.insert, id, []byte(rec), time.Now().Add(lifetime).UnixMilli())
	return err
}

func (t *pgTable) replace(ctx context.Context, id, _, rec string) error {
	_, err := t.pool.Exec(ctx, t.update, []byte(rec), id)
	return err
}

func (t *pgTable) rename(ctx context.Context, old, id, rec string) error {
	_, err := t.pool.Exec(ctx, t.renaming, id, []byte(rec), old)
	return err
}
