package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// JSON writes everything that was measured, each round by itself.
func (s *Set) JSON(w io.Writer) error {
	type result struct {
		Store, Who, Kind, Scenario, Note string
		Floor                            string `json:",omitempty"`
		Trips                            int64
		Requests                         []int
		Nanos, CPU, Allocs, Bytes        []float64
	}
	type gain struct {
		Store, Who, Scenario string
		Sessions             int
		One, Two             []float64
	}
	type heap struct {
		Store, Who string
		Sessions   int
		Bytes      float64
	}
	type line struct {
		Store, Who, Scenario string
		Rate                 []float64
		CPU, P50, P99        []time.Duration
	}
	type left struct{ Who, Why string }
	all := struct {
		Machine string
		Results []result
		Gains   []gain
		Heaps   []heap
		Lines   []line
		Targets []Target
		Left    []left
	}{Machine: s.Machine, Targets: s.Targets()}
	for _, r := range s.Results {
		x := result{Store: r.Contender.Store, Who: r.Contender.Name, Kind: r.Contender.Kind.String(), Scenario: r.Scenario.String(), Note: r.Contender.Note, Trips: r.Trips}
		if f := s.FloorOf(r); f != nil {
			x.Floor = f.Contender.Name
		}
		for _, m := range r.Samples {
			x.Requests, x.Nanos, x.CPU = append(x.Requests, m.N), append(x.Nanos, m.Nanos), append(x.CPU, m.CPU)
			x.Allocs, x.Bytes = append(x.Allocs, m.Allocs), append(x.Bytes, m.Bytes)
		}
		all.Results = append(all.Results, x)
	}
	for _, g := range s.Gains {
		all.Gains = append(all.Gains, gain{g.Contender.Store, g.Contender.Name, g.Scenario.String(), g.Sessions, g.One, g.Two})
	}
	for _, h := range s.Heaps {
		all.Heaps = append(all.Heaps, heap{h.Contender.Store, h.Contender.Name, h.Sessions, h.Bytes})
	}
	for _, l := range s.Lines {
		x := line{Store: l.Store, Who: l.Name, Scenario: l.Scenario()}
		for _, m := range l.Loads {
			x.Rate, x.CPU = append(x.Rate, m.Rate), append(x.CPU, m.CPU)
			x.P50, x.P99 = append(x.P50, m.P50), append(x.P99, m.P99)
		}
		all.Lines = append(all.Lines, x)
	}
	for _, l := range s.Left {
		all.Left = append(all.Left, left{l.Who, l.Why})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(all)
}

// Benchfmt writes the rounds in the format of Go's benchmarks, for benchstat
// (golang.org/x/perf/benchfmt): benchstat -col /who -row .name,/store results.txt.
func (s *Set) Benchfmt(w io.Writer) error {
	word := strings.NewReplacer(" ", "-", ",", "").Replace
	for _, r := range s.Results {
		name := fmt.Sprintf("Benchmark%s/store=%s/who=%s", strings.ToUpper(word(r.Scenario.String()[:2]))+word(r.Scenario.String()[2:]), r.Contender.Store, word(r.Contender.Name))
		for _, m := range r.Samples {
			if _, err := fmt.Fprintf(w, "%s\t%d\t%.1f ns/op\t%.1f cpu-ns/op", name, m.N, m.Nanos, m.CPU); err != nil {
				return err
			}
			if m.Allocs >= 0 && !math.IsNaN(m.Allocs) {
				fmt.Fprintf(w, "\t%.0f B/op\t%.0f allocs/op", m.Bytes, m.Allocs)
			}
			if r.Trips >= 0 {
				fmt.Fprintf(w, "\t%d trips/op", r.Trips)
			}
			fmt.Fprintln(w)
		}
	}
	return nil
}
