//go:build linux

package scale

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// The rows that nobody reads are made by the database itself, of one that the store has
// made: another hash, everything else the same. A tenth of them has expired.
const (
	fillSQLite = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<?)
INSERT INTO %[1]s (hash,proof,version,subject,created,accessed,idle,absolute,expires,data,authenticated)
SELECT randomblob(32),proof,version,CASE WHEN i%%2=1 THEN 'user '||(i/5) END,created,accessed,idle,absolute,CASE WHEN i%%10=0 THEN ?+i%%1000 ELSE expires END,data,authenticated
FROM n, (SELECT * FROM %[1]s WHERE hash=?)`
	fillPostgreSQL = `INSERT INTO %[1]s (hash,proof,version,subject,created,accessed,idle,absolute,expires,data,authenticated)
SELECT sha256(int8send(i)),proof,version,CASE WHEN i%%2=1 THEN 'user '||(i/5) END,created,accessed,idle,absolute,CASE WHEN i%%10=0 THEN $2::bigint+i%%1000 ELSE expires END,data,authenticated
FROM generate_series(0,$1::bigint-1) i, (SELECT * FROM %[1]s WHERE hash=$3) t`
	// In the order of the keys, as InnoDB keeps rows, and with the indexes made afterwards:
	// each row in any order would be a page to read and to write. MariaDB leaves out the
	// order of a subquery that has no limit.
	fillMariaDB = `INSERT INTO %[1]s (hash,proof,version,subject,created,accessed,idle,absolute,expires,data,authenticated)
SELECT h,proof,version,CASE WHEN i%%2=1 THEN CONCAT('user ',i DIV 5) END,created,accessed,idle,absolute,CASE WHEN i%%10=0 THEN ?+i%%1000 ELSE expires END,data,authenticated
FROM (SELECT UNHEX(SHA2(seq,256)) h, seq i FROM seq_0_to_%[2]d ORDER BY h LIMIT %[3]d) n, (SELECT * FROM %[1]s WHERE hash=?) t`
)

func (r *report) sqlite() error {
	dir, err := r.env.Dir()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "sessions.db")
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return err
	}
	defer db.Close()
	fill := func(ctx context.Context, table string, n int, ended beaker.Millis, key []byte) error {
		// Of this one connection: it would take hours with the settings that sessions need.
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		for _, text := range []string{"PRAGMA synchronous=OFF", "PRAGMA cache_size=-2000000"} {
			if _, err := conn.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		if _, err := conn.ExecContext(ctx, fmt.Sprintf(fillSQLite, table), n, int64(ended), key); err != nil {
			return err
		}
		for _, text := range []string{"PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA synchronous=FULL", "PRAGMA cache_size=-2000"} {
			if _, err := conn.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		return nil
	}
	size := func() (int64, error) {
		fi, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		return fi.Size(), nil
	}
	return r.rows(db, sqlstore.SQLite, fill, size)
}

func (r *report) postgresql() error {
	dsn, err := r.env.Address(r.ctx, "postgresql")
	if err != nil {
		return err
	}
	_ = stdlib.GetDefaultDriver() // registers "pgx"
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	fill := func(ctx context.Context, table string, n int, ended beaker.Millis, key []byte) error {
		if _, err := db.ExecContext(ctx, fmt.Sprintf(fillPostgreSQL, table), n, int64(ended), key); err != nil {
			return err
		}
		_, err := db.ExecContext(ctx, "ANALYZE "+table)
		return err
	}
	size := func() (n int64, err error) {
		err = db.QueryRowContext(r.ctx, `SELECT pg_total_relation_size('scale_sessions')`).Scan(&n)
		return n, err
	}
	return r.rows(db, sqlstore.PostgreSQL, fill, size)
}

func (r *report) mariadb() error {
	dsn, err := r.env.Address(r.ctx, "mariadb")
	if err != nil {
		return err
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	fill := func(ctx context.Context, table string, n int, ended beaker.Millis, key []byte) error {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("ALTER TABLE %[1]s DROP INDEX %[1]s_expires, DROP INDEX %[1]s_subject", table)); err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, fmt.Sprintf(fillMariaDB, table, n-1, n), int64(ended), key); err != nil {
			return err
		}
		for _, text := range []string{"ALTER TABLE %[1]s ADD INDEX %[1]s_expires (expires), ADD INDEX %[1]s_subject (subject, hash)", "ANALYZE TABLE %[1]s"} {
			if _, err := db.ExecContext(ctx, fmt.Sprintf(text, table)); err != nil {
				return err
			}
		}
		return nil
	}
	size := func() (n int64, err error) {
		err = db.QueryRowContext(r.ctx, `SELECT file_size FROM information_schema.innodb_sys_tablespaces WHERE name=CONCAT(DATABASE(),'/scale_sessions')`).Scan(&n)
		return n, err
	}
	return r.rows(db, sqlstore.MySQL, fill, size)
}

func (r *report) rows(db *sql.DB, d sqlstore.Dialect, fill func(ctx context.Context, table string, n int, ended beaker.Millis, key []byte) error, size func() (int64, error)) (err error) {
	opts := &sqlstore.Options{Table: "scale_sessions"}
	if err := sqlstore.Migrate(r.ctx, db, d, opts); err != nil {
		return err
	}
	s, err := sqlstore.New(r.ctx, db, d, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	now, rnd := beaker.MillisOf(time.Now()), rand.New(rand.NewPCG(3, 3)) //nolint:gosec // sessions for nobody
	var keys []beaker.RecordKey
	for range min(1000, r.sizes.Rows) {
		rec, err := record(rnd, now, 12*time.Hour, "")
		if err != nil {
			return err
		}
		if err := s.Create(r.ctx, rec); err != nil {
			return err
		}
		keys = append(keys, rec.Key())
	}
	l, err := probe(r.ctx, s, keys, r.sizes.Probes/20, nil)
	if err != nil {
		return err
	}
	r.line("   %d rows: loads %v", len(keys), l)

	began := time.Now()
	if err := fill(r.ctx, opts.Table, r.sizes.Rows, now.Add(-time.Hour), keys[0][:]); err != nil {
		return err
	}
	bytes, err := size()
	if err != nil {
		return err
	}
	r.line("   %d rows: filled in %v, %d bytes each with indexes", r.sizes.Rows, time.Since(began).Round(time.Millisecond), bytes/int64(r.sizes.Rows))
	if l, err = probe(r.ctx, s, keys, r.sizes.Probes/20, nil); err != nil {
		return err
	}
	r.line("   loads: %v", l)
	var writes latencies
	for range max(100, r.sizes.Probes/200) {
		rec, err := record(rnd, now, 12*time.Hour, "")
		if err != nil {
			return err
		}
		from := time.Now()
		if err := s.Create(r.ctx, rec); err != nil {
			return err
		}
		writes = append(writes, time.Since(from))
	}
	r.line("   creates: %v", writes)
	return r.purge(s, s, keys, now, (r.sizes.Rows+9)/10)
}
