package sqltest

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed12c5fab1/beaker/internal/leaktest"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// Whatever sessions are driven over the tables: nothing in them opens one, and no error
// holds a value. Of SQLite the file and its log are looked at too.
func TestTheTablesAreNoKeyRing(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		leaktest.Store(t, p.store(t), func() ([]byte, error) {
			var all bytes.Buffer
			for _, suffix := range []string{"", "_meta", "_revoked"} {
				if err := dumpTable(&all, db, p.quoted(suffix)); err != nil {
					return nil, err
				}
			}
			if e.dialect != sqlstore.SQLite {
				return all.Bytes(), nil
			}
			var seq int
			var name, file string
			if err := db.QueryRowContext(t.Context(), "PRAGMA database_list").Scan(&seq, &name, &file); err != nil {
				return nil, err
			}
			parts, err := filepath.Glob(file + "*")
			if err != nil || len(parts) < 2 {
				return nil, fmt.Errorf("the file and its log: %q, %w", parts, err)
			}
			for _, part := range parts {
				b, err := os.ReadFile(part)
				if err != nil {
					return nil, err
				}
				all.Write(b)
			}
			return all.Bytes(), nil
		})
	})
}

// dumpTable writes each column of each row as the driver gives it.
func dumpTable(to *bytes.Buffer, db *sql.DB, table string) error {
	rows, err := db.Query("SELECT * FROM " + table)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, places := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range values {
			places[i] = &values[i]
		}
		if err := rows.Scan(places...); err != nil {
			return err
		}
		for i, v := range values {
			fmt.Fprintf(to, "%s=", columns[i])
			to.Write(v)
			to.WriteByte('\n')
		}
	}
	return rows.Err()
}
