package sqltest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	servers "github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// A disk that is full is told, with what to do. What was there stays and can be read
// and deleted, and the store goes on by itself when there is room.
func TestFullDisk(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		switch e.dialect {
		case sqlstore.PostgreSQL:
			// The segments of its log have 16 MiB. Of the block that does not fit, the
			// system writes a part, which is what PostgreSQL knows a full disk by.
			srv := own(t, e, servers.DatabaseOptions{Hasty: true, MaxFile: 16<<20 + 4<<10})
			e.dsn = func(testing.TB) string { return srv.DSN }
		case sqlstore.MySQL:
			// All tables in one file, and that file with a bound of its own.
			srv := own(t, e, servers.DatabaseOptions{Hasty: true, Args: []string{
				"--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M:autoextend:max:20M", "--innodb-undo-tablespaces=3",
			}})
			e.dsn = func(testing.TB) string { return srv.DSN }
		}
		p := newPlace(t, e)
		db := p.open(t)
		if e.dialect == sqlstore.SQLite {
			db.SetMaxOpenConns(1) // the limit is one of the connection
			mustExec(t, db, "PRAGMA max_page_count=1000")
		}
		if e.dialect == sqlstore.MySQL {
			mustExec(t, db, "CREATE TABLE ballast (b LONGBLOB)")
			mustExec(t, db, "INSERT INTO ballast VALUES (REPEAT('x', 4000000))")
		}
		s := p.storeOn(t, db)
		rec := created(t, s, newMeta(), "k", "v")
		rnd := rand.New(rand.NewPCG(1, 2))
		noise := func() string { // that no engine can compress
			b := make([]byte, 60<<10)
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			return string(b)
		}
		var filler []beaker.RecordKey
		var err error
		for range 1000 {
			m := newMeta()
			if err = s.Create(t.Context(), newRecord(t, m, "noise", noise())); err != nil {
				break
			}
			filler = append(filler, m.Key)
		}
		t.Logf("report: after %d sessions of 60 KiB: %v", len(filler), err)
		if err == nil || !strings.Contains(err.Error(), "the disk is full: make room") || errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("Create on a full disk: %v", err)
		}
		if !sameRecord(rec, loaded(t, s, rec.Key())) {
			t.Error("the record changed")
		}
		deleted := 0
		for _, key := range filler[:len(filler)/2] {
			err := s.Delete(t.Context(), key)
			if err == nil {
				deleted++
				if _, err := s.Load(t.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
					t.Errorf("Load after Delete on a full disk: %v", err)
				}
			} else if !strings.Contains(err.Error(), "the disk is full") { // MariaDB notes there how to undo it
				t.Errorf("Delete on a full disk: %v", err)
			}
		}
		t.Logf("%d could be deleted", deleted)
		switch e.dialect {
		case sqlstore.PostgreSQL:
			mustExec(t, db, "VACUUM "+p.quoted("")) // which autovacuum does, sooner or later
		case sqlstore.MySQL:
			mustExec(t, db, "DROP TABLE ballast")
		}
		// The room may come after the answer.
		for deadline := time.Now().Add(time.Minute); ; {
			err := s.Create(t.Context(), newRecord(t, newMeta(), "noise", noise()))
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("Create when there is room again: %v", err)
			}
		}
	})
}
