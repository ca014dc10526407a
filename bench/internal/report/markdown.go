package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// Markdown writes the two tables of docs/performance.md: who takes how long, and every
// target.
func (s *Set) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", s.Machine)
	b.WriteString("| store | | S1 read | S2 change | S3 create | allocations S1 / S2 / S3 | round trips S1 / S2 / S3 |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	seen := map[string]bool{}
	for _, r := range s.Results {
		c := r.Contender
		if seen[c.ID()] {
			continue
		}
		seen[c.ID()] = true
		name := c.Name
		if c.Kind == contest.Ours {
			name = "**" + strings.Replace(name, us, "this library", 1) + "**"
		}
		var times, allocs, trips []string
		for _, sc := range []contest.Scenario{contest.Read, contest.Increment, contest.Create} {
			time, a, t := "-", "-", "-"
			if f := s.Find(c.Store, c.Name, sc); f != nil {
				took := f.Time(s.Clock)
				time, a, t = fmt.Sprintf("%s ±%s", Nanos(took.Median), percent(took.Spread)), count(f.Allocs()), count(float64(f.Trips))
			}
			times, allocs, trips = append(times, time), append(allocs, a), append(trips, t)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.Store, name, strings.Join(times, " | "), strings.Join(allocs, " / "), strings.Join(trips, " / "))
	}
	if len(s.Lines) > 0 {
		b.WriteString("\n| over HTTP | | | requests a second | processor time of one | 99th percentile |\n| --- | --- | --- | --- | --- | --- |\n")
		for _, l := range s.Lines {
			fmt.Fprintf(&b, "| %s | %s | %s | %.0f ±%s | %.0f µs | %.2f ms |\n", l.Store, l.Name, l.Scenario(), l.Rate().Median, percent(l.Rate().Spread), l.CPU().Median/1e3, l.P99().Median/1e6)
		}
	}
	b.WriteString("\n| target | measured | wanted | |\n| --- | --- | --- | --- |\n")
	for _, t := range s.Targets() {
		verdict := string(t.Verdict)
		if t.Verdict == Missed {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.What, t.Measured, t.Want, verdict)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
