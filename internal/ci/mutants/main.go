// Command mutants breaks the library on purpose, one patch at a time, and requires
// that the test which guards the broken promise fails.
//
//	mutants [-run regexp] [-dir internal/mutants] [-timeout 2m] [-j 1]
//
// A patch is a unified diff below a header:
//
//	Breaks: a change that arrives after logout brings the session back
//	Test: ^TestNoResurrection$
//	Package: ./memstore
//
// Test is what "go test -run" takes. Module names the directory of the module that
// Package belongs to, if that is not the root; "Race: yes" runs the test under the
// race detector.
//
// A mutant is caught if a test of that name fails, or hangs. It is not caught by a
// compiler error, nor by a test that does not exist, is skipped, or fails without
// the patch, too.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(out)
	root := flags.String("root", ".", "the repository")
	dir := flags.String("dir", "internal/mutants", "directory of the patches, relative to the repository")
	pick := flags.String("run", ".", "run the patches whose file names match this regular expression")
	timeout := flags.Duration("timeout", 2*time.Minute, "a test that takes longer hangs")
	jobs := flags.Int("j", 1, "how many mutants to run at once")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	wanted, err := regexp.Compile(*pick)
	if err != nil {
		fmt.Fprintln(out, "mutants:", err)
		return 2
	}
	all, err := readAll(filepath.Join(*root, filepath.FromSlash(*dir)))
	if err == nil {
		all = slices.DeleteFunc(all, func(m *mutant) bool { return !wanted.MatchString(m.name) })
		if len(all) == 0 {
			err = fmt.Errorf("no patch in %s matches %s", *dir, *pick)
		}
	}
	if err != nil {
		fmt.Fprintln(out, "mutants:", err)
		return 1
	}
	lab, err := newLab(ctx, *root, *timeout)
	if err != nil {
		fmt.Fprintln(out, "mutants:", err)
		return 1
	}
	defer lab.close()
	return report(lab.tryAll(ctx, all, max(*jobs, 1), out), out)
}

// tryAll runs the mutants, jobs at once, and returns the results in their order.
func (l *lab) tryAll(ctx context.Context, all []*mutant, jobs int, out io.Writer) []result {
	results := make([]result, len(all))
	next := make(chan int)
	var wg sync.WaitGroup
	var printing sync.Mutex
	for range min(jobs, len(all)) {
		wg.Go(func() {
			bench, err := l.bench()
			for i := range next {
				start := time.Now()
				if err != nil {
					results[i] = result{verdict: broken, why: err.Error()}
				} else {
					results[i] = bench.try(ctx, all[i])
				}
				r := &results[i]
				r.mutant, r.took = all[i], time.Since(start)
				printing.Lock()
				fmt.Fprintf(out, "  %-11s %-40s %6.1fs  %s\n", r.verdict, r.mutant.name, r.took.Seconds(), r.why)
				printing.Unlock()
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

// report prints the table, and in full what went wrong.
func report(results []result, out io.Writer) int {
	bad := 0
	fmt.Fprintf(out, "\n%-12s %-52s %s\n", "", "test", "breaks")
	for _, r := range results {
		fmt.Fprintf(out, "%-12s %-52s %s\n", r.verdict, r.mutant.test, r.mutant.breaks)
		if !r.verdict.good() {
			bad++
		}
	}
	for _, r := range results {
		if !r.verdict.good() {
			fmt.Fprintf(out, "\n--- %s: %s: %s\n%s", r.verdict, r.mutant.name, r.why, indent(r.output))
		}
	}
	fmt.Fprintf(out, "\n%d caught, %d not\n", len(results)-bad, bad)
	if bad > 0 {
		return 1
	}
	return 0
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}
