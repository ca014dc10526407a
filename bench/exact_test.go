//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/field"
)

// cost is what one request costs at most, and exactly what it asks of the store (or of
// the server, where there is one); -1: there is no store.
type cost struct{ allocs, bytes, trips int }

// costs are the same on every machine, but for a few that a driver, or a table that
// grows, has now and then: hence a little room. A change that makes one smaller should
// make it smaller here too; one that makes it larger needs a reason.
var costs = map[string][7]cost{
	// untouched, read, increment, create, read of 20, sign in, read with a touch
	"memory/beaker":          {{2, 432, 0}, {7, 1460, 1}, {13, 2208, 2}, {18, 2253, 1}, {7, 1460, 1}, {25, 3303, 2}, {10, 1819, 2}},
	"cookie/beaker":          {{2, 432, -1}, {35, 5461, -1}, {72, 10786, -1}, {47, 6765, -1}, {35, 11711, -1}, {81, 12612, -1}, {69, 10351, -1}},
	"cookie/beaker, Revoker": {{2, 432, -1}, {39, 5852, -1}, {80, 11578, -1}, {47, 6765, -1}, {39, 12103, -1}, {104, 14911, -1}, {77, 11135, -1}},
	"file/beaker":            {{2, 432, 0}, {21, 2647, 1}, {78, 6687, 2}, {98, 6535, 1}, {21, 4634, 1}, {129, 9999, 2}, {75, 6274, 2}},
	"file/beaker, NoSync":    {{2, 432, 0}, {21, 2647, 1}, {73, 6499, 2}, {88, 6036, 1}, {21, 4634, 1}, {118, 9737, 2}, {70, 6091, 2}},
	"sqlite/beaker":          {{2, 432, 0}, {49, 4080, 1}, {84, 6850, 2}, {47, 4300, 1}, {49, 7900, 1}, {133, 9780, 2}, {80, 6010, 2}},
	"postgresql/beaker":      {{2, 432, 0}, {47, 4340, 1}, {84, 8260, 2}, {48, 5490, 1}, {47, 8180, 1}, {128, 12060, 3}, {79, 6800, 2}},
	"mariadb/beaker":         {{2, 432, 0}, {42, 3340, 1}, {75, 5960, 2}, {45, 4200, 1}, {42, 5220, 1}, {120, 8720, 3}, {71, 5180, 2}},
	"redis/beaker":           {{2, 432, 0}, {34, 4026, 1}, {51, 5682, 2}, {35, 3413, 1}, {70, 12441, 1}, {74, 7282, 3}, {47, 5483, 2}},
	"redis/beaker, cached":   {{2, 432, 0}, {17, 2770, 0}, {67, 6942, 2}, {35, 3451, 1}, {19, 7353, 0}, {99, 8847, 3}, {66, 6893, 2}},
	"memcached/beaker":       {{2, 432, 0}, {19, 2911, 1}, {33, 4415, 2}, {26, 3006, 1}, {19, 6972, 1}, {58, 7928, 4}, {30, 4008, 2}},
}

// The allocations are the client's and the driver's too, some of which come and go: the
// least of several measurements counts.
func TestCosts(t *testing.T) {
	for _, g := range field.Groups() {
		var ours []*contest.Contender
		for _, c := range g.All {
			if c.Kind == contest.Ours {
				ours = append(ours, c)
			}
		}
		results, left, err := contest.Measure(t.Context(), env, ours, contest.Plan{Rounds: 5, Slice: 2 * time.Millisecond})
		if err != nil || len(left) > 0 {
			t.Fatal(err, left)
		}
		for _, r := range results {
			i := slices.Index(contest.Scenarios, r.Scenario)
			got := cost{math.MaxInt, math.MaxInt, int(r.Trips)}
			for _, s := range r.Samples {
				got.allocs, got.bytes = min(got.allocs, int(s.Allocs)), min(got.bytes, int(s.Bytes))
			}
			most := costs[r.Contender.ID()][i]
			what := fmt.Sprintf("%s, %v (%s)", r.Contender.ID(), r.Scenario, r.Scenario.Title())
			if got.trips != most.trips {
				t.Errorf("%s: asks the store %d times, not %d", what, got.trips, most.trips)
			}
			if (got.allocs > most.allocs || got.bytes > most.bytes) && !raceDetector { // which allocates of its own
				t.Errorf("%s: %d allocations of %d bytes, at most %d of %d", what, got.allocs, got.bytes, most.allocs, most.bytes)
			}
			t.Logf("%s: %v", what, got)
		}
	}
}
