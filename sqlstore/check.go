package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// check finds what would make every request fail.
func (s *Store) check(ctx context.Context) error {
	if s.e.checkConn != nil {
		if err := s.checkConns(ctx); err != nil {
			return err
		}
	}
	var v int
	err := s.db.QueryRowContext(ctx, s.q.version.text).Scan(&v)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("the table %s%s has no version: %s", s.o.Table, suffixMeta, remedyMigrate)
	case err != nil:
		return err
	case v > newestVersion:
		return newerTables(v)
	case v < schemaVersion:
		return fmt.Errorf("the tables have version %d, this release needs %d: %s", v, schemaVersion, remedyMigrate)
	}
	// Writing is the only way to learn whether one may. It changes nothing.
	_, err = s.db.ExecContext(ctx, s.e.sqlFor(&s.o, `UPDATE {meta} SET "value"="value" WHERE "name"='version'`))
	return err
}

// checkConns looks at two connections, if the pool may have two: settings that were
// made by a statement, and not in the DSN, are on one only.
func (s *Store) checkConns(ctx context.Context) error {
	n := 2
	if s.db.Stats().MaxOpenConnections == 1 {
		n = 1
	}
	for range n {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := s.e.checkConn(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}

// checkMySQL refuses connections on which a statement is not done when it is answered.
func checkMySQL(ctx context.Context, conn *sql.Conn) error {
	var autocommit int
	if err := conn.QueryRowContext(ctx, "SELECT @@autocommit").Scan(&autocommit); err != nil {
		return err
	}
	if autocommit != 1 {
		return errors.New("autocommit is off, so nothing that is written would stay: remove it from the DSN, or from init_connect")
	}
	return nil
}
