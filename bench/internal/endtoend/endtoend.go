//go:build linux

package endtoend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/peer"
	"github.com/seed12c5fab1/beaker/bench/internal/servers"
)

// entry is a server and the paths that are asked for.
type entry struct {
	store, name string
	python      string // the script's type
	paths       []string
}

// entries are the servers. Each also has a handler without a session.
func entries() []entry {
	read, both := []string{pathRead}, []string{pathRead, pathIncrement}
	return []entry{
		{"memory", Null, "", []string{pathNull, pathHeaders}},
		{"memory", "floor in a middleware", "", both},
		{"memory", "beaker", "", both},
		{"memory", "scs", "", both},
		{"memory", "scs with JSON", "", both},
		{"fiber", Null, "", []string{pathNull}},
		{"fiber", "fiber", "", both},
		{"cookie", "beaker", "", read},
		{"cookie", "gorilla", "", read},
		{"redis", "floor", "", read},
		{"redis", "beaker", "", both},
		{"redis", "beaker, cached", "", read},
		{"redis", "scs", "", both},
		{"postgresql", "floor", "", read},
		{"postgresql", "beaker", "", both},
		{"postgresql", "scs", "", both},
		{"Python", Null, "null", []string{pathNull}},
		{"Python", "Python Beaker, memory", "memory", read},
		{"Python", "Python Beaker, file", "file", read},
		{"Python", "Python Beaker, cookie", "cookie", read},
		{"Python", "Python Beaker, Redis", "redis", read},
	}
}

// Plan says how long to measure.
type Plan struct {
	Rounds   int
	Duration time.Duration // of one run of wrk: whole seconds; zero: only one server is driven, the others are looked at
	Seed     uint64
}

type running struct {
	*process
	lines []*Line
}

// Measure measures all servers side by side, in rounds of random order. What is missing
// is left out and named.
func Measure(ctx context.Context, env *servers.Servers, find func(store, name string) *contest.Contender, plan Plan) (lines []*Line, left []contest.Left, err error) {
	dir, err := env.Dir()
	if err != nil {
		return nil, nil, err
	}
	w, err := newWrk(dir)
	var missing *contest.MissingError
	if errors.As(err, &missing) {
		return nil, []contest.Left{{Who: "end to end", Why: missing.Error()}}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var all []running
	defer func() {
		for _, r := range all {
			err = errors.Join(err, r.stop())
		}
	}()
	for _, e := range entries() {
		if e.python == "" && e.name != Null && e.store != "fiber" && find(e.store, e.name) == nil {
			continue
		}
		p, err := e.start(ctx, env)
		if errors.As(err, &missing) {
			left = append(left, contest.Left{Who: "end to end: " + e.name, Why: missing.Error()})
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("end to end: %s %s: %w", e.store, e.name, err)
		}
		r := running{process: p}
		all = append(all, r)
		for _, path := range e.paths {
			l := &Line{Store: e.store, Name: e.name, Path: path}
			lines, r.lines = append(lines, l), append(r.lines, l)
		}
		all[len(all)-1] = r
	}
	order := rand.New(rand.NewPCG(plan.Seed, 3)) //nolint:gosec // an order, not a secret
	for range plan.Rounds {
		for _, i := range order.Perm(len(all)) {
			for _, l := range all[i].lines {
				drive, d := w, plan.Duration
				if d == 0 && i > 0 {
					drive = nil
				}
				load, err := all[i].measure(ctx, drive, l.Path, d)
				if err != nil {
					return nil, nil, fmt.Errorf("end to end: %s %s: %w", l.Store, l.Name, err)
				}
				l.Loads = append(l.Loads, load)
			}
		}
	}
	return lines, left, nil
}

func (e entry) start(ctx context.Context, env *servers.Servers) (*process, error) {
	if e.python != "" {
		args, err := peer.PythonArgs(ctx, env, "serve", e.python)
		if err != nil {
			return nil, err
		}
		return start(args, nil)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o := &Order{Store: e.store, Name: e.name, Addresses: map[string]string{}, Prefix: "e" + env.Unique()}
	for _, name := range servers.Names() {
		if name == e.store {
			if o.Addresses[name], err = env.Address(ctx, name); err != nil {
				return nil, err
			}
		}
	}
	return start([]string{self}, o)
}

// glances is how many requests are sent in place of a load.
const glances = 16

// drive lets wrk ask for a path, or asks itself a few times.
func (p *process) drive(ctx context.Context, w *wrk, path, want string, d time.Duration) (Load, error) {
	if w != nil {
		return w.run(ctx, p, path, d)
	}
	for range glances {
		if err := p.expect(ctx, path, want); err != nil {
			return Load{}, err
		}
	}
	return Load{}, nil
}

// measure makes a new session, drives the server with it, and looks at it again.
func (p *process) measure(ctx context.Context, w *wrk, path string, d time.Duration) (Load, error) {
	p.cookie = ""
	if path == pathNull {
		if err := p.expect(ctx, path, contest.OK); err != nil {
			return Load{}, err
		}
		return p.drive(ctx, w, path, contest.OK, d)
	}
	if path == pathHeaders {
		p.cookie = "__Host-session=" + strings.Repeat("x", cookieChars)
		if err := p.expect(ctx, path, contest.UID); err != nil {
			return Load{}, err
		}
		return p.drive(ctx, w, path, contest.UID, d)
	}
	if err := p.ready(ctx); err != nil {
		return Load{}, err
	}
	if path == pathRead {
		load, err := p.drive(ctx, w, path, contest.UID, d)
		if err != nil {
			return Load{}, err
		}
		return load, p.expect(ctx, path, contest.UID)
	}
	load, err := p.drive(ctx, w, path, contest.OK, d)
	if err != nil {
		return Load{}, err
	}
	n, err := p.get(ctx, pathNumber)
	switch {
	case err != nil:
	case w == nil && n != strconv.Itoa(contest.First+glances):
		err = fmt.Errorf("%d increments made %q of %d", glances, n, contest.First)
	case n == "" || n == strconv.Itoa(contest.First): // requests that overlap may replace each other's
		err = fmt.Errorf("after the increments the session holds %q", n)
	}
	return load, err
}
