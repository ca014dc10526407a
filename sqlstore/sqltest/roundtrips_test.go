package sqltest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// trips is what each call may cost, in statements that go to the driver and, with a
// server, in turns on the wire: bytes sent after bytes were received.
func tripsOf(t *testing.T, s *sqlstore.Store) []struct {
	call string
	want int
	do   func() error
} {
	ctx := t.Context()
	m := newMeta()
	rec := newRecord(t, m, "a", "1", "b", "2", "c", "3")
	signed := newMeta()
	mine, subject := fmt.Sprintf("mine-%x", m.Key[:4]), fmt.Sprintf("other-%x", m.Key[:4])
	signed.Subject, signed.AuthenticatedAt = mine, epoch
	var held *beaker.Record
	apply := func(edit func(ch *beaker.Change)) func() error {
		return func() error {
			if held == nil {
				held = rec
			}
			ch := changeOf(held)
			ch.Base = held
			edit(ch)
			if _, err := s.Apply(ctx, m.Key, ch); err != nil {
				return err
			}
			base, err := beaker.Merge(held, ch)
			held = base
			return err
		}
	}
	return []struct {
		call string
		want int
		do   func() error
	}{
		{"Create", 1, func() error { return s.Create(ctx, rec) }},
		{"Create with a subject", 2, func() error { return s.Create(ctx, newRecord(t, signed)) }},
		{"Load", 1, func() error { _, err := s.Load(ctx, m.Key); return err }},
		{"Apply with Base", 1, apply(func(ch *beaker.Change) { ch.Set = values("b", "new") })},
		{"Apply of a touch", 1, apply(func(ch *beaker.Change) { ch.Touch = ch.Now })},
		{"Apply of a rotation", 1, apply(func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: unique("next")} })},
		{"Apply of a sign-in", 2, apply(func(ch *beaker.Change) {
			ch.Subject, ch.Rotate = &subject, &beaker.Rotation{Next: unique("next")}
		})},
		{"Apply without Base", 2, apply(func(ch *beaker.Change) { ch.Base, ch.Set = nil, values("b", "newer") })},
		{"Apply with a Base that is out of date", 3, apply(func(ch *beaker.Change) {
			ch.Base, ch.Set = newRecord(t, m, "a", "0"), values("b", "newest")
			ch.AnyProof = true
		})},
		{"List", 1, func() error { _, _, err := s.List(ctx, beaker.ListQuery{Subject: subject}); return err }},
		{"Purge of nothing", 1, func() error { _, err := s.Purge(ctx, epoch-1, 100); return err }},
		{"RevokeSubject", 2, func() error { _, err := s.RevokeSubject(ctx, mine, epoch); return err }},
		{"RevokeSubject but one", 3, func() error { _, err := s.RevokeSubject(ctx, subject, epoch, m.Key); return err }},
		{"Delete", 1, func() error { return s.Delete(ctx, m.Key) }},
	}
}

func TestRoundTrips(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		db.SetMaxOpenConns(1) // so that each statement is prepared once
		if e.dialect == sqlstore.SQLite {
			db.SetMaxOpenConns(2)
		}
		s := p.storeOn(t, db)
		for round := range 2 {
			for _, c := range tripsOf(t, s) {
				spy.take()
				if err := c.do(); err != nil {
					t.Fatalf("%s: %v", c.call, err)
				}
				if got := spy.take(); len(got) != c.want && round == 1 {
					t.Errorf("%s: %d statements, want %d: %q", c.call, len(got), c.want, got)
				}
			}
		}
	})
}

// wire counts turns of a connection.
type wire struct {
	net.Conn
	turns   *atomic.Int64
	reading atomic.Bool
}

func (w *wire) Write(b []byte) (int, error) {
	if w.reading.Swap(false) {
		w.turns.Add(1)
	}
	return w.Conn.Write(b)
}

func (w *wire) Read(b []byte) (int, error) {
	w.reading.Store(true)
	return w.Conn.Read(b)
}

// TestRoundTripsOnTheWire sees what the driver makes of a statement: a driver that
// prepares each statement anew would show here.
func TestRoundTripsOnTheWire(t *testing.T) {
	var turns atomic.Int64
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		w := &wire{Conn: c, turns: &turns}
		w.reading.Store(true) // the first write begins a turn
		return w, nil
	}
	eachInTurn(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		var db *sql.DB
		switch e.dialect {
		case sqlstore.PostgreSQL:
			cfg, err := pgx.ParseConfig(p.source)
			if err != nil {
				t.Fatal(err)
			}
			cfg.DialFunc = dial
			db = stdlib.OpenDB(*cfg)
		case sqlstore.MySQL:
			cfg, err := mysql.ParseDSN(p.source)
			if err != nil {
				t.Fatal(err)
			}
			cfg.DialFunc = dial
			c, err := mysql.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			db = sql.OpenDB(c)
		default:
			return // SQLite has no wire; TestRoundTrips counts its statements
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		db.SetConnMaxIdleTime(time.Hour)
		s := p.storeOn(t, db)
		for round := range 2 {
			for _, c := range tripsOf(t, s) {
				turns.Store(0)
				if err := c.do(); err != nil {
					t.Fatalf("%s: %v", c.call, err)
				}
				if got := int(turns.Load()); got != c.want && round == 1 {
					t.Errorf("%s: %d turns on the wire, want %d", c.call, got, c.want)
				}
			}
		}
	})
}
