//go:build linux

package sqltest

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// In WAL mode a reader waits for one thing: that another process, which found the index
// of the WAL broken, has made it again. A Load cannot be cancelled while it does; that
// it ends nevertheless is busy_timeout's work.
func TestReadThatWaitsForARecovery(t *testing.T) {
	e := engines[0]
	if e.dialect != sqlstore.SQLite {
		t.Fatalf("the first engine is %s", e.name)
	}
	path := memoryDir(t) + "/sessions.db"
	source := strings.Replace(sqlstore.SQLiteDSN(path), "busy_timeout(5000)", "busy_timeout(1000)", 1)
	e.dsn = func(testing.TB) string { return source }
	p := newPlace(t, e)
	db, spy := p.spied(t)
	s := p.storeOn(t, db)
	rec := created(t, s, newMeta(), "k", "v")

	shm, err := os.OpenFile(path+"-shm", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer shm.Close()
	// Locks of an open file: those of this process by its id, as the driver may take
	// them, would be its own.
	const (
		setLock          = 37 // F_OFD_SETLK
		writer, recovery = 120, 122
	)
	for _, at := range []int64{writer, recovery} {
		l := syscall.Flock_t{Type: syscall.F_WRLCK, Start: at, Len: 1}
		if err := syscall.FcntlFlock(shm.Fd(), setLock, &l); err != nil {
			t.Fatal(err)
		}
	}
	// The first of two copies of the header: they differ then.
	if _, err := shm.WriteAt([]byte{0xff, 0xff, 0xff, 0xff}, 0); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reads := 0
	spy.hook(func(statement string, _ []driver.NamedValue) error {
		if strings.HasPrefix(statement, "SELECT") {
			reads++
			cancel()
		}
		return nil
	}, nil)
	type answer struct {
		rec *beaker.Record
		err error
	}
	done := make(chan answer, 1)
	go func() {
		rec, err := s.Load(ctx, rec.Key())
		done <- answer{rec, err}
	}()
	select {
	case got := <-done:
		if !errors.Is(got.err, context.Canceled) || !strings.Contains(got.err.Error(), "locked") || reads != 1 {
			t.Errorf("Load, while another process makes the index again: %v, %v after %d reads; want one read that met a lock, and context.Canceled", got.rec != nil, got.err, reads)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Load goes on waiting when busy_timeout is over")
	}
	spy.hook(nil, nil)

	// Closing the file releases its locks.
	if err := shm.Close(); err != nil {
		t.Fatal(err)
	}
	loaded(t, s, rec.Key())
}
