package ours

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"path/filepath"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver that the store is tested with

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/floor"
	"github.com/seed12c5fab1/beaker/bench/internal/wire"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/memcachestore"
	"github.com/seed12c5fab1/beaker/memstore"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// Name is the library's name in tables.
const Name = "beaker"

// opened is a store with how its round trips are counted, if they are, and what to
// close when the store is closed.
type opened struct {
	store beaker.Store
	trips func() int64
	close func() error
}

type opener func(ctx context.Context, env contest.Env) (opened, error)

// playerOf opens a site on a store; with count, the calls of the store are counted.
func playerOf(open opener, count bool) func(ctx context.Context, env contest.Env) (contest.Player, error) {
	return func(ctx context.Context, env contest.Env) (contest.Player, error) {
		o, err := open(ctx, env)
		if err != nil {
			return nil, err
		}
		st := o.store
		if count {
			var calls atomic.Int64
			st, o.trips = counted{st, &calls}, calls.Load
		}
		s, err := Site(beaker.Config{Store: st})
		if err != nil {
			return nil, err
		}
		s.Trips, s.Slow.Trips = o.trips, o.trips
		managers := s.Close
		s.Close = func() error {
			err := managers()
			if c, ok := o.store.(io.Closer); ok {
				err = errors.Join(err, c.Close())
			}
			if o.close != nil {
				err = errors.Join(err, o.close())
			}
			return err
		}
		return s.Player(), nil
	}
}

// on makes a contender of a store.
func on(store, name, reference string, open opener) *contest.Contender {
	c := &contest.Contender{Store: store, Name: name, Kind: contest.Ours, Floor: reference, Open: playerOf(open, false)}
	switch store { // no network to count on
	case "memory", "file", "sqlite":
		c.Counting = playerOf(open, true)
	}
	return c
}

// Memory is memstore.
func Memory() *contest.Contender {
	c := on("memory", Name, "", func(context.Context, contest.Env) (opened, error) {
		s, err := memstore.New(nil)
		return opened{store: s}, err
	})
	c.Fresh = true
	return c
}

// File is filestore; without sync a power failure may lose seconds.
func File(name string, sync bool, reference string) *contest.Contender {
	return on("file", name, reference, func(_ context.Context, env contest.Env) (opened, error) {
		dir, err := env.Dir()
		if err != nil {
			return opened{}, err
		}
		s, err := filestore.Open(dir, &filestore.Options{NoSync: !sync})
		return opened{store: s}, err
	})
}

// SQLite is sqlstore with the DSN that it asks for: synchronous=FULL.
func SQLite() *contest.Contender {
	return on("sqlite", Name, "", func(ctx context.Context, env contest.Env) (opened, error) {
		dir, err := env.Dir()
		if err != nil {
			return opened{}, err
		}
		db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(filepath.Join(dir, "sessions.db")))
		if err != nil {
			return opened{}, err
		}
		return onDatabase(ctx, env, db, sqlstore.SQLite, nil)
	})
}

// PostgreSQL is sqlstore on pgx's driver for database/sql.
func PostgreSQL() *contest.Contender {
	return on("postgresql", Name, "", func(ctx context.Context, env contest.Env) (opened, error) {
		dsn, err := env.Address(ctx, "postgresql")
		if err != nil {
			return opened{}, err
		}
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil {
			return opened{}, err
		}
		var trips wire.Counter
		cfg.DialFunc = trips.Dial
		return onDatabase(ctx, env, stdlib.OpenDB(*cfg), sqlstore.PostgreSQL, &trips)
	})
}

// MariaDB is sqlstore on go-sql-driver/mysql.
func MariaDB() *contest.Contender {
	return on("mariadb", Name, "", func(ctx context.Context, env contest.Env) (opened, error) {
		dsn, err := env.Address(ctx, "mariadb")
		if err != nil {
			return opened{}, err
		}
		var trips wire.Counter
		db, err := floor.OpenMySQL(dsn, &trips)
		if err != nil {
			return opened{}, err
		}
		return onDatabase(ctx, env, db, sqlstore.MySQL, &trips)
	})
}

// poolSize lets as many requests ask the database at once as the load generator sends.
const poolSize = 16

// Memcached is memcachestore with the client that it opens; on another one, its round
// trips are counted.
func Memcached() *contest.Contender {
	options := func(env contest.Env) *memcachestore.Options {
		return &memcachestore.Options{Generation: "1", Prefix: "beaker" + env.Unique()}
	}
	c := on("memcached", Name, "", func(ctx context.Context, env contest.Env) (opened, error) {
		address, err := env.Address(ctx, "memcached")
		if err != nil {
			return opened{}, err
		}
		s, err := memcachestore.Open([]string{address}, options(env))
		return opened{store: s}, err
	})
	c.Counting = playerOf(func(ctx context.Context, env contest.Env) (opened, error) {
		address, err := env.Address(ctx, "memcached")
		if err != nil {
			return opened{}, err
		}
		var trips wire.Counter
		client := floor.OpenMemcached(address, &trips)
		s, err := memcachestore.New(client, options(env))
		return opened{store: s, trips: trips.Trips, close: client.Close}, err
	}, false)
	return c
}

func onDatabase(ctx context.Context, env contest.Env, db *sql.DB, d sqlstore.Dialect, trips *wire.Counter) (opened, error) {
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	o := opened{close: db.Close}
	if trips != nil {
		o.trips = trips.Trips
	}
	opts := &sqlstore.Options{Table: "beaker_" + env.Unique()}
	err := sqlstore.Migrate(ctx, db, d, opts)
	if err == nil {
		o.store, err = sqlstore.New(ctx, db, d, opts)
	}
	if err != nil {
		return opened{}, errors.Join(err, db.Close())
	}
	return o, nil
}

// Sealed keeps sessions in their cookies. With revoker, a memstore remembers logouts.
func Sealed(name string, revoker bool, note string) *contest.Contender {
	c := &contest.Contender{Store: "cookie", Name: name, Kind: contest.Ours, Note: note}
	c.Open = func(context.Context, contest.Env) (contest.Player, error) {
		cfg := beaker.Config{Sealed: &beaker.Sealed{AllowReplay: true}}
		if revoker {
			marks, err := memstore.New(nil)
			if err != nil {
				return nil, err
			}
			cfg.Sealed = &beaker.Sealed{Revoker: marks}
		}
		s, err := Site(cfg)
		if err != nil {
			return nil, err
		}
		s.KeepsID = !revoker // the old cookie still opens
		return s.Player(), nil
	}
	return c
}
