package sqltest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

func TestMissingTableIsNamed(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := emptyPlace(t, e)
		_, err := sqlstore.New(t.Context(), p.open(t), e.dialect, &p.opts)
		if err == nil || !strings.Contains(err.Error(), p.opts.Table) || !strings.Contains(err.Error(), "sqlstore.Migrate") {
			t.Errorf("New without tables: %v", err)
		}
		// And when it goes while the store is open.
		p = newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		mustExec(t, db, "DROP TABLE "+p.quoted(""))
		if err := s.Create(t.Context(), newRecord(t, newMeta())); err == nil || !strings.Contains(err.Error(), "sqlstore.Migrate") ||
			errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("Create without a table: %v", err)
		}
		if _, err := s.Load(t.Context(), unique("key")); err == nil || errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Load without a table: %v, want an error that is not ErrNotFound", err)
		}
	})
}

func TestReadOnlyDatabaseIsNamed(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		s := p.store(t)
		rec := created(t, s, newMeta())
		switch e.dialect {
		case sqlstore.SQLite:
			p.source += "&mode=ro"
		case sqlstore.PostgreSQL:
			p.source += "&default_transaction_read_only=on"
		case sqlstore.MySQL:
			p.source += "?tx_read_only=1"
		}
		_, err := sqlstore.New(t.Context(), p.open(t), e.dialect, &p.opts)
		if err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("New: %v, want an error that says read-only", err)
		}
		loaded(t, s, rec.Key())
	})
}

func TestNewReportsMistakes(t *testing.T) {
	if _, err := sqlstore.New(context.Background(), nil, sqlstore.SQLite, nil); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("a nil database: %v", err)
	}
	for _, d := range []sqlstore.Dialect{0, -1, 4} {
		if _, err := sqlstore.MigrationSQL(d, 0, nil); err == nil || !strings.Contains(err.Error(), "use SQLite, PostgreSQL or MySQL") {
			t.Errorf("%v: %v", d, err)
		}
	}
	for _, from := range []int{-1, 3} {
		if _, err := sqlstore.MigrationSQL(sqlstore.SQLite, from, nil); err == nil {
			t.Errorf("MigrationSQL from %d: no error", from)
		}
	}
}
