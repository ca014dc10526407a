package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// check finds what would make every request fail.
func (s *Store) check(ctx context.Context) error {
	if s.e.checkSettings != nil {
		if err := s.e.checkSettings(ctx, s.db); err != nil {
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
	case v > schemaVersion:
		return newerTables(v)
	case v < schemaVersion:
		return fmt.Errorf("the tables have version %d, this release needs %d: %s", v, schemaVersion, remedyMigrate)
	}
	// Writing is the only way to learn whether one may. It changes nothing.
	_, err = s.db.ExecContext(ctx, s.e.sqlFor(&s.o, `UPDATE {meta} SET "value"="value" WHERE "name"='version'`))
	return err
}
