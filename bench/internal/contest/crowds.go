package contest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Gain is what was found of a contender with many sessions: how much more it does on
// two processors than on one.
type Gain struct {
	Contender *Contender
	Scenario  Scenario
	Sessions  int
	One, Two  []float64 // nanoseconds a request, one a round
}

// Over is the gain: the time on one processor over that on two, round by round.
func (g *Gain) Over() Stat {
	var all []float64
	for i := range g.One {
		all = append(all, g.One[i]/g.Two[i])
	}
	return StatOf(all)
}

// Share is the gain as a part of another contender's, round by round.
func (g *Gain) Share(other *Gain) Stat {
	var all []float64
	for i := range min(len(g.One), len(other.One)) {
		all = append(all, g.One[i]/g.Two[i]/(other.One[i]/other.Two[i]))
	}
	return StatOf(all)
}

// MeasureCrowds measures S5 for contenders whose handlers this process can call.
func MeasureCrowds(ctx context.Context, env Env, all []*Contender, sessions []int, plan Plan) (gains []*Gain, err error) {
	order := rand.New(rand.NewPCG(plan.Seed, 5)) //nolint:gosec // an order, not a secret
	for _, n := range sessions {
		g, err := measureCrowd(ctx, env, all, n, plan, order)
		if err != nil {
			return nil, err
		}
		gains = append(gains, g...)
	}
	return gains, nil
}

func measureCrowd(ctx context.Context, env Env, all []*Contender, sessions int, plan Plan, order *rand.Rand) (gains []*Gain, err error) {
	type run struct {
		crowd *Crowd
		gain  *Gain
		n     int
	}
	var runs []run
	for _, c := range all {
		p, err := c.Open(ctx, env)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.ID(), err)
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		crowd, err := NewCrowd(p, sessions)
		if err != nil {
			return nil, fmt.Errorf("%s: %d sessions: %w: %w", c.ID(), sessions, errWrong, err)
		}
		for _, s := range []Scenario{Read, Increment} {
			r := run{crowd, &Gain{Contender: c, Scenario: s, Sessions: sessions}, 64}
			for plan.Slice > 0 && r.n < 1<<20 {
				least := math.Inf(1)
				for range 3 {
					nanos, err := crowd.Run(s, 1, r.n)
					if err != nil {
						return nil, fmt.Errorf("%s S5 %v: %w: %w", c.ID(), s, errWrong, err)
					}
					least = min(least, nanos)
				}
				if took := time.Duration(least * float64(r.n)); took > plan.Slice/3 {
					r.n = max(64, int(float64(plan.Slice)/least))
					break
				}
				r.n *= 2
			}
			runs = append(runs, r)
			gains = append(gains, r.gain)
		}
	}
	for range max(1, plan.Rounds) {
		for _, i := range order.Perm(len(runs)) {
			r := runs[i]
			for procs, into := range map[int]*[]float64{1: &r.gain.One, 2: &r.gain.Two} {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				nanos, err := r.crowd.Run(r.gain.Scenario, procs, r.n)
				if err != nil {
					return nil, fmt.Errorf("%s S5 %v: %w: %w", r.gain.Contender.ID(), r.gain.Scenario, errWrong, err)
				}
				*into = append(*into, nanos)
			}
		}
	}
	for _, r := range runs {
		if err := r.crowd.Verify(); err != nil {
			return nil, fmt.Errorf("%s S5: %w: %w", r.gain.Contender.ID(), errWrong, err)
		}
	}
	return gains, nil
}
