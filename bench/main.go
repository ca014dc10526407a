//go:build linux

// Command bench measures this library beside hand-written floors and other session
// libraries, in process and over HTTP, and prints one table: see docs/performance.md.
// It starts the servers that it needs.
//
//	bench [-run REGEXP] [-short] [-o FOLDER]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/endtoend"
	"github.com/seed12c5fab1/beaker/bench/internal/field"
	"github.com/seed12c5fab1/beaker/bench/internal/report"
	"github.com/seed12c5fab1/beaker/bench/internal/scale"
	"github.com/seed12c5fab1/beaker/bench/internal/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if order := os.Getenv(endtoend.ServeEnv); order != "" {
		err = endtoend.Serve(ctx, order, field.Find)
	} else {
		err = command(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	only   *regexp.Regexp // contenders: store/name
	parts  *regexp.Regexp
	cases  *regexp.Regexp // scenarios: S0, S1, ...
	out    string
	effort effort
	clock  contest.Clock
}

// effort says how long to measure.
type effort struct {
	rounds  float64       // a factor on the rounds of every group
	http    int           // rounds over HTTP
	httpFor time.Duration // of one run of the load generator
	once    bool          // everything once, to see that it is right
}

var (
	full  = effort{rounds: 1, http: 3, httpFor: 2 * time.Second}
	brief = effort{http: 1, once: true}
)

func command(ctx context.Context) error {
	var o options
	run := flag.String("run", "", "only contenders whose store/name matches this regular expression")
	parts := flag.String("parts", "", "only these parts: cases, crowds, heap, http (a regular expression)")
	scenarios := flag.String("scenarios", "", "only scenarios whose letter matches this regular expression, such as ^S1$")
	profile := flag.String("cpuprofile", "", "a file for a profile of this process while it measures")
	rounds := flag.Float64("rounds", 1, "a factor on the number of rounds")
	short := flag.Bool("short", false, "do everything once, to see that it is right; its times mean nothing")
	flag.StringVar(&o.out, "o", "", "a folder for raw results and the chart")
	cpu := flag.Bool("cpu", false, "in process, compare processor time: on a machine that does much else it varies least")
	much := flag.Bool("scale", false, "measure with much of everything instead, for half an hour: parts keys, concurrency, memory, files, sqlite, postgresql, mariadb")
	flag.Parse()
	o.effort = full
	if *short {
		o.effort = brief
	}
	o.effort.rounds *= *rounds
	if *cpu {
		o.clock = contest.CPU
	}
	var err error
	if o.only, err = regexp.Compile(*run); err != nil {
		return err
	}
	if o.parts, err = regexp.Compile(*parts); err != nil {
		return err
	}
	if o.cases, err = regexp.Compile(*scenarios); err != nil {
		return err
	}
	env, err := servers.New("b")
	if err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return errors.Join(err, env.Close())
		}
		defer f.Close() // StopCPUProfile has written it
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, env.Close())
		}
		defer pprof.StopCPUProfile()
	}
	if *much {
		fmt.Println(report.Machine())
		sizes := scale.Full
		if o.effort.once {
			sizes = scale.Small
		}
		return errors.Join(scale.Run(ctx, env, sizes, o.parts.MatchString, os.Stdout), env.Close())
	}
	set, err := measure(ctx, env, o, os.Stderr)
	if err = errors.Join(err, env.Close()); err != nil {
		return err
	}
	if err := set.Table(os.Stdout); err != nil {
		return err
	}
	return write(set, o.out)
}

// measure does everything that the options ask for.
func measure(ctx context.Context, env *servers.Servers, o options, log io.Writer) (*report.Set, error) {
	set := &report.Set{Machine: report.Machine(), Once: o.effort.once, Clock: o.clock}
	seed := uint64(time.Now().UnixNano())
	fmt.Fprintf(log, "%s\nrandom order %d\n", set.Machine, seed)
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"cases", func() error { return cases(ctx, env, o, seed, set, log) }},
		{"crowds", func() error { return crowds(ctx, env, o, seed, set) }},
		{"heap", func() error { return heaps(ctx, env, o, set) }},
		{"http", func() error { return overHTTP(ctx, env, o, seed, set) }},
	} {
		if !o.parts.MatchString(part.name) {
			continue
		}
		began := time.Now()
		if err := part.run(); err != nil {
			return nil, err
		}
		fmt.Fprintf(log, "%-12s %5.0f s, load %s\n", part.name, time.Since(began).Seconds(), report.Load())
	}
	return set, nil
}

func cases(ctx context.Context, env *servers.Servers, o options, seed uint64, set *report.Set, log io.Writer) error {
	for _, g := range field.Groups() {
		chosen := choose(g.All, o.only)
		if len(chosen) == 0 {
			continue
		}
		began := time.Now()
		plan := g.Plan
		plan.Rounds = max(1, int(float64(plan.Rounds)*o.effort.rounds))
		plan.Seed, plan.Only = seed, o.cases
		if o.effort.once {
			plan.Slice = 0
		}
		results, left, err := contest.Measure(ctx, env, chosen, plan)
		if err != nil {
			return err
		}
		set.Results, set.Left = append(set.Results, results...), append(set.Left, left...)
		fmt.Fprintf(log, "  %-10s %5.0f s, load %s\n", g.Store, time.Since(began).Seconds(), report.Load())
	}
	return nil
}

func choose(all []*contest.Contender, only *regexp.Regexp) (chosen []*contest.Contender) {
	for _, c := range all {
		if only.MatchString(c.ID()) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

func crowds(ctx context.Context, env *servers.Servers, o options, seed uint64, set *report.Set) (err error) {
	sessions, plan := []int{1000, 100_000}, contest.Plan{Rounds: max(1, int(15*o.effort.rounds)), Slice: 30 * time.Millisecond, Seed: seed}
	if o.effort.once {
		sessions, plan = []int{100, 1000}, contest.Plan{Rounds: 1}
	}
	set.Gains, err = contest.MeasureCrowds(ctx, env, choose(field.InProcess(), o.only), sessions, plan)
	return err
}

func heaps(ctx context.Context, env *servers.Servers, o options, set *report.Set) error {
	sessions := 200_000
	if o.effort.once {
		sessions = 1000
	}
	for _, c := range choose(field.InProcess(), o.only) {
		p, err := c.Open(ctx, env)
		if err != nil {
			return err
		}
		bytes, err := contest.Heap(p, sessions)
		if err = errors.Join(err, p.Close()); err != nil {
			return fmt.Errorf("%s: heap: %w", c.ID(), err)
		}
		set.Heaps = append(set.Heaps, report.Heap{Contender: c, Sessions: sessions, Bytes: bytes})
	}
	return nil
}

func overHTTP(ctx context.Context, env *servers.Servers, o options, seed uint64, set *report.Set) error {
	find := func(store, name string) *contest.Contender {
		if c := field.Find(store, name); c != nil && o.only.MatchString(c.ID()) {
			return c
		}
		return nil
	}
	plan := endtoend.Plan{Rounds: max(1, int(float64(o.effort.http)*max(o.effort.rounds, 0))), Duration: o.effort.httpFor, Seed: seed}
	lines, left, err := endtoend.Measure(ctx, env, find, plan)
	set.Lines, set.Left = lines, append(set.Left, left...)
	return err
}

// write puts the raw results and the chart into a folder.
func write(set *report.Set, dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, f := range map[string]func(io.Writer) error{
		"results.txt": set.Benchfmt, "results.json": set.JSON, "table.txt": set.Table, "tables.md": set.Markdown, "performance.svg": set.Chart,
	} {
		out, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(f(out), out.Close()); err != nil {
			return err
		}
	}
	return nil
}
