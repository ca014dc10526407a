package report

import (
	"fmt"
	"math"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// A target is exact if it is about something that is the same in each run and on each
// machine: allocations, bytes, round trips. The others are about time.

// Verdict is what became of a target.
type Verdict string

// The verdicts.
const (
	Met         Verdict = "met"
	Missed      Verdict = "MISSED"
	NotMeasured Verdict = "not measured"
)

// Target is one line of what this library means to reach.
type Target struct {
	What     string
	Want     string
	Measured string
	Exact    bool // not about time
	Verdict  Verdict
}

// targets collects them.
type targets struct {
	s   *Set
	all []Target
}

func (t *targets) add(what, want, measured string, exact, ok, known bool) {
	v := Missed
	switch {
	case !known, t.s.Once && !exact: // a time that was measured once says nothing
		v, measured = NotMeasured, "-"
	case ok:
		v = Met
	}
	t.all = append(t.all, Target{what, want, measured, exact, v})
}

// most is for a number that must not be larger.
func (t *targets) most(what, unit string, got, want float64) {
	t.add(what, "at most "+plain(want)+unit, plain(got)+unit, true, got <= want, !math.IsNaN(got))
}

// mostOf is for a ratio that must not be larger.
func (t *targets) mostOf(what string, got Stat, want float64) {
	t.add(what, "at most "+plain(want)+" x", withSpread(got), false, got.Median <= want, got.Known())
}

// leastOf is for a ratio that must not be smaller.
func (t *targets) leastOf(what string, got Stat, want float64) {
	t.add(what, "at least "+plain(want)+" x", withSpread(got), false, got.Median >= want, got.Known())
}

// Stat is a median with its spread.
type Stat = contest.Stat

func plain(v float64) string {
	if v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func withSpread(s Stat) string {
	return fmt.Sprintf("%s x ±%.0f%%", digits(s.Median), s.Spread*100)
}

var nothing = Stat{Median: math.NaN(), Spread: math.NaN()}

// over is how many times as long one contender takes as another.
func (t *targets) over(store, a, b string, sc contest.Scenario) Stat {
	ra, rb := t.s.Find(store, a, sc), t.s.Find(store, b, sc)
	if ra == nil || rb == nil {
		return nothing
	}
	return ra.Over(rb, t.s.Clock)
}

func (t *targets) allocs(sc contest.Scenario) float64 {
	if r := t.s.Find("memory", us, sc); r != nil {
		return math.Floor(r.Allocs()) // the rest is the runtime's own
	}
	return math.NaN()
}

func (t *targets) trips(store, name string, sc contest.Scenario, want int64) {
	what := fmt.Sprintf("%s %s, %v: round trips", store, name, sc)
	r := t.s.Find(store, name, sc)
	if r == nil || r.Trips < 0 {
		t.add(what, fmt.Sprint(want), "", true, false, false)
		return
	}
	t.add(what, fmt.Sprint(want), fmt.Sprint(r.Trips), true, r.Trips == want, true)
}

const (
	us       = "beaker"
	between  = "floor in a middleware"
	theFloor = "floor"
)

// Targets are all targets with what was measured.
func (s *Set) Targets() []Target {
	t := &targets{s: s}
	t.memory()
	t.cookie()
	t.stores()
	t.crowds()
	t.endToEnd()
	return t.all
}

func (t *targets) memory() {
	s0, s1, s2, s3, s4, s6 := contest.Untouched, contest.Read, contest.Increment, contest.Create, contest.ReadLarge, contest.SignIn
	t.trips("memory", us, s0, 0)
	t.most("memory S0: allocations", "", t.allocs(s0), 2)
	bytes := math.NaN()
	if r := t.s.Find("memory", us, s0); r != nil {
		bytes = r.Bytes()
	}
	t.most("memory S0: allocated", " B", math.Floor(bytes), 448)
	t.mostOf("memory S0 over the floor in a middleware", t.over("memory", us, between, s0), 1.2)
	t.most("memory S1: allocations", "", t.allocs(s1), 8)
	t.mostOf("memory S1 over the floor in a middleware", t.over("memory", us, between, s1), 2.5)
	t.leastOf("memory S1: scs over beaker", t.over("memory", "scs", us, s1), 12)
	t.leastOf("memory S1: scs with JSON over beaker", t.over("memory", "scs with JSON", us, s1), 3)
	t.leastOf("memory S1: Python Beaker over beaker", t.over("memory", "Python Beaker", us, s1), 15)
	t.most("memory S2: allocations", "", t.allocs(s2), 14)
	t.mostOf("memory S2 over the floor in a middleware", t.over("memory", us, between, s2), 3.2)
	t.leastOf("memory S2: scs over beaker", t.over("memory", "scs", us, s2), 10)
	t.most("memory S3: allocations", "", t.allocs(s3), 20)
	t.mostOf("memory S3 over the floor in a middleware", t.over("memory", us, between, s3), 3)
	t.leastOf("memory S3: scs over beaker", t.over("memory", "scs", us, s3), 1.7)
	large := nothing
	if a, b := t.s.Find("memory", us, s4), t.s.Find("memory", us, s1); a != nil && b != nil {
		large = a.Over(b, t.s.Clock)
	}
	t.mostOf("memory S4 over S1", large, 1.15)
	t.trips("memory", us, s6, 2)
	t.trips("memory", us, contest.Touch, 2)
	heap := math.NaN()
	for _, h := range t.s.Heaps {
		if h.Contender.Kind == contest.Ours {
			heap = math.Round(h.Bytes)
		}
	}
	t.add("memory: heap of a session", "at most 400 B", plain(heap)+" B", false, heap <= 400, !math.IsNaN(heap))
}

func (t *targets) cookie() {
	for _, sc := range []contest.Scenario{contest.Read, contest.Increment} {
		t.mostOf(fmt.Sprintf("cookie %v over the floor", sc), t.over("cookie", us, theFloor, sc), 2)
		t.leastOf(fmt.Sprintf("cookie %v: gorilla over beaker", sc), t.over("cookie", "gorilla", us, sc), 7)
	}
}

func (t *targets) stores() {
	s1, s2, s3 := contest.Read, contest.Increment, contest.Create
	for _, store := range []string{"file", "sqlite", "postgresql", "mariadb", "redis", "memcached"} {
		t.trips(store, us, contest.Untouched, 0)
	}
	both := []contest.Scenario{s1, s2}
	for _, sc := range both {
		t.mostOf(fmt.Sprintf("file %v over the floor", sc), t.over("file", us, theFloor, sc), 1.3)
		t.mostOf(fmt.Sprintf("file, NoSync, %v over the floor without sync", sc), t.over("file", us+", NoSync", "floor, no sync", sc), 1.3)
	}
	for _, store := range []string{"sqlite", "postgresql", "mariadb", "memcached"} {
		if t.s.Find(store, us, s1) == nil {
			continue // it is among those that were left out
		}
		for i, sc := range both {
			t.mostOf(fmt.Sprintf("%s %v over the floor", store, sc), t.over(store, us, theFloor, sc), 1.2)
			t.trips(store, us, sc, int64(i+1))
		}
	}
	for i, sc := range []contest.Scenario{s1, s2, s3} {
		t.mostOf(fmt.Sprintf("redis %v over the floor of plain commands", sc), t.over("redis", us, theFloor, sc), []float64{1.1, 1.25, 1.4}[i])
		t.mostOf(fmt.Sprintf("redis %v over the floor of the same scripts", sc), t.over("redis", us, "floor, same scripts", sc), 1.1)
		t.trips("redis", us, sc, []int64{1, 2, 1}[i])
	}
	cached := us + ", cached"
	t.mostOf("redis S1 with the cache over the cached floor", t.over("redis", cached, "floor, cached", s1), 1.6)
	t.trips("redis", cached, s1, 0)
	t.leastOf("redis S1 with the cache: scs over beaker", t.over("redis", "scs", cached, s1), 20)
}

func (t *targets) crowds() {
	for _, g := range t.s.Gains {
		if g.Contender.Kind != contest.Ours {
			continue
		}
		for _, f := range t.s.Gains {
			if f.Contender.Name != between || f.Scenario != g.Scenario || f.Sessions != g.Sessions {
				continue
			}
			// Round by round, so that what else the machine did concerns both. No room for
			// noise: a gain that is lost in it was not shown.
			got, share := g.Over(), g.Share(f)
			t.add(fmt.Sprintf("S5: %v on %d sessions: gain on two processors over the floor's", g.Scenario, g.Sessions),
				"at least 1 x", fmt.Sprintf("%s (%s against %s)", withSpread(share), digits(got.Median), digits(f.Over().Median)),
				false, share.Median >= 1, share.Known())
		}
	}
}

func (t *targets) endToEnd() {
	rate, p99 := nothing, nothing
	null, ours := t.s.line("memory", "null", "null"), t.s.line("memory", us, "S1")
	if null != nil && ours != nil {
		var rates, p99s []float64
		for i := range ours.Loads {
			rates = append(rates, ours.Loads[i].Rate/null.Loads[i].Rate)
			p99s = append(p99s, float64(ours.Loads[i].P99)/float64(null.Loads[i].P99))
		}
		rate, p99 = contest.StatOf(rates), contest.StatOf(p99s)
	}
	t.leastOf("end to end, memory S1: rate over the null handler's", rate, 0.9)
	t.mostOf("end to end, memory S1: 99th percentile over the null handler's", p99, 1.3)
}
