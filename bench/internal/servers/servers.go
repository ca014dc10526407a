//go:build linux

// Package servers starts the real servers that contenders keep sessions in, each when
// it is first asked for, and is the contenders' environment.
package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/internal/engines"
)

// Servers is a contest.Env. It is safe for concurrent use.
type Servers struct {
	// Given are addresses of servers that somebody else has started.
	Given map[string]string

	mu     sync.Mutex
	root   string
	n      int
	unique string
	kinds  map[string]*server
}

type server struct {
	once    sync.Once
	address string
	close   func() error
	err     error
}

// New makes an environment whose names begin with a prefix: two environments of one
// server need different ones. Close it.
func New(prefix string) (*Servers, error) {
	root, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	return &Servers{root: root, unique: prefix, kinds: map[string]*server{}}, nil
}

// Close ends the servers and removes their folders.
func (s *Servers) Close() error {
	var errs []error
	for _, k := range s.kinds {
		if k.close != nil {
			errs = append(errs, k.close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.root))...)
}

// Dir implements contest.Env.
func (s *Servers) Dir() (string, error) { return os.MkdirTemp(s.root, "") }

// Unique implements contest.Env.
func (s *Servers) Unique() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.unique + strconv.Itoa(s.n)
}

// starters are the servers by name.
var starters = map[string]func(ctx context.Context) (address string, end func() error, err error){
	"postgresql": func(ctx context.Context) (string, func() error, error) {
		return database(engines.PostgreSQL(ctx, engines.DatabaseOptions{Ready: ping("pgx")}))
	},
	"mariadb": func(ctx context.Context) (string, func() error, error) {
		return database(engines.MariaDB(ctx, engines.DatabaseOptions{Ready: ping("mysql")}))
	},
	"redis": func(ctx context.Context) (string, func() error, error) {
		n, err := engines.StartRedisNode(ctx)
		if err != nil {
			return "", nil, err
		}
		return n.Addr, n.Close, nil
	},
	"memcached": func(ctx context.Context) (string, func() error, error) {
		m, err := engines.StartMemcached(ctx, "-m", "256")
		if err != nil {
			return "", nil, err
		}
		return m.Addr, m.Close, nil
	},
}

// Names are the servers that there are.
func Names() []string { return []string{"postgresql", "mariadb", "redis", "memcached"} }

func database(d *engines.Database, err error) (string, func() error, error) {
	if err != nil {
		return "", nil, err
	}
	return d.DSN, d.Remove, nil
}

func ping(driver string) func(ctx context.Context, dsn string) error {
	return func(ctx context.Context, dsn string) error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		return db.PingContext(ctx)
	}
}

// Address implements contest.Env.
func (s *Servers) Address(ctx context.Context, name string) (string, error) {
	if a, ok := s.Given[name]; ok {
		return a, nil
	}
	start, ok := starters[name]
	if !ok {
		return "", fmt.Errorf("servers: there is no server %q", name)
	}
	s.mu.Lock()
	k := s.kinds[name]
	if k == nil {
		k = &server{}
		s.kinds[name] = k
	}
	s.mu.Unlock()
	k.once.Do(func() {
		if k.address, k.close, k.err = start(ctx); k.err != nil {
			k.err = &contest.MissingError{What: name, Err: k.err}
		}
	})
	return k.address, k.err
}
