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
//
// Some need more room, since they depend on how many requests a busy machine gets to in
// a sample: files make folders for the first sessions, and a copy in the cache is there
// from a session's second read on, and decoded from its third. A change with the cache
// took 56 to 63 allocations in ten runs.
var costs = map[string][7]cost{
	// untouched, read, increment, create, read of 20, sign in, read with a touch
	"memory/beaker":          {{2, 432, 0}, {3, 962, 1}, {8, 1852, 2}, {14, 2100, 1}, {3, 962, 1}, {20, 3000, 2}, {5, 1468, 2}},
	"cookie/beaker":          {{2, 432, -1}, {11, 3182, -1}, {24, 7086, -1}, {21, 5000, -1}, {11, 7327, -1}, {33, 8812, -1}, {21, 6625, -1}},
	"cookie/beaker, Revoker": {{2, 432, -1}, {15, 3574, -1}, {32, 7868, -1}, {21, 5002, -1}, {15, 7721, -1}, {50, 10641, -1}, {29, 7409, -1}},
	"file/beaker":            {{2, 432, 0}, {8, 1560, 1}, {58, 5200, 2}, {80, 5400, 1}, {8, 3450, 1}, {112, 8700, 2}, {56, 4850, 2}},
	"file/beaker, NoSync":    {{2, 432, 0}, {8, 1560, 1}, {53, 5000, 2}, {75, 5200, 1}, {8, 3450, 1}, {100, 8300, 2}, {51, 4650, 2}},
	"sqlite/beaker":          {{2, 432, 0}, {37, 2980, 1}, {72, 5990, 2}, {46, 4420, 1}, {37, 6930, 1}, {115, 8410, 2}, {66, 5130, 2}},
	"postgresql/beaker":      {{2, 432, 0}, {38, 3750, 1}, {77, 8130, 2}, {48, 5790, 1}, {38, 7900, 1}, {123, 12300, 3}, {70, 6560, 2}},
	"mariadb/beaker":         {{2, 432, 0}, {40, 3011, 1}, {72, 5927, 2}, {44, 4321, 1}, {40, 5000, 1}, {118, 8924, 3}, {69, 5203, 2}},
	"redis/beaker":           {{2, 432, 0}, {22, 2990, 1}, {31, 4220, 2}, {23, 2760, 1}, {61, 12500, 1}, {56, 5900, 3}, {28, 4040, 2}},
	"redis/beaker, cached":   {{2, 432, 0}, {4, 1150, 0}, {66, 6420, 2}, {30, 3240, 1}, {5, 1500, 0}, {94, 8230, 3}, {65, 6510, 2}},
	"memcached/beaker":       {{2, 432, 0}, {13, 2320, 1}, {27, 3930, 2}, {22, 2870, 1}, {13, 6260, 1}, {54, 8750, 4}, {24, 3540, 2}},
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
