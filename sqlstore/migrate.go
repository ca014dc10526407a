package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Migrate brings the tables to the version that this release works with, and makes
// them if there are none. It does nothing if they are, and then needs no right to
// change tables. Several nodes may call it at the same moment: one does the work, the
// others wait for it. It fails if the tables are newer than this release can know.
//
// Nodes of the release before work on the migrated tables, and Migrate leaves tables
// of the release after this one as they are.
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect, opts *Options) error {
	e, o, err := options(db, dialect, opts)
	if err != nil {
		return err
	}
	m := migration{e: e, o: o}
	if err := e.retry(ctx, func() error { return m.run(ctx, db) }); err != nil {
		return e.failed("migrate", err)
	}
	return nil
}

// MigrationSQL returns what Migrate would do to tables of a version, as SQL to be run
// by other means. Version 0 means that there are no tables. It is not guarded against
// being run twice at the same moment.
func MigrationSQL(dialect Dialect, from int, opts *Options) (string, error) {
	e, o, err := checkOptions(dialect, opts)
	if err != nil {
		return "", err
	}
	if from < 0 || from > schemaVersion {
		return "", fmt.Errorf("sqlstore: there is no version %d: use 0 to %d", from, schemaVersion)
	}
	var b strings.Builder
	write := func(statement string) {
		b.WriteString(e.sqlFor(&o, statement))
		b.WriteString(";\n")
	}
	if from == 0 {
		for _, statement := range schemaMeta {
			write(statement)
		}
	}
	for i, step := range schemaSteps()[from:] {
		for _, statement := range step {
			write(statement)
		}
		write(strings.Replace(setVersion, "?", strconv.Itoa(from+i+1), 1))
	}
	return b.String(), nil
}

type migration struct {
	e *engine
	o Options
}

func (m *migration) run(ctx context.Context, db *sql.DB) error {
	return onConn(ctx, db, func(conn *sql.Conn) error {
		// Most starts find nothing to do. Any error here is found again below, and told.
		if v, err := m.version(ctx, conn); err == nil && (v == schemaVersion || v == newestVersion) {
			return nil
		}
		if m.e.ddlCommits {
			if err := m.e.checkConn(ctx, conn); err != nil {
				return err
			}
			return m.underLock(ctx, conn)
		}
		return inTransaction(ctx, conn, m.e, func() error {
			if m.e.migrationLock != "" {
				if err := m.waitLock(ctx, conn); err != nil {
					return err
				}
			}
			return m.steps(ctx, conn)
		})
	})
}

// underLock is for engines whose transactions do not cover DDL.
func (m *migration) underLock(ctx context.Context, conn *sql.Conn) error {
	for {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, m.e.migrationLock, m.lockName()).Scan(&got); err != nil {
			return err
		}
		if got.Int64 == 1 {
			break
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("another node is migrating: %w", err)
		}
	}
	err := m.steps(ctx, conn)
	// The lock belongs to the connection, which must not go back to the pool with it.
	free, cancel := afterwards(ctx)
	defer cancel()
	var released sql.NullInt64
	if rerr := conn.QueryRowContext(free, m.e.migrationOpen, m.lockName()).Scan(&released); rerr != nil || released.Int64 != 1 {
		discard(conn)
	}
	return err
}

func (m *migration) waitLock(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, m.e.sqlFor(&m.o, m.e.migrationLock), m.lockName())
	if err != nil {
		return err
	}
	// Its one column has a type that no Go type is for.
	_, err = scanAll(rows, false, func(int, *sql.Rows) error { return nil })
	return err
}

// lockName is at most 64 bytes, as MySQL wants it.
func (m *migration) lockName() string {
	name := "beaker " + m.o.Schema + "." + m.o.Table
	return name[:min(len(name), 64)]
}

func (m *migration) steps(ctx context.Context, conn *sql.Conn) error {
	for _, statement := range schemaMeta {
		if err := m.exec(ctx, conn, statement); err != nil {
			return err
		}
	}
	from, err := m.version(ctx, conn)
	if err != nil {
		return err
	}
	if from > newestVersion {
		return newerTables(from)
	}
	for i, step := range schemaSteps()[min(from, schemaVersion):] {
		for _, statement := range step {
			if err := m.exec(ctx, conn, statement); err != nil {
				return fmt.Errorf("to version %d: %w", from+i+1, err)
			}
		}
		if err := m.exec(ctx, conn, setVersion, int64(from+i+1)); err != nil {
			return err
		}
	}
	return nil
}

func (m *migration) exec(ctx context.Context, conn *sql.Conn, statement string, args ...any) error {
	_, err := conn.ExecContext(ctx, m.e.sqlFor(&m.o, statement), args...)
	if err != nil && slices.Contains(m.e.alreadyDone, m.e.codeOf(err)) {
		return nil
	}
	return err
}

func (m *migration) version(ctx context.Context, conn *sql.Conn) (int, error) {
	var v int
	err := conn.QueryRowContext(ctx, defineQueries(m.e, &m.o).version.text).Scan(&v)
	return v, err
}

func newerTables(v int) error {
	return fmt.Errorf("the tables have version %d, this release works with up to %d: a newer release migrated them; use that", v, newestVersion)
}
