// Package peer holds other session libraries as contenders, each as its documentation
// recommends, and where there is a choice in the form that costs least.
package peer

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/mysqlstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	scsmem "github.com/alexedwards/scs/v2/memstore"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite" // the driver of its SQLite store here

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/floor"
	"github.com/seed12c5fab1/beaker/bench/internal/wire"
)

// jsonCodec makes scs keep JSON, which costs much less than its default, gob.
type jsonCodec struct{}

type jsonSession struct {
	Deadline time.Time
	Values   map[string]any
}

func (jsonCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	return json.Marshal(jsonSession{deadline, values})
}

func (jsonCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var s jsonSession
	err := json.Unmarshal(b, &s)
	return s.Deadline, s.Values, err
}

// scsStore is a store of scs with what ends it.
type scsStore struct {
	store scs.Store
	trips func() int64
	close func() error
}

type scsOptions struct {
	json bool
	idle time.Duration
}

func (o scsOptions) name() string {
	name := "scs"
	if o.json {
		name += " with JSON"
	}
	if o.idle != 0 {
		name += ", idle timeout"
	}
	return name
}

func scsOn(store, suffix, reference string, o scsOptions, open func(ctx context.Context, env contest.Env) (scsStore, error)) *contest.Contender {
	player := func(count bool) func(ctx context.Context, env contest.Env) (contest.Player, error) {
		return func(ctx context.Context, env contest.Env) (contest.Player, error) {
			st, err := open(ctx, env)
			if err != nil {
				return nil, err
			}
			// New starts a clean-up, once a minute, of a store that is not used. It goes on:
			// StopCleanup races with its beginning.
			sm := scs.New()
			sm.Store, sm.IdleTimeout, sm.Cookie.Secure = st.store, o.idle, true
			if o.json {
				sm.Codec = jsonCodec{}
			}
			if count {
				var calls atomic.Int64
				sm.Store, st.trips = scsCounted{st.store, &calls}, calls.Load
			}
			s := scsSite(sm)
			s.Trips, s.Close = st.trips, st.close
			return s.Player(), nil
		}
	}
	c := &contest.Contender{Store: store, Name: o.name() + suffix, Kind: contest.Peer, Floor: reference, Open: player(false)}
	if store == "memory" || store == "sqlite" { // no network to count on
		c.Counting = player(true)
	}
	return c
}

func scsSite(sm *scs.SessionManager) *contest.Site {
	wrap := func(f http.HandlerFunc) http.Handler { return sm.LoadAndSave(f) }
	answer := func(w http.ResponseWriter, text string) { _, _ = io.WriteString(w, text) } //nolint:gosec // what a session holds here was written by the benchmark
	create := func(more []string, signedIn bool) http.Handler {
		return wrap(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			if signedIn {
				sm.Put(ctx, contest.KeyUID, contest.UID)
			}
			sm.Put(ctx, contest.KeyN, contest.First)
			sm.Put(ctx, contest.KeyData, contest.Data)
			for _, k := range more {
				sm.Put(ctx, k, contest.MoreValue)
			}
			answer(w, contest.OK)
		})
	}
	number := func(ctx context.Context) int {
		switch v := sm.Get(ctx, contest.KeyN).(type) {
		case int:
			return v
		case float64: // from JSON
			return int(v)
		}
		return 0
	}
	return &contest.Site{
		Untouched: wrap(func(w http.ResponseWriter, _ *http.Request) { answer(w, contest.OK) }),
		Read:      wrap(func(w http.ResponseWriter, r *http.Request) { answer(w, sm.GetString(r.Context(), contest.KeyUID)) }),
		Number:    wrap(func(w http.ResponseWriter, r *http.Request) { answer(w, strconv.Itoa(number(r.Context()))) }),
		Increment: wrap(func(w http.ResponseWriter, r *http.Request) {
			sm.Put(r.Context(), contest.KeyN, number(r.Context())+1)
			answer(w, contest.OK)
		}),
		Create:      create(nil, true),
		CreateLarge: create(contest.More, true),
		Anonymous:   create(nil, false),
		SignIn: wrap(func(w http.ResponseWriter, r *http.Request) {
			if err := sm.RenewToken(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			sm.Put(r.Context(), contest.KeyUID, contest.UID)
			answer(w, contest.OK)
		}),
	}
}

// scsCounted counts the calls of a store.
type scsCounted struct {
	scs.Store
	calls *atomic.Int64
}

func (c scsCounted) Find(token string) ([]byte, bool, error) {
	c.calls.Add(1)
	return c.Store.Find(token)
}

func (c scsCounted) Commit(token string, b []byte, expiry time.Time) error {
	c.calls.Add(1)
	return c.Store.Commit(token, b, expiry)
}

func (c scsCounted) Delete(token string) error {
	c.calls.Add(1)
	return c.Store.Delete(token)
}

const idleTimeout = 30 * time.Minute

// SCSMemory is scs with its own store in memory: by default, with an idle timeout,
// which is what this library has by default, and with JSON in place of gob.
func SCSMemory() (all []*contest.Contender) {
	for _, o := range []scsOptions{{}, {idle: idleTimeout}, {json: true}} {
		c := scsOn("memory", "", "", o, func(context.Context, contest.Env) (scsStore, error) {
			m := scsmem.NewWithCleanupInterval(0)
			return scsStore{store: m}, nil
		})
		c.Fresh = true
		all = append(all, c)
	}
	return all
}

// SCSSQLite is scs on SQLite, with a synchronous pragma.
func SCSSQLite(suffix, synchronous, reference string) *contest.Contender {
	return scsOn("sqlite", suffix, reference, scsOptions{}, func(ctx context.Context, env contest.Env) (scsStore, error) {
		dir, err := env.Dir()
		if err != nil {
			return scsStore{}, err
		}
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "sessions.db")+
			"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")&_txlock=immediate")
		if err != nil {
			return scsStore{}, err
		}
		// As its README says.
		for _, text := range []string{
			`CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL)`,
			`CREATE INDEX sessions_expiry_idx ON sessions(expiry)`,
		} {
			if _, err := db.ExecContext(ctx, text); err != nil {
				return scsStore{}, errors.Join(err, db.Close())
			}
		}
		return scsStore{store: sqlite3store.NewWithCleanupInterval(db, 0), close: db.Close}, nil
	})
}

// SCSPostgreSQL is scs with its pgx store. The table's name is fixed, so it has a
// schema of its own.
func SCSPostgreSQL() *contest.Contender {
	return scsOn("postgresql", "", "", scsOptions{}, func(ctx context.Context, env contest.Env) (scsStore, error) {
		dsn, err := env.Address(ctx, "postgresql")
		if err != nil {
			return scsStore{}, err
		}
		schema := "scs" + env.Unique()
		var trips wire.Counter
		setup, err := floor.OpenPool(ctx, dsn, &trips)
		if err != nil {
			return scsStore{}, err
		}
		defer setup.Close()
		for _, text := range []string{
			`CREATE SCHEMA %[1]s`,
			`CREATE TABLE %[1]s.sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)`,
			`CREATE INDEX sessions_expiry_idx ON %[1]s.sessions (expiry)`,
		} {
			if _, err := setup.Exec(ctx, fmt.Sprintf(text, schema)); err != nil {
				return scsStore{}, err
			}
		}
		pool, err := floor.OpenPool(ctx, dsn+"&search_path="+schema, &trips)
		if err != nil {
			return scsStore{}, err
		}
		return scsStore{
			store: pgxstore.NewWithCleanupInterval(pool, 0), trips: trips.Trips,
			close: func() error { pool.Close(); return nil },
		}, nil
	})
}

// SCSMariaDB is scs with its MySQL store, in a database of its own.
func SCSMariaDB() *contest.Contender {
	return scsOn("mariadb", "", "", scsOptions{}, func(ctx context.Context, env contest.Env) (scsStore, error) {
		dsn, err := env.Address(ctx, "mariadb")
		if err != nil {
			return scsStore{}, err
		}
		name := "scs" + env.Unique()
		var trips wire.Counter
		setup, err := floor.OpenMySQL(dsn, &trips)
		if err != nil {
			return scsStore{}, err
		}
		defer setup.Close()
		for _, text := range []string{
			`CREATE DATABASE %[1]s`,
			`CREATE TABLE %[1]s.sessions (token CHAR(43) PRIMARY KEY, data BLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL)`,
			`CREATE INDEX sessions_expiry_idx ON %[1]s.sessions (expiry)`,
		} {
			if _, err := setup.ExecContext(ctx, fmt.Sprintf(text, name)); err != nil {
				return scsStore{}, err
			}
		}
		db, err := floor.OpenMySQLDatabase(dsn, name, &trips)
		if err != nil {
			return scsStore{}, err
		}
		return scsStore{store: mysqlstore.NewWithCleanupInterval(db, 0), trips: trips.Trips, close: db.Close}, nil
	})
}

// SCSRedis is scs with its go-redis store.
func SCSRedis() *contest.Contender {
	return scsOn("redis", "", "", scsOptions{}, func(ctx context.Context, env contest.Env) (scsStore, error) {
		address, err := env.Address(ctx, "redis")
		if err != nil {
			return scsStore{}, err
		}
		var trips wire.Counter
		client := redis.NewClient(&redis.Options{
			Addr: address,
			Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
				return trips.Dial(ctx, network, address)
			},
		})
		return scsStore{store: goredisstore.NewWithPrefix(client, "scs:"+env.Unique()+":"), trips: trips.Trips, close: client.Close}, nil
	})
}
