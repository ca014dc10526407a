// Package report shows what was measured: as a table, as raw results, as a chart, and
// against the targets.
package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/endtoend"
)

// Set is everything that was measured in one run.
type Set struct {
	Machine string // what it ran on
	Once    bool   // everything was done once, to see that it is right: no time counts
	Clock   contest.Clock
	Results []*contest.Result
	Gains   []*contest.Gain
	Heaps   []Heap
	Lines   []*endtoend.Line
	Left    []contest.Left
}

// Heap is what a session takes of a process's memory.
type Heap struct {
	Contender *contest.Contender
	Sessions  int
	Bytes     float64 // a session
}

func (s *Set) line(store, name, scenario string) *endtoend.Line {
	for _, l := range s.Lines {
		if l.Store == store && l.Name == name && l.Scenario() == scenario && len(l.Loads) > 0 {
			return l
		}
	}
	return nil
}

// Find returns a result, or nil.
func (s *Set) Find(store, name string, sc contest.Scenario) *contest.Result {
	for _, r := range s.Results {
		if r.Contender.Store == store && r.Contender.Name == name && r.Scenario == sc && len(r.Samples) > 0 {
			return r
		}
	}
	return nil
}

// FloorOf returns the floor that a result is compared with, or nil.
func (s *Set) FloorOf(r *contest.Result) *contest.Result {
	if name := r.Contender.Floor; name != "" {
		return s.Find(r.Contender.Store, name, r.Scenario)
	}
	for _, f := range s.Results {
		if f.Contender.Store == r.Contender.Store && f.Contender.Kind == contest.Floor && f.Scenario == r.Scenario {
			return f
		}
	}
	return nil
}

// Ours returns this library's result to compare a result with: the one on the same
// floor.
func (s *Set) Ours(r *contest.Result) *contest.Result {
	for _, o := range s.Results {
		if o.Contender.Kind == contest.Ours && o.Contender.Store == r.Contender.Store && o.Scenario == r.Scenario &&
			s.FloorOf(o) == s.FloorOf(r) {
			return o
		}
	}
	return nil
}

// Table writes everything that was measured, a line for each thing, and then the
// targets. The ratios are medians of the rounds' ratios: to the floor, and to this
// library on the same floor. After ± stands half the distance of the quartiles.
func (s *Set) Table(w io.Writer) error {
	fmt.Fprintln(w, s.Machine)
	if s.Once {
		fmt.Fprintln(w, "Everything was done once, to see that it is right. The times mean nothing.")
	}
	if s.Clock == contest.CPU {
		fmt.Fprintln(w, "In process, times are of the processor, the garbage collector's included.")
	}
	fmt.Fprintln(w)
	var lines strings.Builder // without blanks at their ends
	tw := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "where\tscenario\twho\ttime or rate\t±\tx floor\t±\tx beaker\tallocs\tbytes\ttrips")
	row := func(cells ...string) { fmt.Fprintln(tw, strings.Join(cells, "\t")) }
	for _, store := range s.stores() {
		for _, sc := range contest.Scenarios {
			for _, r := range s.Results {
				if r.Contender.Store != store || r.Scenario != sc || len(r.Samples) == 0 {
					continue
				}
				t, over := r.Time(s.Clock), r.Over(s.FloorOf(r), s.Clock)
				row(store, sc.String()+" "+sc.Title(), r.Contender.Name, Nanos(t.Median), percent(t.Spread), ratio(over.Median),
					percent(over.Spread), ratio(r.Over(s.Ours(r), s.Clock).Median), count(r.Allocs()), count(r.Bytes()), count(float64(r.Trips)))
			}
		}
	}
	for _, g := range s.Gains {
		row(g.Contender.Store, fmt.Sprintf("S5 %v of %d", g.Scenario, g.Sessions), g.Contender.Name,
			fmt.Sprintf("%s on 1, %s on 2", Nanos(contest.StatOf(g.One).Median), Nanos(contest.StatOf(g.Two).Median)), percent(contest.StatOf(g.Two).Spread),
			"gain "+ratio(g.Over().Median), percent(g.Over().Spread), "", "", "", "")
	}
	for _, h := range s.Heaps {
		row(h.Contender.Store, fmt.Sprintf("heap, %d sessions", h.Sessions), h.Contender.Name, fmt.Sprintf("%.0f B a session", h.Bytes), "", "", "", "", "", "", "")
	}
	for _, l := range s.Lines {
		row("HTTP "+l.Store, l.Scenario(), l.Name, rates(l), percent(l.Rate().Spread), "", "", "", "", "", "")
	}
	fmt.Fprintln(tw)
	row("target", "", "", "measured", "", "wanted", "", "", "", "", "")
	missed := 0
	for _, t := range s.Targets() {
		row(string(t.Verdict), t.What, "", t.Measured, "", t.Want, "", "", "", "", "")
		if t.Verdict == Missed {
			missed++
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(lines.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	fmt.Fprintf(w, "\n%d targets, %d missed\n", len(s.Targets()), missed)
	if len(s.Left) > 0 {
		fmt.Fprintln(w, "\nNot measured:")
	}
	for _, l := range s.Left {
		fmt.Fprintf(w, "  %s: %s\n", l.Who, l.Why)
	}
	return nil
}

func rates(l *endtoend.Line) string {
	return fmt.Sprintf("%.0f/s, %.0f µs of processor, p99 %.2f ms", l.Rate().Median, l.CPU().Median/1e3, l.P99().Median/1e6)
}

func (s *Set) stores() (all []string) {
	seen := map[string]bool{}
	for _, r := range s.Results {
		if !seen[r.Contender.Store] {
			seen[r.Contender.Store] = true
			all = append(all, r.Contender.Store)
		}
	}
	return all
}

// Nanos writes a time with three digits.
func Nanos(ns float64) string {
	switch {
	case math.IsNaN(ns):
		return "-"
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return digits(ns/1e3) + " µs"
	}
	return digits(ns/1e6) + " ms"
}

func digits(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func percent(part float64) string {
	if math.IsNaN(part) {
		return ""
	}
	return fmt.Sprintf("%.0f%%", part*100)
}

func ratio(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return digits(v)
}

func count(v float64) string {
	if v < 0 || math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.0f", v)
}
