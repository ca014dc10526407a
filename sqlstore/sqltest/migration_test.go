package sqltest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// The goldens are tables as version 1 made them, with rows in them. They are never
// written again.
func loadGolden(t *testing.T, p *place, db *sql.DB) {
	t.Helper()
	name := strings.ToLower(p.name)
	b, err := os.ReadFile(filepath.Join("testdata", "v1-"+name+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "golden_sessions", p.opts.Table)
	for statement := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(statement) != "" {
			mustExec(t, db, statement)
		}
	}
}

// goldenRecords are what is in the goldens.
func goldenRecords(t *testing.T) []*beaker.Record {
	fill := func(b byte) (k [32]byte) {
		for i := range k {
			k[i] = b
		}
		return k
	}
	meta := func(b byte) beaker.Meta {
		return beaker.Meta{
			Key: fill(b), Proof: fill(b + 1), Version: beaker.Version(b), Created: epoch, Touched: epoch + 1,
			Idle: 30 * time.Minute, Absolute: epoch.Add(12 * time.Hour),
		}
	}
	plain, signed, forever := meta(0x10), meta(0x20), meta(0x30)
	signed.Subject, signed.AuthenticatedAt = "user-1 é", epoch+2
	signed.PrevProof, signed.PrevUntil, signed.RotatedAt = fill(0x2f), epoch+4, epoch+3
	forever.Idle = beaker.NoLimit
	return []*beaker.Record{
		newRecord(t, plain, "a", "1", "b", "\x00\xff'\"\\"),
		newRecord(t, signed, "k", "v"),
		newRecord(t, forever),
	}
}

func sameRecord(a, b *beaker.Record) bool {
	return reflect.DeepEqual(a.Meta(), b.Meta()) && string(a.AppendValues(nil)) == string(b.AppendValues(nil))
}

func wantGolden(t *testing.T, s beaker.Store) {
	t.Helper()
	for _, want := range goldenRecords(t) {
		if got := loaded(t, s, want.Key()); !sameRecord(want, got) {
			t.Errorf("record %s is %+v, want %+v", want.Key(), got.Meta(), want.Meta())
		}
		ch := changeOf(want)
		subject := "user-2"
		ch.Base, ch.Subject, ch.AuthenticatedAt = want, &subject, ch.Began // needs the new column
		if _, err := s.Apply(t.Context(), want.Key(), ch); err != nil {
			t.Errorf("Apply: %v", err)
		}
		if got := loaded(t, s, want.Key()); got.Subject() != subject || got.AuthenticatedAt() != ch.Began {
			t.Errorf("after a sign-in it is %+v", got.Meta())
		}
	}
}

func TestMigrationFromVersion1(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := emptyPlace(t, e)
		db := p.open(t)
		loadGolden(t, p, db)
		if _, err := sqlstore.New(t.Context(), db, e.dialect, &p.opts); err == nil || !strings.Contains(err.Error(), "version 1") ||
			!strings.Contains(err.Error(), "sqlstore.Migrate") {
			t.Errorf("New on version 1: %v, want an error that names the version and the remedy", err)
		}
		if err := sqlstore.Migrate(t.Context(), db, e.dialect, &p.opts); err != nil {
			t.Fatal(err)
		}
		wantGolden(t, p.storeOn(t, db))
	})
}

func TestMigrationByHand(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		for from := range 2 {
			p := emptyPlace(t, e)
			db := p.open(t)
			if from == 1 {
				loadGolden(t, p, db)
			}
			text, err := sqlstore.MigrationSQL(e.dialect, from, &p.opts)
			if err != nil {
				t.Fatal(err)
			}
			for statement := range strings.SplitSeq(text, ";\n") {
				if statement != "" {
					mustExec(t, db, statement)
				}
			}
			s := p.storeOn(t, db)
			if from == 1 {
				wantGolden(t, s)
			} else {
				useAll(t, p, db)
			}
		}
		if text, err := sqlstore.MigrationSQL(e.dialect, 2, nil); err != nil || text != "" {
			t.Errorf("from the current version: %q, %v", text, err)
		}
	})
}

func TestNodesMigrateAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		for _, golden := range []bool{false, true} {
			p := emptyPlace(t, e)
			if golden {
				loadGolden(t, p, p.open(t))
			}
			const nodes = 4
			errs := make(chan error, nodes)
			start := make(chan struct{})
			for range nodes {
				db := p.open(t)
				go func() {
					<-start
					if err := sqlstore.Migrate(t.Context(), db, e.dialect, &p.opts); err != nil {
						errs <- err
						return
					}
					// As at start: the others may still be at it.
					for range 20 {
						s, err := sqlstore.New(t.Context(), db, e.dialect, &p.opts)
						if err == nil {
							err = s.Close()
						}
						if err != nil {
							errs <- err
							return
						}
					}
					errs <- nil
				}()
			}
			close(start)
			for range nodes {
				if err := <-errs; err != nil {
					t.Errorf("golden %t: %v", golden, err)
				}
			}
			if s := p.store(t); golden {
				wantGolden(t, s)
			}
			// And again, when there is nothing to do.
			if err := sqlstore.Migrate(t.Context(), p.open(t), e.dialect, &p.opts); err != nil {
				t.Error(err)
			}
		}
	})
}

// While one node is in the middle of it, another changes nothing, and waits no longer
// than its context.
func TestMigrationWaitsForTheOther(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := emptyPlace(t, e)
		first, spy := p.spied(t)
		second, watched := p.spied(t)
		middle := 0
		spy.hook(func(statement string, _ []driver.NamedValue) error {
			if !strings.HasPrefix(statement, "ALTER") {
				return nil
			}
			middle++
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := sqlstore.Migrate(ctx, second, e.dialect, &p.opts); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the second node: %v, want context.DeadlineExceeded", err)
			}
			return nil
		}, nil)
		watched.hook(func(statement string, _ []driver.NamedValue) error {
			for _, verb := range []string{"CREATE", "ALTER", "INSERT", "UPDATE"} {
				if strings.HasPrefix(statement, verb) {
					t.Errorf("the second node went on: %s", statement)
				}
			}
			return nil
		}, nil)
		if err := sqlstore.Migrate(t.Context(), first, e.dialect, &p.opts); err != nil {
			t.Fatal(err)
		}
		if middle != 1 {
			t.Fatalf("the hook ran %d times", middle)
		}
		if err := sqlstore.Migrate(t.Context(), second, e.dialect, &p.opts); err != nil {
			t.Errorf("the second node, again: %v", err)
		}
		watched.hook(nil, nil)
		useAll(t, p, second)
	})
}

// A migration that stopped at any statement is finished by the next one.
func TestInterruptedMigrationIsFinished(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		for stop := 1; ; stop++ {
			p := emptyPlace(t, e)
			text, err := sqlstore.MigrationSQL(e.dialect, 0, &p.opts)
			if err != nil {
				t.Fatal(err)
			}
			statements := strings.Split(strings.TrimSuffix(text, ";\n"), ";\n")
			if stop >= len(statements) {
				break
			}
			db := p.open(t)
			if e.dialect == sqlstore.MySQL {
				for _, statement := range statements[:stop] { // it cannot undo these
					mustExec(t, db, statement)
				}
			} else {
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, statement := range statements[:stop] {
					if _, err := tx.ExecContext(t.Context(), statement); err != nil {
						t.Fatal(err)
					}
				}
				if err := tx.Rollback(); err != nil {
					t.Fatal(err)
				}
			}
			if err := sqlstore.Migrate(t.Context(), db, e.dialect, &p.opts); err != nil {
				t.Errorf("after %d statements: %v", stop, err)
				continue
			}
			useAll(t, p, db)
		}
	})
}

// Nodes are not upgraded at the same moment, and an upgrade may have to be undone: a
// release works on the tables of the one after it, which has columns of its own.
func TestNextVersionIsWorkedOn(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		mustExec(t, db, "ALTER TABLE "+p.quoted("")+" ADD COLUMN later INTEGER NOT NULL DEFAULT 7")
		mustExec(t, db, "UPDATE "+p.quoted("_meta")+" SET value=3 WHERE name='version'")
		if err := sqlstore.Migrate(t.Context(), db, e.dialect, &p.opts); err != nil {
			t.Errorf("Migrate: %v", err)
		}
		useAll(t, p, db)
		var version int
		if err := db.QueryRowContext(t.Context(), "SELECT value FROM "+p.quoted("_meta")+" WHERE name='version'").Scan(&version); err != nil || version != 3 {
			t.Errorf("after Migrate the version is %d, %v", version, err)
		}
	})
}

func TestNewerTablesAreRefused(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		mustExec(t, db, "UPDATE "+p.quoted("_meta")+" SET value=4 WHERE name='version'")
		_, nerr := sqlstore.New(t.Context(), db, e.dialect, &p.opts)
		merr := sqlstore.Migrate(t.Context(), db, e.dialect, &p.opts)
		for what, err := range map[string]error{"New": nerr, "Migrate": merr} {
			if err == nil || !strings.Contains(err.Error(), "version 4") || !strings.Contains(err.Error(), "newer release") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
