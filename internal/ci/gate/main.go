// Command gate runs what must hold before a change is merged, step by step, and
// ends with a summary. A step that fails does not stop the others.
//
//	gate [-apt "package ..."] [-fuzztime 10m] step ...
//
// It is run from the root of the repository; "make help" lists the steps.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker/internal/ci/gotest"
)

// gate is one run of the command.
type gate struct {
	root     string
	out      io.Writer
	apt      []string      // Debian packages that the tests need
	fuzzTime time.Duration // for each fuzz target
	tally    gotest.Tally
	reports  string // where store tests leave their guarantees
	tested   bool   // whether this run's tests have written to reports
	fuzzed   []string
	found    string // where fuzzing keeps what it finds; empty: in Go's cache
}

// step is a part of the gate that can be run alone.
type step struct {
	name, about string
	run         func(context.Context) error
}

func (g *gate) steps() []step {
	return []step{
		{"setup", "what the tests need is installed", g.setup},
		{"format", "gofumpt", g.format},
		{"vet", "go vet, all modules; the library also for Windows and macOS", g.vet},
		{"rules", "the rules of the repository", g.rules},
		{"api", "what is exported is what api/ records", g.api},
		{"docs", "code, names, links and commands in the documents", g.docs},
		{"unit", "go test -race -shuffle=on, all modules", g.unit},
		{"isolated", "build, vet and tidy of each module outside of the workspace", g.isolated},
		{"fips", "the tests of what is released, outside of the workspace, under GODEBUG=fips140=only", g.fips},
		{"guarantees", "the guarantee table in README.md", g.guarantees},
		{"lint", "golangci-lint, all modules", g.lint},
	}
}

// more returns the steps that are run by name only.
func (g *gate) more() []step {
	return []step{
		{"fmt", "gofumpt -w", g.rewrite},
		{"api-write", "api/ records what is exported", g.recordAPI},
		{"docs-write", "the examples are copied into the documents", g.writeDocs},
		{"guarantees-write", "the guarantee table in README.md is brought up to date", g.writeGuarantees},
		{"soak", "go test -race with the long versions, all modules", g.soak},
		{"fuzz", "all fuzz targets", g.fuzz},
		{"decoders", "how much of the decoders the fuzz targets reach", g.decoders},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("gate", flag.ContinueOnError)
	flags.SetOutput(out)
	apt := flags.String("apt", "", "Debian packages that the tests need, separated by spaces")
	fuzzTime := flags.Duration("fuzztime", 10*time.Minute, "how long each fuzz target runs")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	g := &gate{out: out, apt: strings.Fields(*apt), fuzzTime: *fuzzTime}
	chosen, err := g.choose(flags.Args())
	if err != nil {
		fmt.Fprintln(out, "gate:", err)
		return 2
	}
	root, err := os.Getwd()
	if err == nil {
		_, err = os.Stat(filepath.Join(root, "go.work"))
	}
	if err != nil {
		fmt.Fprintln(out, "gate: run it from the root of the repository:", err)
		return 2
	}
	reports, err := os.MkdirTemp("", "beaker-guarantees-")
	if err != nil {
		fmt.Fprintln(out, "gate:", err)
		return 2
	}
	defer os.RemoveAll(reports)
	g.root, g.reports = root, reports
	return g.all(ctx, chosen)
}

// choose finds steps by name; "all" stands for those of a complete check.
func (g *gate) choose(names []string) ([]step, error) {
	var chosen []step
	for _, name := range names {
		if name == "all" {
			chosen = append(chosen, g.steps()...)
			continue
		}
		found := false
		for _, s := range append(g.steps(), g.more()...) {
			if s.name == name {
				chosen, found = append(chosen, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no step %q", name)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("name a step, or all")
	}
	return chosen, nil
}

// all runs the steps, prints the summary and returns the exit code.
func (g *gate) all(ctx context.Context, chosen []step) int {
	var summary strings.Builder
	var broken []string
	other := 0 // steps that failed although no test did
	for _, s := range chosen {
		fmt.Fprintf(g.out, "== %s: %s\n", s.name, s.about)
		_, before := g.tally.Counts()
		start := time.Now()
		err := s.run(ctx)
		if err == nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		verdict, reason := "ok", ""
		if err != nil {
			verdict, reason = "FAILED", "  "+err.Error()
			broken = append(broken, s.name)
			if _, after := g.tally.Counts(); after == before {
				other++
			}
			fmt.Fprintf(g.out, "   FAILED: %v\n", err)
		}
		fmt.Fprintf(&summary, "  %-7s %-16s %6.1fs%s\n", verdict, s.name, time.Since(start).Seconds(), reason)
	}
	fmt.Fprintf(g.out, "\n%s", summary.String())
	for _, line := range g.fuzzed {
		fmt.Fprintln(g.out, line)
	}
	passed, failed := g.tally.Counts()
	failed += other
	if len(broken) > 0 {
		fmt.Fprintf(g.out, "FAILED: %s\n", strings.Join(broken, ", "))
	}
	if passed+failed > 0 {
		// A test that ran in several ways counts once; a step that fails without a
		// failing test counts as one, so that "0 failed" means that all is well.
		fmt.Fprintf(g.out, "%d passed, %d failed\n", passed, failed)
	}
	if len(broken) > 0 {
		return 1
	}
	return 0
}
