//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/endtoend"
	"github.com/seed12c5fab1/beaker/bench/internal/field"
	"github.com/seed12c5fab1/beaker/bench/internal/report"
	"github.com/seed12c5fab1/beaker/bench/internal/scale"
	"github.com/seed12c5fab1/beaker/bench/internal/servers"
)

// The test program is also the server process that the benchmark starts.
func TestMain(m *testing.M) {
	if order := os.Getenv(endtoend.ServeEnv); order != "" {
		if err := endtoend.Serve(context.Background(), order, field.Find); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var err error
	if env, err = servers.New("t"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := env.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// env has the servers of all tests.
var env *servers.Servers

var all = regexp.MustCompile("")

// Every contender does every scenario, in process and over HTTP, and each answer and
// what it leaves behind are looked at. No time is asserted.
func TestEverythingIsDoneRight(t *testing.T) {
	set, err := measure(t.Context(), env, options{only: all, parts: all, cases: all, effort: brief}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	lacks := 0
	for _, g := range field.Groups() {
		for _, c := range g.All {
			lacks += len(c.Lacks)
			for _, s := range contest.Scenarios {
				if _, ok := c.Lacks[s]; !ok && s != contest.Touch && set.Find(c.Store, c.Name, s) == nil {
					t.Errorf("%s %v was not measured", c.ID(), s)
				}
			}
		}
	}
	// What is missing here must not go unnoticed.
	if len(set.Left) != lacks {
		t.Errorf("left out: %v", set.Left)
	}
	for _, l := range set.Lines {
		if len(l.Loads) == 0 {
			t.Errorf("over HTTP: %s %s %s was not measured", l.Store, l.Name, l.Scenario())
		}
	}
	var text strings.Builder
	if err := set.Table(&text); err != nil {
		t.Error(err)
	}
	t.Log(text.String())
	for _, target := range set.Targets() {
		if target.Exact && target.Verdict != report.Met && !raceDetector {
			t.Errorf("%s: %s, wanted %s", target.What, target.Measured, target.Want)
		}
	}
	if err := write(set, t.TempDir()); err != nil {
		t.Error(err)
	}
}

// What is measured with much of everything works with little of it.
func TestScale(t *testing.T) {
	var text strings.Builder
	if err := scale.Run(t.Context(), env, scale.Small, all.MatchString, &text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
}

// Each scenario is spoiled in turn.
func TestAWrongAnswerFailsTheRun(t *testing.T) {
	for name, spoil := range map[string]func(s *contest.Site){
		"S0":  func(s *contest.Site) { s.Untouched = s.Read },
		"S1":  func(s *contest.Site) { s.Read = s.Number },
		"S2":  func(s *contest.Site) { s.Increment = s.Untouched },
		"S3":  func(s *contest.Site) { s.Create = s.Anonymous },
		"S4":  func(s *contest.Site) { s.CreateLarge = s.Anonymous },
		"S6":  func(s *contest.Site) { s.SignIn = s.Anonymous },
		"S6 ": func(s *contest.Site) { s.SignIn = s.Untouched },
	} {
		c := *field.Find("memory", "floor in a middleware")
		open := c.Open
		c.Open = func(ctx context.Context, env contest.Env) (contest.Player, error) {
			p, err := open(ctx, env)
			if err != nil {
				return nil, err
			}
			s, err := contest.SiteOf(p)
			if err != nil {
				return nil, err
			}
			spoil(s)
			return p, nil
		}
		_, _, err := contest.Measure(t.Context(), nil, []*contest.Contender{&c}, contest.Plan{})
		if err == nil {
			t.Errorf("%s: a contender that does it wrong was measured", name)
		}
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	c := *field.Find("memory", "floor")
	c.Open = func(context.Context, contest.Env) (contest.Player, error) {
		return nil, fmt.Errorf("open: %w", &contest.MissingError{What: "that server", Err: errors.New("not installed")})
	}
	results, left, err := contest.Measure(t.Context(), nil, []*contest.Contender{&c}, contest.Plan{})
	if err != nil || len(results) != 0 || len(left) != 1 || !strings.Contains(left[0].Why, "that server") {
		t.Errorf("%v %v %v", results, left, err)
	}
}
