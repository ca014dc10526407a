package sqltest

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// fill adds n rows with random keys that expire a millisecond apart, the last of them
// at until.
func fill(tb testing.TB, p *place, db *sql.DB, n int, until beaker.Millis) {
	tb.Helper()
	source := map[sqlstore.Dialect]string{
		sqlstore.SQLite:     "SELECT randomblob(32),%s FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<%d) SELECT i FROM c)",
		sqlstore.PostgreSQL: "SELECT decode(md5(random()::text)||md5(i::text),'hex'),%s FROM generate_series(1,%d) i",
		sqlstore.MySQL:      "SELECT UNHEX(SHA2(CONCAT(RAND(),i),256)),%s FROM (SELECT seq AS i FROM seq_1_to_%d) c",
	}[p.dialect]
	proof := literal(p.engine, bytes.Repeat([]byte{1}, 32))
	end := fmt.Sprintf("%d+i", int64(until)-int64(n))
	columns := fmt.Sprintf("%s,1,%d,%d,1800000,%s,%s,%s", proof, epoch, epoch, end, end, literal(p.engine, []byte{1, 0}))
	mustExec(tb, db, "INSERT INTO "+p.quoted("")+" (hash,proof,version,created,accessed,idle,absolute,expires,data) "+fmt.Sprintf(source, columns, n))
}

// SQ-3: Purge works in batches of at most 500 rows, each a statement of its own.
func TestPurgeInBatches(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		const rows = 1234
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		now := epoch.Add(hour)
		fill(t, p, db, rows, now)
		m := newMeta()
		m.Idle = beaker.NoLimit
		live := created(t, s, m, "k", "v")
		deletes := 0
		spy.hook(func(statement string, args []driver.NamedValue) error {
			if strings.HasPrefix(statement, "DELETE") && strings.Contains(statement, "expires") {
				deletes++
				if limit, ok := args[1].Value.(int64); !ok || limit < 1 || limit > 500 {
					t.Errorf("a batch of %v rows", args[1].Value)
				}
			}
			return nil
		}, nil)
		if n, err := s.Purge(t.Context(), epoch, 100_000); n != 0 || err != nil || deletes != 0 {
			t.Errorf("Purge before the first one's end: %d, %v, %d deletes", n, err, deletes)
		}
		total := 0
		for {
			n, err := s.Purge(t.Context(), now, 1000)
			if err != nil {
				t.Fatal(err)
			}
			total += n
			if n < 1000 {
				break
			}
		}
		if total != rows || deletes < 4 {
			t.Errorf("purged %d of %d rows in %d statements", total, rows, deletes)
		}
		loaded(t, s, live.Key())
	})
}

func TestPurgeLease(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		now := epoch.Add(100 * hour)
		lease := func(until beaker.Millis) {
			mustExec(t, db, fmt.Sprintf("UPDATE %s SET value=%d,owner='another' WHERE name='purge'", p.quoted("_meta"), until))
		}
		want := func(desc string, n int) {
			t.Helper()
			created(t, s, newMeta())
			if got, err := s.Purge(t.Context(), now, 10); got != n || err != nil {
				t.Errorf("%s: purged %d, %v; want %d", desc, got, err, n)
			}
		}
		lease(now + 1)
		want("while another node has the lease", 0)
		lease(now)
		want("when the lease of a node that crashed has ended", 2)
		want("when the lease was given back", 1)

		// A Purge that is cut off gives it back as well.
		ctx, cancel := context.WithCancel(t.Context())
		db2, spy := p.spied(t)
		s2 := p.storeOn(t, db2)
		created(t, s, newMeta())
		spy.hook(func(statement string, _ []driver.NamedValue) error {
			if strings.HasPrefix(statement, "DELETE") {
				cancel()
				return ctx.Err()
			}
			return nil
		}, nil)
		if _, err := s2.Purge(ctx, now, 10); !errors.Is(err, context.Canceled) {
			t.Errorf("Purge that is cut off: %v", err)
		}
		want("after a Purge that was cut off", 2)
	})
}

// A session that is used while a purge waits for its row is not removed: the purge
// looks at it again.
func TestPurgeLeavesWhatIsUsedMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s, other := p.storeOn(t, db), p.store(t)
		rec := created(t, s, newMeta(), "k", "v")
		key := rec.Key()
		now := rec.Expires()
		begin := map[sqlstore.Dialect]string{sqlstore.SQLite: "BEGIN IMMEDIATE", sqlstore.PostgreSQL: "BEGIN", sqlstore.MySQL: "START TRANSACTION"}[e.dialect]
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// A touch that came in time, and is not committed when the purge comes.
		for _, statement := range []string{
			begin, fmt.Sprintf("UPDATE %s SET accessed=%d,expires=%d WHERE hash=%s", p.quoted(""), now-1, now+1000, literal(e, key[:])),
		} {
			if _, err := conn.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan error, 1)
		go func() {
			n, err := other.Purge(t.Context(), now, 10)
			if err == nil && n != 0 {
				err = fmt.Errorf("it removed %d", n)
			}
			done <- err
		}()
		waiting := map[sqlstore.Dialect]string{
			sqlstore.SQLite:     "", // it tells nobody; there the purge reads nothing before it may write
			sqlstore.PostgreSQL: "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type='Lock' AND query LIKE 'DELETE%" + p.opts.Table + "%'",
			sqlstore.MySQL:      "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state='LOCK WAIT' AND trx_query LIKE 'DELETE%" + p.opts.Table + "%'",
		}[e.dialect]
		for n := 0; waiting != "" && n == 0; {
			if err := db.QueryRowContext(t.Context(), waiting).Scan(&n); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-done:
				t.Fatalf("Purge did not wait for the row: %v", err)
			case <-time.After(150 * time.Millisecond): // MariaDB says the same for 100 ms, if it is asked all the time
			}
		}
		if _, err := conn.ExecContext(t.Context(), "COMMIT"); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Purge: %v", err)
		}
		if got := loaded(t, s, key); got.Touched() != now-1 {
			t.Errorf("the session was last used at %d, want %d", got.Touched(), now-1)
		}
	})
}

func TestTwoPurgersRemoveEachRowOnce(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		const rows = 3000
		p := newPlace(t, e)
		db := p.open(t)
		fill(t, p, db, rows, epoch)
		var wg sync.WaitGroup
		var mu sync.Mutex
		total := 0
		for range 2 {
			s := p.store(t)
			wg.Go(func() {
				for range 40 {
					n, err := s.Purge(t.Context(), epoch, 150)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					total += n
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		s := p.store(t)
		for {
			n, err := s.Purge(t.Context(), epoch, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if total += n; n < 1000 {
				break
			}
		}
		if left := count(t, db, p.quoted("")); total != rows || left != 0 {
			t.Errorf("the purgers count %d of %d rows, and %d are left", total, rows, left)
		}
	})
}

// ST-5: what is kept about revoked subjects goes too, but not before a sign-in that
// began earlier must have ended.
func TestPurgeDropsOldMarks(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		const marks = 300
		for i := range marks {
			if _, err := s.RevokeSubject(t.Context(), fmt.Sprint("user-", i), epoch+beaker.Millis(i%2)); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			now  beaker.Millis
			left int
		}{{epoch.Add(24*hour) - 1, marks}, {epoch.Add(24 * hour), marks / 2}, {epoch.Add(24*hour) + 1, 0}} {
			if _, err := s.Purge(t.Context(), c.now, 1000); err != nil {
				t.Fatal(err)
			}
			if n := count(t, db, p.quoted("_revoked")); n != c.left {
				t.Errorf("at %d: %d marks are left, want %d", c.now, n, c.left)
			}
		}
	})
}
