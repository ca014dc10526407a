package main // the steps themselves are programs; what is tested is how they are run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/internal/ci/gotest"
)

func ok(context.Context) error { return nil }

func bad(context.Context) error { return errors.New("the reason") }

// tests is a step in which the named tests run.
func (g *gate) tests(names string, passed bool) func(context.Context) error {
	return func(context.Context) error {
		var run gotest.Run
		for name := range strings.FieldsSeq(names) {
			outcome := gotest.Passed
			if !passed {
				outcome = gotest.Failed
			}
			run.Tests = append(run.Tests, gotest.Test{Package: "p", Name: name, Outcome: outcome})
		}
		g.tally.Add(&run)
		if !passed {
			return errors.New("tests failed")
		}
		return nil
	}
}

func TestTheSummaryTellsTheTruth(t *testing.T) {
	var out strings.Builder
	g := &gate{out: &out}
	for _, c := range []struct {
		desc  string
		steps []step
		code  int
		end   string
	}{
		{"all is well", []step{{"a", "", ok}, {"b", "", g.tests("A B", true)}}, 0, "\n2 passed, 0 failed\n"},
		{"a later step runs, and counts, after one that failed", []step{{"a", "", bad}, {"b", "", g.tests("A B", true)}}, 1, "\nFAILED: a\n2 passed, 1 failed\n"},
		{"failing tests count as they are", []step{{"a", "", g.tests("A B", true)}, {"b", "", g.tests("B C", false)}}, 1, "\nFAILED: b\n1 passed, 2 failed\n"},
		{"a step that fails without a test counts as one", []step{{"a", "", g.tests("A", false)}, {"b", "", bad}, {"c", "", bad}}, 1, "\nFAILED: a, b, c\n0 passed, 3 failed\n"},
		{"no test at all", []step{{"a", "", ok}}, 0, "s\n"},
	} {
		t.Run(c.desc, func(t *testing.T) {
			out.Reset()
			g.tally = gotest.Tally{}
			if code := g.all(t.Context(), c.steps); code != c.code || !strings.HasSuffix(out.String(), c.end) {
				t.Errorf("exit code %d and\n%s", code, out.String())
			}
		})
	}
}

func TestAnInterruptedStepHasNotPassed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if code := (&gate{out: &out}).all(ctx, []step{{"a", "", ok}}); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

func TestUnknownStepsAreRefused(t *testing.T) {
	g := &gate{}
	for _, names := range [][]string{nil, {"none"}, {"all", "none"}} {
		if _, err := g.choose(names); err == nil {
			t.Errorf("%v: no error", names)
		}
	}
	all, err := g.choose([]string{"all"})
	if err != nil || len(all) != len(g.steps()) {
		t.Errorf("all: %d steps, %v", len(all), err)
	}
}

// A gate that looks at nothing would let everything pass.
func TestEachWayOfTestingFindsItsFailure(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":     "module example.com/m\n\ngo 1.25.0\n",
		"go.work":    "go 1.25.0\n\nuse (\n\t.\n\t./sub\n)\n",
		"m.go":       "package m\n",
		"sub/go.mod": "module example.com/m/sub\n\ngo 1.25.0\n",
		"sub/s_test.go": "package sub\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"testing\"\n)\n\n" +
			"func TestEnv(t *testing.T) {\n\tif os.Getenv(\"BREAK\") != \"\" {\n\t\tfmt.Println(fmt.Sprintf(\"%d\", \"x\"))\n\t\tt.Fail()\n\t}\n}\n\n" +
			"func FuzzIt(f *testing.F) {\n\tf.Add(1)\n\tf.Fuzz(func(t *testing.T, n int) {})\n}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	g := &gate{root: dir, out: &out, fuzzTime: 10 * time.Millisecond}
	ctx := t.Context()

	modules, err := g.modules(ctx)
	if err != nil || len(modules) != 2 || modules[1] != (module{"example.com/m/sub", "sub"}) {
		t.Errorf("modules: %v, %v", modules, err)
	}
	if _, err := g.test(ctx, "", nil, "-vet=off", "work"); err != nil {
		t.Errorf("good tests: %v", err)
	}
	if _, err := g.test(ctx, "sub", []string{"BREAK=1"}, "-vet=off", "./..."); err == nil {
		t.Error("a failing test: no error")
	}
	if err := some(g.test(ctx, "", nil, ".")); err == nil {
		t.Error("a module without tests: no error, where some are required")
	}
	if _, err := g.test(ctx, "", nil, "./none"); err == nil {
		t.Error("a package that does not exist: no error")
	}
	if err := g.vet(ctx); err == nil || !strings.Contains(out.String(), "Sprintf format %d") {
		t.Errorf("vet: %v", err)
	}
	if err := g.isolated(ctx); err == nil {
		t.Error("isolated: no error, although vet has a finding")
	}
	targets, err := g.targets(ctx)
	if err != nil || len(targets) != 1 || targets[0] != (target{"example.com/m/sub", "FuzzIt"}) {
		t.Errorf("fuzz targets: %v, %v", targets, err)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestProgressOfAFuzzRun(t *testing.T) {
	out := "fuzz: elapsed: 0s, gathering baseline coverage: 0/1 completed\nfuzz: elapsed: 3s, execs: 1 (0/sec), new interesting: 0 (total: 1)\n" +
		"fuzz: elapsed: 6s, execs: 9 (3/sec), new interesting: 2 (total: 3)\nPASS\n"
	if got := progress(out); got != "execs: 9 (3/sec), new interesting: 2 (total: 3)" {
		t.Errorf("got %q", got)
	}
}

func TestWhatIsReleased(t *testing.T) {
	for dir, want := range map[string]bool{
		".": true, "cmd/beaker": true, "redisstore": true,
		"redisstore/redistest": false, "bench": false, "internal/tests": false, "examples": false, "examples/chi": false,
	} {
		if got := (module{dir: dir}).released(); got != want {
			t.Errorf("%s: %v, want %v", dir, got, want)
		}
	}
}
