package contest

import (
	"math"
	"slices"
)

// Stat is what several measurements of one thing say: the median and how far the
// middle half of them is spread around it.
type Stat struct {
	Median float64
	Spread float64 // half the distance of the quartiles, as a part of the median
}

// StatOf returns the Stat of values; of none, NaN.
func StatOf(values []float64) Stat {
	if len(values) == 0 {
		return Stat{math.NaN(), math.NaN()}
	}
	v := slices.Sorted(slices.Values(values))
	m := quantile(v, 0.5)
	if m == 0 {
		return Stat{}
	}
	return Stat{m, (quantile(v, 0.75) - quantile(v, 0.25)) / 2 / m}
}

// Known reports whether something was measured.
func (s Stat) Known() bool { return !math.IsNaN(s.Median) }

// quantile interpolates in sorted values.
func quantile(v []float64, q float64) float64 {
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}
