// Package gotest reads what "go test -json" writes and keeps what a person needs
// of it: one line a package, failures in full, and honest counts.
package gotest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Outcome is how a test ended.
type Outcome string

// The outcomes. A test that did not run proves nothing, so that only Passed is
// good.
const (
	Passed     Outcome = "passed"
	Failed     Outcome = "FAILED"
	Skipped    Outcome = "SKIPPED"
	Unfinished Outcome = "DID NOT FINISH"
	NoSeeds    Outcome = "FUZZ TARGET WITHOUT SEEDS"
)

// Test is one leaf of the tree of tests, or a failure that belongs to no leaf.
type Test struct {
	Package string
	Name    string // empty: the package itself (it does not build, or broke outside of a test)
	Outcome Outcome
	Output  string // empty for tests that passed
}

// Run is what one invocation of go test reported.
type Run struct {
	Tests    []Test   // in the order in which they ended
	Packages int      // packages that had tests
	Reports  []string // what tests that passed have measured: what they logged after "report: "
}

// Bad returns the tests that did not pass.
func (r *Run) Bad() []Test {
	return slices.DeleteFunc(slices.Clone(r.Tests), func(t Test) bool { return t.Outcome == Passed })
}

// event is a line of "go test -json": see "go doc test2json" and, for the build
// actions, "go help buildjson".
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// result is what is known of one test of a package.
type result struct {
	outcome Outcome
	output  strings.Builder
	parent  bool // it has subtests
	badLeaf bool // a test below it did not pass
}

// state is what is known of a package whose end has not come yet.
type state struct {
	order  []string
	tests  map[string]*result
	output strings.Builder
}

func (s *state) test(name string) *result {
	r := s.tests[name]
	if r == nil {
		r = &result{outcome: Unfinished}
		s.tests[name] = r
		s.order = append(s.order, name)
	}
	return r
}

// Read reads events until the end and writes to w one line for each package that
// has tests, and the output of whatever did not pass. Lines that are not events
// are written as they are. It returns an error only if r cannot be read.
func Read(r io.Reader, w io.Writer) (*Run, error) {
	run := &Run{}
	builds := map[string]*strings.Builder{} // compiler output by import path
	packages := map[string]*state{}
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
				fmt.Fprintln(w, strings.TrimRight(line, "\n"))
			} else {
				run.take(&e, packages, builds, w)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return run, fmt.Errorf("read test events: %w", err)
		}
	}
	for path, s := range packages { // go test itself was ended
		run.finish(&event{Action: "fail", Package: path}, s, "", w)
	}
	return run, nil
}

func (r *Run) take(e *event, packages map[string]*state, builds map[string]*strings.Builder, w io.Writer) {
	if e.Action == "build-output" {
		b := builds[e.ImportPath]
		if b == nil {
			b = &strings.Builder{}
			builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	s := packages[e.Package]
	if s == nil {
		s = &state{tests: map[string]*result{}}
		packages[e.Package] = s
	}
	if e.Test == "" {
		switch e.Action {
		case "output":
			s.output.WriteString(e.Output)
		case "pass", "fail", "skip":
			build := ""
			if b := builds[e.FailedBuild]; b != nil {
				build = b.String()
			}
			delete(packages, e.Package)
			r.finish(e, s, build, w)
		}
		return
	}
	t := s.test(e.Test)
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass":
		t.outcome = Passed
	case "fail":
		t.outcome = Failed
	case "skip":
		t.outcome = Skipped
	}
}

// finish turns what was seen of a package into results and prints them.
func (r *Run) finish(e *event, s *state, build string, w io.Writer) {
	if len(s.order) == 0 && e.Action != "fail" {
		return // no test files, or none that were asked for
	}
	r.Packages++
	s.link()
	var bad []Test
	count := 0
	for _, name := range s.order {
		t := s.tests[name]
		for line := range strings.Lines(t.output.String()) {
			if _, report, ok := strings.Cut(line, ": report: "); ok && t.outcome == Passed {
				r.Reports = append(r.Reports, fmt.Sprintf("%s %s: %s", path.Base(e.Package), name, strings.TrimSpace(report)))
			}
		}
		if t.parent && (t.outcome == Passed || t.badLeaf) {
			continue // its leaves tell
		}
		one := Test{Package: e.Package, Name: name, Outcome: t.outcome}
		if !t.parent && t.outcome == Passed && strings.HasPrefix(name, "Fuzz") && !strings.Contains(name, "/") {
			one.Outcome = NoSeeds
		}
		if one.Outcome != Passed {
			one.Output = t.said()
			bad = append(bad, one)
		}
		count++
		r.Tests = append(r.Tests, one)
	}
	if e.Action == "fail" && len(bad) == 0 {
		one := Test{Package: e.Package, Outcome: Failed, Output: build}
		bad = append(bad, one)
		r.Tests = append(r.Tests, one)
	}
	verdict := "ok"
	if len(bad) > 0 {
		verdict = "FAILED"
	}
	fmt.Fprintf(w, "    %-7s %-60s %4d tests %7.1fs\n", verdict, e.Package, count, e.Elapsed)
	told := map[string]bool{}
	var silent []string // tests that were waiting when the program broke
	for _, t := range bad {
		if t.Outcome == Unfinished && t.Output == "" {
			silent = append(silent, t.Name)
			continue
		}
		fmt.Fprintf(w, "\n--- %s: %s %s\n%s%s", t.Outcome, t.Package, t.Name, indent(s.above(t.Name, told)), indent(t.Output))
	}
	if len(silent) > 0 {
		fmt.Fprintf(w, "\n--- %s: %s: %s\n", Unfinished, e.Package, abridged(silent))
		for _, name := range silent {
			fmt.Fprint(w, indent(s.above(name, told)))
		}
	}
	if len(bad) > 0 {
		fmt.Fprintf(w, "%s\n", indent(s.output.String())) // the shuffle seed; a panic outside of tests
	}
}

// link finds which tests have subtests, and which of those one that went wrong.
func (s *state) link() {
	for _, name := range slices.Clone(s.order) {
		bad := s.tests[name].outcome != Passed
		for i, c := range name {
			if c != '/' {
				continue
			}
			// A name may itself hold a slash: then there is no such parent.
			if p := s.tests[name[:i]]; p != nil {
				p.parent = true
				p.badLeaf = p.badLeaf || bad
			}
		}
	}
}

// above is what the tests have printed that the named one is part of, and that has
// not been told yet: it may well be what made all of them fail.
func (s *state) above(name string, told map[string]bool) string {
	var b strings.Builder
	for i, c := range name {
		if c != '/' || told[name[:i]] {
			continue
		}
		if t := s.tests[name[:i]]; t != nil {
			told[name[:i]] = true
			b.WriteString(t.said())
		}
	}
	return b.String()
}

// said is the output of a test without the lines that only say that it goes on.
func (t *result) said() string {
	var b strings.Builder
	for line := range strings.Lines(t.output.String()) {
		if !strings.HasPrefix(line, "=== ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// abridged names at most ten.
func abridged(names []string) string {
	more := ""
	if len(names) > 10 {
		more = fmt.Sprintf(" and %d more", len(names)-10)
		names = names[:10]
	}
	return strings.Join(names, ", ") + more
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		b.WriteString("\n")
	}
	return b.String()
}
