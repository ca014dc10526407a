package report

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// Chart writes an SVG: what reading one key costs on each store, on a logarithmic
// scale, with the floor as a mark. It follows the reader's light or dark mode.
func (s *Set) Chart(w io.Writer) error {
	const (
		left, right, top = 210.0, 60.0, 64.0
		width, row, gap  = 860.0, 18.0, 16.0
	)
	type bar struct {
		r    *contest.Result
		text string
	}
	var body strings.Builder
	y := top
	low, high := math.Inf(1), 0.0
	groups := map[string][]bar{}
	for _, store := range s.stores() {
		for _, r := range s.Results {
			if r.Contender.Store != store || r.Scenario != contest.Read || len(r.Samples) == 0 {
				continue
			}
			t := r.Time(s.Clock).Median
			low, high = min(low, t), max(high, t)
			groups[store] = append(groups[store], bar{r, Nanos(t)})
		}
	}
	if high == 0 {
		return nil // nothing to draw
	}
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	x := func(ns float64) float64 {
		return left + (math.Log10(ns)-first)/(last-first)*(width-left-right)
	}
	for _, store := range s.stores() {
		if len(groups[store]) == 0 {
			continue
		}
		fmt.Fprintf(&body, `<text class="store" x="%.0f" y="%.0f">%s</text>`+"\n", 12.0, y+13, html.EscapeString(store))
		for _, b := range groups[store] {
			end := x(b.r.Time(s.Clock).Median)
			fmt.Fprintf(&body, `<text class="who" x="%.0f" y="%.0f">%s</text><rect class="%v" x="%.0f" y="%.0f" width="%.1f" height="%.0f"/><text class="time" x="%.1f" y="%.0f">%s</text>`+"\n",
				left-8, y+13, html.EscapeString(b.r.Contender.Name), b.r.Contender.Kind, left, y+2, end-left, row-4, end+5, y+13, html.EscapeString(b.text))
			y += row
		}
		y += gap
	}
	var grid strings.Builder
	for e := first; e <= last; e++ {
		at := x(math.Pow(10, e))
		fmt.Fprintf(&grid, `<line class="grid" x1="%.1f" y1="%.0f" x2="%.1f" y2="%.0f"/><text class="axis" x="%.1f" y="%.0f">%s</text>`+"\n",
			at, top-8, at, y-gap, at, top-14, html.EscapeString(decade(e)))
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-label="Time to read one key of a session, by store and library">
<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 } .store { font-weight: 600 } .who { text-anchor: end } .axis { text-anchor: middle; fill: #656d76 }
.beaker { fill: #1a7f37 } .floor { fill: #8c959f } .peer { fill: #bf8700 } .grid { stroke: #d0d7de }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .axis { fill: #8d96a0 } .beaker { fill: #3fb950 } .floor { fill: #6e7681 } .peer { fill: #d29922 } .grid { stroke: #30363d } }
</style>
<text class="title" x="12" y="24">One key read from a session of three: time of a request in process, median (logarithmic)</text>
%s%s</svg>
`, width, y, grid.String(), body.String())
	return err
}

func decade(e float64) string {
	ns := math.Pow(10, e)
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.0f µs", ns/1e3)
	}
	return fmt.Sprintf("%.0f ms", ns/1e6)
}
