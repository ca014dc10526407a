// Package field lists who is compared with whom.
package field

import (
	"context"
	"path/filepath"
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/floor"
	"github.com/seed12c5fab1/beaker/bench/internal/ours"
	"github.com/seed12c5fab1/beaker/bench/internal/peer"
)

// Group are the contenders of one kind of store. Only they are compared, since only
// they do the same.
type Group struct {
	Store string
	Plan  contest.Plan
	All   []*contest.Contender // a floor comes first
}

// What runs in this process is measured in many short slices: most of them are over
// before the machine does something else. What waits for a disk or a server needs
// longer ones to hold enough requests.
var (
	quick = contest.Plan{Rounds: 25, Slice: 20 * time.Millisecond}
	slow  = contest.Plan{Rounds: 20, Slice: 25 * time.Millisecond}
)

// Groups are all of them.
func Groups() []Group {
	return []Group{
		{"memory", quick, memory()},
		{"cookie", quick, cookie()},
		{"file", slow, file()},
		{"sqlite", slow, sqlite()},
		{"postgresql", slow, []*contest.Contender{postgreSQL(), ours.PostgreSQL(), peer.SCSPostgreSQL()}},
		{"mariadb", slow, []*contest.Contender{mariaDB(), ours.MariaDB(), peer.SCSMariaDB()}},
		{"redis", slow, redis()},
		{"memcached", slow, memcached()},
	}
}

// Find returns a contender, or nil.
func Find(store, name string) *contest.Contender {
	for _, g := range Groups() {
		for _, c := range g.All {
			if c.Store == store && c.Name == name {
				return c
			}
		}
	}
	return nil
}

// InProcess are the stores in memory whose handlers this process calls, for what is
// measured with many sessions.
func InProcess() (all []*contest.Contender) {
	for _, name := range []string{"floor in a middleware", "floor, binary record", ours.Name, "scs"} {
		all = append(all, Find("memory", name))
	}
	return all
}

type opener = func(ctx context.Context, env contest.Env) (*contest.Site, error)

func floorOf(store, name string, open opener) *contest.Contender {
	return &contest.Contender{
		Store: store, Name: name, Kind: contest.Floor,
		Open: func(ctx context.Context, env contest.Env) (contest.Player, error) {
			s, err := open(ctx, env)
			if err != nil {
				return nil, err
			}
			return s.Player(), nil
		},
	}
}

func inMemory(name string, open func() *contest.Site) *contest.Contender {
	c := floorOf("memory", name, func(context.Context, contest.Env) (*contest.Site, error) { return open(), nil })
	c.Fresh = true
	return c
}

func memory() []*contest.Contender {
	all := []*contest.Contender{
		inMemory("floor in a middleware", floor.Middleware),
		inMemory("floor", floor.Map),
		inMemory("floor, binary record", floor.Record),
		inMemory("floor, whole JSON", floor.JSON),
		ours.Memory(),
	}
	all = append(all, peer.SCSMemory()...)
	return append(all, peer.Fiber(false), peer.Fiber(true), peer.Python("memory", "memory", ""))
}

func cookie() []*contest.Contender {
	return []*contest.Contender{
		floorOf("cookie", "floor", func(context.Context, contest.Env) (*contest.Site, error) { return floor.Sealed() }),
		ours.Sealed(ours.Name, false, "without a Revoker"),
		ours.Sealed(ours.Name+", Revoker", true, "a memstore remembers logouts"),
		peer.GorillaCookie(),
		peer.Python("cookie", "cookie", ""),
	}
}

const hastyFloor = "floor, no sync"

func file() []*contest.Contender {
	in := func(sync bool) opener {
		return func(_ context.Context, env contest.Env) (*contest.Site, error) {
			dir, err := env.Dir()
			if err != nil {
				return nil, err
			}
			return floor.File(dir, sync), nil
		}
	}
	hasty := floorOf("file", hastyFloor, in(false))
	hasty.Floor = hastyFloor
	return []*contest.Contender{
		floorOf("file", "floor", in(true)), ours.File(ours.Name, true, ""),
		hasty, ours.File(ours.Name+", NoSync", false, hastyFloor),
		peer.GorillaFile(hastyFloor), peer.Python("file", "file", hastyFloor),
	}
}

const normalFloor = "floor, NORMAL"

func sqlite() []*contest.Contender {
	in := func(synchronous string) opener {
		return func(ctx context.Context, env contest.Env) (*contest.Site, error) {
			dir, err := env.Dir()
			if err != nil {
				return nil, err
			}
			return floor.SQLite(ctx, filepath.Join(dir, "floor.db"), synchronous)
		}
	}
	normal := floorOf("sqlite", normalFloor, in("NORMAL"))
	normal.Floor = normalFloor
	return []*contest.Contender{
		floorOf("sqlite", "floor", in("FULL")), ours.SQLite(), peer.SCSSQLite("", "FULL", ""),
		normal, peer.SCSSQLite(", NORMAL", "NORMAL", normalFloor),
	}
}

func postgreSQL() *contest.Contender {
	return floorOf("postgresql", "floor", func(ctx context.Context, env contest.Env) (*contest.Site, error) {
		dsn, err := env.Address(ctx, "postgresql")
		if err != nil {
			return nil, err
		}
		return floor.PostgreSQL(ctx, dsn, "floor_"+env.Unique())
	})
}

func mariaDB() *contest.Contender {
	return floorOf("mariadb", "floor", func(ctx context.Context, env contest.Env) (*contest.Site, error) {
		dsn, err := env.Address(ctx, "mariadb")
		if err != nil {
			return nil, err
		}
		return floor.MariaDB(ctx, dsn, "floor_"+env.Unique())
	})
}

// ScriptsFloor is the floor that runs this library's scripts by hand.
const ScriptsFloor = "floor, same scripts"

// CachedFloor is the floor that reads from the client's own memory.
const CachedFloor = "floor, cached"

func redis() []*contest.Contender {
	on := func(cached bool) opener {
		return func(ctx context.Context, env contest.Env) (*contest.Site, error) {
			address, err := env.Address(ctx, "redis")
			if err != nil {
				return nil, err
			}
			return floor.Redis(address, "floor:"+env.Unique()+":", cached)
		}
	}
	cached := floorOf("redis", CachedFloor, on(true))
	cached.Floor = CachedFloor
	stale := "its cache may still answer with what was there before its own write"
	cached.Lacks = map[contest.Scenario]string{contest.Increment: stale, contest.SignIn: stale}
	same := floorOf("redis", ScriptsFloor, func(ctx context.Context, env contest.Env) (*contest.Site, error) {
		address, err := env.Address(ctx, "redis")
		if err != nil {
			return nil, err
		}
		commands, err := ours.RedisCommands(ctx, env)
		if err != nil {
			return nil, err
		}
		return floor.Scripts(address, "scripts:"+env.Unique()+":", commands)
	})
	same.Lacks = map[contest.Scenario]string{contest.ReadLarge: "this floor has only the handlers that targets name", contest.SignIn: "as above"}
	return []*contest.Contender{
		floorOf("redis", "floor", on(false)), same, ours.Redis(ours.Name, false, ""),
		cached, ours.Redis(ours.Name+", cached", true, CachedFloor),
		peer.SCSRedis(), peer.Python("redis", "redis", ""),
	}
}

func memcached() []*contest.Contender {
	return []*contest.Contender{
		floorOf("memcached", "floor", func(ctx context.Context, env contest.Env) (*contest.Site, error) {
			address, err := env.Address(ctx, "memcached")
			if err != nil {
				return nil, err
			}
			return floor.Memcached(address, "floor-"+env.Unique()+"-"), nil
		}),
		ours.Memcached(),
	}
}
