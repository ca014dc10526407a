package sqltest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// SQ-1: names that must be refused, whatever they are used for.
var badNames = []string{
	`a"; DROP TABLE x; --`, "a`; DROP TABLE x; --", "a'b", "a.b", "a b", "a-b", "1a", "ä", "a\x00", "a\n", "?", "$1", "{sessions}", "a;", "--", "/*a*/",
	strings.Repeat("x", 64), " ", "a ", "\xff",
}

// goodNames need quoting, or are as long as can be.
var goodNames = []string{
	"select", "order", "table", "user", "group", "Sessions", "SELECT", "_", "x", "before", "values", "key", "__x__",
	strings.Repeat("x", 55), "X" + strings.Repeat("y", 54),
}

func TestBadNamesAreRefused(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		db := emptyPlace(t, e).open(t)
		for _, name := range badNames {
			for field, o := range map[string]*sqlstore.Options{"Table": {Table: name}, "Schema": {Schema: name}} {
				_, serr := sqlstore.MigrationSQL(e.dialect, 0, o)
				_, nerr := sqlstore.New(t.Context(), db, e.dialect, o)
				merr := sqlstore.Migrate(t.Context(), db, e.dialect, o)
				for what, err := range map[string]error{"New": nerr, "Migrate": merr, "MigrationSQL": serr} {
					if err == nil || !strings.Contains(err.Error(), "Options."+field) {
						t.Errorf("%s with %s %q: %v, want an error that names the field", what, field, name, err)
					}
				}
			}
		}
		// Everything wrong is told at once.
		if _, err := sqlstore.MigrationSQL(e.dialect, 0, &sqlstore.Options{Table: "a b", Schema: "c d"}); err == nil ||
			!strings.Contains(err.Error(), "Options.Table") || !strings.Contains(err.Error(), "Options.Schema") {
			t.Errorf("two mistakes: %v", err)
		}
	})
}

func TestNamesThatNeedQuotingWork(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := emptyPlace(t, e)
		db := p.open(t)
		schemas := []string{""}
		if e.dialect != sqlstore.SQLite {
			schemas = []string{"order", "Group"}
			for _, schema := range schemas {
				q := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: `"`, sqlstore.MySQL: "`"}[e.dialect]
				mustExec(t, db, "CREATE SCHEMA "+q+schema+q)
				t.Cleanup(func() {
					cascade := map[bool]string{true: " CASCADE"}[e.dialect == sqlstore.PostgreSQL]
					if _, err := db.ExecContext(background(), "DROP SCHEMA "+q+schema+q+cascade); err != nil {
						t.Error(err)
					}
				})
			}
		}
		for i, name := range goodNames {
			if e.dialect == sqlstore.SQLite && name != strings.ToLower(name) {
				// SQLite takes names that differ in case for one.
				name += "1"
				name = name[max(0, len(name)-55):]
			}
			p.opts = sqlstore.Options{Table: name, Schema: schemas[i%len(schemas)]}
			if err := sqlstore.Migrate(t.Context(), db, e.dialect, &p.opts); err != nil {
				t.Errorf("Migrate of %q: %v", name, err)
				continue
			}
			useAll(t, p, db)
		}
	})
}

// useAll uses every statement of a store.
func useAll(t *testing.T, p *place, db *sql.DB) {
	t.Helper()
	s, err := sqlstore.New(t.Context(), db, p.dialect, &p.opts)
	if err != nil {
		t.Errorf("%q: %v", p.opts.Table, err)
		return
	}
	defer s.Close()
	ctx := t.Context()
	m := newMeta()
	m.Subject = "'; DROP TABLE x; --"
	rec := created(t, s, m, `"; DROP TABLE x; --`, "' OR 1=1 --")
	ch := changeOf(rec)
	ch.Base, ch.Set, ch.Rotate = rec, values("?", "$1"), &beaker.Rotation{Next: unique("next")}
	if _, err := s.Apply(ctx, m.Key, ch); err != nil {
		t.Errorf("%q: Apply: %v", p.opts.Table, err)
	}
	page, _, err := s.List(ctx, beaker.ListQuery{Subject: m.Subject})
	if err != nil || len(page) != 1 {
		t.Errorf("%q: List: %d records, %v", p.opts.Table, len(page), err)
	}
	if all, _, err := s.List(ctx, beaker.ListQuery{}); err != nil || len(all) != 1 {
		t.Errorf("%q: List of all: %d records, %v", p.opts.Table, len(all), err)
	}
	created(t, s, newMeta())
	if n, err := s.RevokeSubject(ctx, m.Subject, epoch.Add(hour)); err != nil || n != 1 {
		t.Errorf("%q: RevokeSubject: %d, %v", p.opts.Table, n, err)
	}
	if n, err := s.Purge(ctx, epoch.Add(100*hour), 10); err != nil || n != 1 {
		t.Errorf("%q: Purge: %d, %v", p.opts.Table, n, err)
	}
	for _, suffix := range []string{"", "_revoked"} {
		if n := count(t, db, p.quoted(suffix)); n != 0 {
			t.Errorf("%q%s holds %d rows after Purge", p.opts.Table, suffix, n)
		}
	}
}

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
		ch.Base, ch.Cookie = want, &beaker.CookieAttributes{Path: "/app"} // needs the new column
		if _, err := s.Apply(t.Context(), want.Key(), ch); err != nil {
			t.Errorf("Apply: %v", err)
		}
		if c := loaded(t, s, want.Key()).Meta().Cookie; c == nil || c.Path != "/app" {
			t.Errorf("the cookie attributes are %+v", c)
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

func TestNewerTablesAreRefused(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		version := "UPDATE " + p.quoted("_meta") + " SET value=%d WHERE name='version'"
		mustExec(t, db, fmt.Sprintf(version, 3))
		_, nerr := sqlstore.New(t.Context(), db, e.dialect, &p.opts)
		merr := sqlstore.Migrate(t.Context(), db, e.dialect, &p.opts)
		for what, err := range map[string]error{"New": nerr, "Migrate": merr} {
			if err == nil || !strings.Contains(err.Error(), "version 3") || !strings.Contains(err.Error(), "newer release") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

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

func TestEachMissingSettingIsNamed(t *testing.T) {
	dir := t.TempDir()
	full := sqlstore.SQLiteDSN(filepath.Join(dir, "full.db"))
	settings := []string{"busy_timeout", "journal_mode", "synchronous"}
	without := map[string]string{
		"busy_timeout": "_pragma=busy_timeout(5000)&", "journal_mode": "_pragma=journal_mode(WAL)&", "synchronous": "_pragma=synchronous(FULL)&",
	}
	check := func(t *testing.T, dsn string, want ...string) {
		t.Helper()
		db, err := sql.Open("sqlite", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = sqlstore.New(t.Context(), db, sqlstore.SQLite, nil)
		if err == nil {
			t.Fatal("New: no error")
		}
		for _, name := range settings {
			if got, want := strings.Contains(err.Error(), "PRAGMA "+name), contains(want, name); got != want {
				t.Errorf("names %s: %t, want %t: %v", name, got, want, err)
			}
		}
	}
	for name, part := range without {
		dsn := strings.Replace(full, "full.db", name+".db", 1)
		dsn = strings.Replace(dsn, part, "", 1)
		if name == "synchronous" { // whose default is FULL
			dsn = strings.Replace(dsn, "&_txlock", "&_pragma=synchronous(NORMAL)&_txlock", 1)
		}
		check(t, dsn, name)
	}
	check(t, "file:"+filepath.Join(dir, "none.db")+"?_pragma=synchronous(OFF)", settings...)
	check(t, ":memory:?_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)", "journal_mode")

	// Made by a statement, a setting is on one connection of the pool only.
	db, err := sql.Open("sqlite", strings.Replace(full, without["busy_timeout"], "", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mustExec(t, db, "PRAGMA busy_timeout=5000")
	if _, err := sqlstore.New(t.Context(), db, sqlstore.SQLite, nil); err == nil || !strings.Contains(err.Error(), "busy_timeout") {
		t.Errorf("New with a setting on one connection: %v", err)
	}
	// A pool of one connection does not hang.
	one, err := sql.Open("sqlite", full)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	one.SetMaxOpenConns(1)
	if err := sqlstore.Migrate(t.Context(), one, sqlstore.SQLite, nil); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.New(t.Context(), one, sqlstore.SQLite, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	created(t, s, newMeta())
}

func contains(all []string, one string) bool {
	return strings.Contains("|"+strings.Join(all, "|")+"|", "|"+one+"|")
}

func TestSQLiteDSNReachesTheFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "a b.db", "a?b=c.db", "a#b.db", "a%20b.db", "ä&_pragma=x.db", "'q'.db", "x//y/../z.db"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
		if err != nil {
			t.Fatal(err)
		}
		if err := sqlstore.Migrate(t.Context(), db, sqlstore.SQLite, nil); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if s, err := sqlstore.New(t.Context(), db, sqlstore.SQLite, nil); err != nil {
			t.Errorf("%q: %v", name, err)
		} else if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestFullDiskIsNamed(t *testing.T) {
	p := newPlace(t, engines[0])
	db := p.open(t)
	db.SetMaxOpenConns(1) // the limit is one of the connection
	s := p.storeOn(t, db)
	rec := created(t, s, newMeta(), "k", "v")
	mustExec(t, db, "PRAGMA max_page_count=1") // which is: no more than now
	var err error
	for range 1000 {
		if err = s.Create(t.Context(), newRecord(t, newMeta(), "k", strings.Repeat("x", 4000))); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "disk is full") || errors.Is(err, beaker.ErrUncertain) {
		t.Errorf("Create on a full disk: %v", err)
	}
	if !sameRecord(rec, loaded(t, s, rec.Key())) {
		t.Error("the record changed")
	}
}

func TestRowsThatDoNotDecode(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		good := created(t, s, newMeta(), "k", "v")
		bad := created(t, s, newMeta(), "k", "v")
		key := bad.Key()
		hash := fmt.Sprintf("hash=%s", literal(e, key[:]))
		set := func(what string) {
			t.Helper()
			mustExec(t, db, "UPDATE "+p.quoted("")+" SET "+what+" WHERE "+hash)
		}
		for what, want := range map[string]error{
			"data=" + literal(e, []byte{}):                                          beaker.ErrCorrupt,
			"data=" + literal(e, []byte{0, 0}):                                      beaker.ErrCorrupt,
			"data=" + literal(e, []byte{1, 9}):                                      beaker.ErrCorrupt,
			"data=" + literal(e, []byte{2, 0}):                                      beaker.ErrNewerFormat,
			"data=" + literal(e, []byte{1, 0}) + ",idle=0":                          beaker.ErrCorrupt,
			"data=" + literal(e, []byte{1, 0}) + ",idle=9223372036854775807":        beaker.ErrCorrupt,
			"data=" + literal(e, []byte{1, 0}) + ",cookie=" + literal(e, []byte{9}): beaker.ErrCorrupt,
		} {
			set(what)
			if _, err := s.Load(t.Context(), key); !errors.Is(err, want) {
				t.Errorf("%s: Load: %v, want %v", what, err, want)
			}
			ch := changeOf(bad)
			ch.Set = values("k", "w")
			if _, err := s.Apply(t.Context(), key, ch); !errors.Is(err, want) {
				t.Errorf("%s: Apply: %v, want %v", what, err, want)
			}
			page, _, err := s.List(t.Context(), beaker.ListQuery{})
			if err != nil || len(page) != 1 || page[0].Key() != good.Key() {
				t.Errorf("%s: List: %d records, %v; want the other one", what, len(page), err)
			}
			set("idle=1800000,cookie=NULL")
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	})
}

// literal is bytes as SQL.
func literal(e engine, b []byte) string {
	if e.dialect == sqlstore.PostgreSQL {
		return fmt.Sprintf(`'\x%x'::bytea`, b)
	}
	return fmt.Sprintf("x'%x'", b)
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
