package contest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"runtime"
	"time"
)

// Plan says how long to measure.
type Plan struct {
	Rounds int            // how often each case is measured
	Slice  time.Duration  // how long one measurement takes, about; zero: one request
	Seed   uint64         // of the random order
	Only   *regexp.Regexp // scenarios by their letter; nil: all
}

// Sample is one measurement.
type Sample struct {
	N      int     // requests
	Nanos  float64 // a request
	CPU    float64 // nanoseconds of processor time a request, of the process that does it
	Allocs float64 // a request; NaN if they are another process's
	Bytes  float64
}

// Result is what was found of one contender in one scenario.
type Result struct {
	Contender *Contender
	Scenario  Scenario
	Samples   []Sample // one a round
	Trips     int64    // of the store, a request; -1: not known
}

// Trial is a contender that is open, with its results so far.
type trial struct {
	contender *Contender
	env       Env
	player    Player
	cases     map[Scenario]Case
	n         map[Scenario]int
	results   map[Scenario]*Result
}

// Left is a contender, or one scenario of it, that was not measured.
type Left struct {
	Who, Why string
}

// errWrong marks a contender that does not do what it should: the run is worth nothing.
var errWrong = errors.New("a contender does not do what the scenario asks")

// Measure measures contenders side by side: in each round every case once, scenario by
// scenario, both in random order, so that what the machine does meanwhile hits all of
// those that are compared. A contender that is missing is left out and named; one that
// does a scenario wrong is an error.
func Measure(ctx context.Context, env Env, all []*Contender, plan Plan) (results []*Result, left []Left, err error) {
	var trials []*trial
	defer func() {
		for _, t := range trials {
			err = errors.Join(err, t.player.Close())
		}
	}()
	for _, c := range all {
		t, err := open(ctx, env, c, plan.Only)
		if missing, ok := errors.AsType[*MissingError](err); ok {
			left = append(left, Left{c.ID(), missing.Error()})
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.ID(), err)
		}
		trials = append(trials, t)
		for s, why := range c.Lacks {
			left = append(left, Left{c.ID() + " " + s.String(), why})
		}
	}
	for _, t := range trials {
		for _, s := range Scenarios {
			if t.cases[s] == nil {
				continue
			}
			if err := t.start(ctx, s, plan); err != nil {
				return nil, nil, fmt.Errorf("%s %v: %w: %w", t.contender.ID(), s, errWrong, err)
			}
			results = append(results, t.results[s])
		}
	}
	if plan.Slice == 0 {
		return results, left, nil
	}
	order := rand.New(rand.NewPCG(plan.Seed, 1)) //nolint:gosec // an order, not a secret
	for round := range plan.Rounds {
		for _, i := range order.Perm(len(Scenarios)) {
			s := Scenarios[i]
			for _, j := range order.Perm(len(trials)) {
				t := trials[j]
				if t.cases[s] == nil {
					continue
				}
				if err := ctx.Err(); err != nil {
					return nil, nil, err
				}
				sample, err := t.sample(ctx, s, t.n[s])
				if err != nil {
					return nil, nil, fmt.Errorf("%s %v, round %d: %w: %w", t.contender.ID(), s, round+1, errWrong, err)
				}
				t.results[s].Samples = append(t.results[s].Samples, sample)
			}
		}
	}
	return results, left, nil
}

func open(ctx context.Context, env Env, c *Contender, only *regexp.Regexp) (*trial, error) {
	p, err := c.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	t := &trial{contender: c, env: env, player: p, cases: map[Scenario]Case{}, n: map[Scenario]int{}, results: map[Scenario]*Result{}}
	for _, s := range Scenarios {
		if _, lacks := c.Lacks[s]; lacks || only != nil && !only.MatchString(s.String()) {
			continue
		}
		k, err := p.Case(s)
		if errors.Is(err, ErrNoTouch) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%v: %w", s, err), p.Close())
		}
		t.cases[s] = k
		t.results[s] = &Result{Contender: c, Scenario: s, Trips: -1}
	}
	return t, nil
}

// exactly is how many requests are looked at one by one for what they ask of the store.
const exactly = 8

// start does a scenario for the first time, counts its round trips, and finds out how
// many requests fit into a slice.
func (t *trial) start(ctx context.Context, s Scenario, plan Plan) error {
	if _, err := t.once(ctx, s, 3); err != nil { // whatever a client does at first
		return err
	}
	if err := t.count(ctx, s); err != nil {
		return err
	}
	if plan.Slice == 0 {
		sample, err := t.sample(ctx, s, exactly)
		t.results[s].Samples = []Sample{sample}
		return err
	}
	const most = 1 << 20
	for n := exactly; ; n *= 2 {
		// The machine may have done something else meanwhile: the least of three counts.
		least := time.Duration(math.MaxInt64)
		for i := 0; i < 3 && (i == 0 || least >= plan.Slice/3); i++ {
			took, err := t.once(ctx, s, n)
			if err != nil {
				return err
			}
			least = min(least, took)
		}
		if least >= plan.Slice/3 || n >= most {
			t.n[s] = max(exactly, min(most, int(float64(n)*float64(plan.Slice)/float64(least))))
			return nil
		}
	}
}

// count finds out what one request asks of the store.
func (t *trial) count(ctx context.Context, s Scenario) error {
	c := t.cases[s]
	if t.contender.Counting != nil {
		p, err := t.contender.Counting(ctx, t.env)
		if err != nil {
			return err
		}
		defer func() { _ = p.Close() }() // it was only looked at
		if c, err = p.Case(s); err != nil {
			return err
		}
	}
	var asked int64
	for range 3 { // a client may also ask how its server is
		if err := c.Prepare(exactly); err != nil {
			return err
		}
		warm := 0
		if s != Create && s != SignIn { // once, for a cache in the client
			warm = 1
			if _, err := c.Run(warm); err != nil {
				return err
			}
		}
		before, known := c.Trips()
		if _, err := c.Run(exactly); err != nil {
			return err
		}
		after, _ := c.Trips()
		if err := c.Verify(exactly + warm); err != nil {
			return err
		}
		if !known {
			return nil
		}
		if asked = after - before; asked%exactly == 0 {
			t.results[s].Trips = asked / exactly
			return nil
		}
	}
	return fmt.Errorf("%d requests asked the store %d times: not the same for each", exactly, asked)
}

func (t *trial) once(ctx context.Context, s Scenario, n int) (time.Duration, error) {
	sample, err := t.sample(ctx, s, n)
	return time.Duration(sample.Nanos * float64(n)), err
}

// sample measures n requests.
func (t *trial) sample(ctx context.Context, s Scenario, n int) (Sample, error) {
	c := t.cases[s]
	if t.contender.Fresh && (s == Create || s == SignIn) {
		p, err := t.contender.Open(ctx, t.env)
		if err != nil {
			return Sample{}, err
		}
		defer func() { _ = p.Close() }() // it holds nothing but memory
		if c, err = p.Case(s); err != nil {
			return Sample{}, err
		}
	}
	// Garbage of others is not to be collected meanwhile; what a collection takes out of
	// pools is there again after the requests that prepare.
	runtime.GC()
	if err := c.Prepare(n); err != nil {
		return Sample{}, fmt.Errorf("prepare: %w", err)
	}
	if s == SignIn { // which prepares a session for each
		runtime.GC()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	used := processor()
	took, err := c.Run(n)
	if err != nil {
		return Sample{}, err
	}
	if took.CPU == 0 {
		took.CPU = processor() - used
	}
	runtime.ReadMemStats(&after)
	if err := c.Verify(n); err != nil {
		return Sample{}, fmt.Errorf("after %d requests: %w", n, err)
	}
	sample := Sample{N: n, Nanos: float64(took.Wall) / float64(n), CPU: float64(took.CPU) / float64(n), Allocs: -1, Bytes: -1}
	if c.Native() {
		sample.Allocs = float64(after.Mallocs-before.Mallocs) / float64(n)
		sample.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
	}
	return sample, nil
}

// Clock is what time is measured by.
type Clock int

// The clocks.
const (
	Wall Clock = iota // on the wall: what a user waits
	CPU               // of the processor: what stays the same when others want it too
)

// nanos returns the time of a request.
func (s *Sample) nanos(c Clock) float64 {
	if c == CPU {
		return s.CPU
	}
	return s.Nanos
}

// Time is the time of a request in nanoseconds.
func (r *Result) Time(c Clock) Stat {
	var all []float64
	for i := range r.Samples {
		all = append(all, r.Samples[i].nanos(c))
	}
	return StatOf(all)
}

// Allocs is the number of allocations of a request; -1 if another process does them.
func (r *Result) Allocs() float64 {
	return r.median(func(s Sample) float64 { return s.Allocs })
}

// Bytes is what a request allocates; -1 if another process does it.
func (r *Result) Bytes() float64 {
	return r.median(func(s Sample) float64 { return s.Bytes })
}

func (r *Result) median(f func(Sample) float64) float64 {
	var all []float64
	for _, s := range r.Samples {
		all = append(all, f(s))
	}
	return StatOf(all).Median
}

// Over returns how many times as long r takes as other, round by round: what the
// machine did in a round concerns both.
func (r *Result) Over(other *Result, c Clock) Stat {
	if other == nil {
		return StatOf(nil)
	}
	var all []float64
	for i := range min(len(r.Samples), len(other.Samples)) {
		all = append(all, r.Samples[i].nanos(c)/other.Samples[i].nanos(c))
	}
	return StatOf(all)
}
