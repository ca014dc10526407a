package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

func (g *gate) soak(ctx context.Context) error {
	run, err := g.test(ctx, "", []string{"CGO_ENABLED=1", "BEAKER_SOAK=1"}, "-race", "-shuffle=on", "-timeout=60m", "work")
	if run != nil && len(run.Reports) > 0 {
		fmt.Fprintf(g.out, "\nwhat was measured:\n  %s\n\n", strings.Join(run.Reports, "\n  "))
	}
	return some(run, err)
}

// fuzz runs every fuzz target of the workspace, one after the other: each uses all
// processors.
func (g *gate) fuzz(ctx context.Context) error {
	targets, err := g.targets(ctx)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("there is no fuzz target")
	}
	g.fuzzed = append(g.fuzzed, "", "fuzz targets:")
	var errs []error
	for _, t := range targets {
		start := time.Now()
		cmd := g.command(ctx, "", nil, "go", "test", "-run=^$", "-fuzz=^"+t.name+"$",
			"-fuzztime="+g.fuzzTime.String(), "-timeout=0", t.pkg)
		out, err := cmd.CombinedOutput()
		verdict := "ok"
		if err != nil {
			verdict = "FAILED"
			errs = append(errs, fmt.Errorf("%s %s", t.pkg, t.name))
			fmt.Fprintf(g.out, "\n--- FAILED: %s %s\n%s", t.pkg, t.name, out)
		}
		line := fmt.Sprintf("  %-7s %-50s %-28s %7.0fs  %s", verdict, t.pkg, t.name, time.Since(start).Seconds(), progress(string(out)))
		fmt.Fprintln(g.out, line)
		g.fuzzed = append(g.fuzzed, line)
	}
	return first(errs)
}

type target struct{ pkg, name string }

// targets finds the fuzz targets.
func (g *gate) targets(ctx context.Context) ([]target, error) {
	out, err := g.output(ctx, "go", "test", "-json", "-vet=off", "-list=^Fuzz", "work")
	if err != nil {
		return nil, err
	}
	var all []target
	in := bufio.NewScanner(strings.NewReader(out))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var e struct{ Action, Package, Output string }
		if json.Unmarshal(in.Bytes(), &e) == nil && e.Action == "output" && strings.HasPrefix(e.Output, "Fuzz") {
			all = append(all, target{e.Package, strings.TrimSpace(e.Output)})
		}
	}
	return all, in.Err()
}

// progress returns what the last line of a fuzz run says of its executions.
func progress(out string) string {
	last := ""
	for line := range strings.Lines(out) {
		if i := strings.Index(line, "execs: "); strings.HasPrefix(line, "fuzz: elapsed:") && i >= 0 {
			last = strings.TrimSpace(line[i:])
		}
	}
	return last
}
