package gotest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker/internal/ci/gotest"
)

// goTest runs go test on a module made of files and reads the result, so that what
// is proven here holds for the go command at hand and not for a recording.
func goTest(t *testing.T, files map[string]string, args ...string) (*gotest.Run, string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/m\n\ngo 1.25.0\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", append([]string{"test", "-json", "-vet=off"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	run, err := gotest.Read(pipe, &out)
	if err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // fails where tests fail, as they should here
	return run, out.String()
}

const header = "package m\n\nimport \"testing\"\n\n"

func TestReportsAreKept(t *testing.T) {
	run, out := goTest(t, map[string]string{"a/a_test.go": header + `
func TestTree(t *testing.T) {
	t.Run("leaf", func(t *testing.T) { t.Log("report: 1 of 2") })
	t.Run("bad", func(t *testing.T) { t.Error("report: not this one") })
	t.Log("not a report")
}
func TestLeaf(t *testing.T) { t.Log("report: 2 of 2") }
`}, "./...")
	if got, want := strings.Join(run.Reports, "; "), "a TestTree/leaf: 1 of 2; a TestLeaf: 2 of 2"; got != want {
		t.Errorf("the reports are %q, want %q", got, want)
	}
	if strings.Contains(out, "1 of 2") {
		t.Error("what a test that passed has logged is printed")
	}
}

func TestEachOutcomeIsToldApart(t *testing.T) {
	run, out := goTest(t, map[string]string{
		"a/a_test.go": header + `
func TestLeaf(t *testing.T) {}
func TestTree(t *testing.T) {
	t.Run("good", func(t *testing.T) {})
	t.Run("with/slash", func(t *testing.T) {})
	t.Run("bad", func(t *testing.T) { t.Error("the reason why") })
}
func TestParentItself(t *testing.T) {
	t.Run("good", func(t *testing.T) {})
	t.Error("after its subtest")
}
func TestSkip(t *testing.T) { t.Skip("no engine") }
func FuzzSeeded(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) {}) }
func FuzzVacuous(f *testing.F) { f.Fuzz(func(t *testing.T, n int) {}) }
`,
		"b/b_test.go": header + "func TestB(t *testing.T) { undefined() }\n",
		"c/c_test.go": header + "import \"os\"\nfunc TestC(t *testing.T) {}\nfunc TestMain(m *testing.M) { m.Run(); println(\"main broke\"); os.Exit(3) }\n",
		"d/d_test.go": header + "func TestPanic(t *testing.T) { panic(\"boom\") }\n",
		"e/e.go":      "package e\n",
		"f/f_test.go": header + "func TestF(t *testing.T) {}\n",
	}, "./...")

	got := map[string]gotest.Outcome{}
	for _, test := range run.Tests {
		got[strings.TrimPrefix(test.Package, "example.com/m/")+" "+test.Name] = test.Outcome
	}
	want := map[string]gotest.Outcome{
		"a TestLeaf":              gotest.Passed,
		"a TestTree/good":         gotest.Passed,
		"a TestTree/with/slash":   gotest.Passed,
		"a TestTree/bad":          gotest.Failed,
		"a TestParentItself":      gotest.Failed,
		"a TestParentItself/good": gotest.Passed,
		"a TestSkip":              gotest.Skipped,
		"a FuzzSeeded/seed#0":     gotest.Passed,
		"a FuzzVacuous":           gotest.NoSeeds,
		"b ":                      gotest.Failed,
		"c TestC":                 gotest.Passed,
		"c ":                      gotest.Failed,
		"d TestPanic":             gotest.Failed,
		"f TestF":                 gotest.Passed,
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%q: got %q, want %q", k, got[k], v)
		}
	}
	if len(got) != len(want) || run.Packages != 5 {
		t.Errorf("got %d tests in %d packages, want %d in 5: %v", len(got), run.Packages, len(want), got)
	}
	for _, text := range []string{"the reason why", "after its subtest", "no engine", "undefined: undefined", "main broke", "boom"} {
		if !strings.Contains(out, text) {
			t.Errorf("the output does not say %q:\n%s", text, out)
		}
	}
	if strings.Contains(out, "example.com/m/e") {
		t.Error("a package without tests is listed")
	}
}

func TestSuccessIsOneLine(t *testing.T) {
	run, out := goTest(t, map[string]string{
		"a_test.go": header + "func TestA(t *testing.T) { t.Log(\"chatter\"); println(\"noise\") }\n",
	}, "-v", "-shuffle=on", ".")
	if len(run.Bad()) != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, "1 tests") {
		t.Errorf("got %v and\n%s", run.Bad(), out)
	}
}

func TestATestThatHangsIsNamed(t *testing.T) {
	run, out := goTest(t, map[string]string{
		"a_test.go": header + "func TestFine(t *testing.T) {}\nfunc TestHangs(t *testing.T) { <-make(chan int) }\n",
	}, "-timeout=200ms", ".")
	bad := run.Bad()
	if len(bad) != 1 || bad[0].Name != "TestHangs" || !strings.Contains(out, "timed out") {
		t.Errorf("got %v and\n%s", bad, out)
	}
}

func TestWhatWaitedWhenTheProgramBrokeIsNamedInOneLine(t *testing.T) {
	run, out := goTest(t, map[string]string{
		"a_test.go": header + "func TestMany(t *testing.T) {\n\tfor range 30 {\n\t\tt.Run(\"x\", func(t *testing.T) { t.Parallel(); panic(\"boom\") })\n\t}\n}\n",
	}, "-parallel=1", ".")
	if len(run.Bad()) != 30 || strings.Count(out, "DID NOT FINISH") != 1 || !strings.Contains(out, "and 19 more") || strings.Count(out, "panic: boom") != 1 {
		t.Errorf("%d are bad, and\n%s", len(run.Bad()), out)
	}
}

func TestATruncatedStreamIsAFailure(t *testing.T) {
	var out strings.Builder
	run, err := gotest.Read(strings.NewReader(`{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
signal: killed
`), &out)
	if err != nil || len(run.Bad()) != 1 || run.Bad()[0].Outcome != gotest.Unfinished {
		t.Errorf("got %v, %v", run.Bad(), err)
	}
	if !strings.Contains(out.String(), "signal: killed") {
		t.Errorf("a line that is no event is lost: %q", out.String())
	}
}

func TestATestCountsOnceAndPassesOnlyIfItAlwaysDid(t *testing.T) {
	run := func(a, b gotest.Outcome) *gotest.Run {
		return &gotest.Run{Tests: []gotest.Test{{Package: "p", Name: "A", Outcome: a}, {Package: "p", Name: "B", Outcome: b}}}
	}
	for _, c := range []struct {
		desc           string
		runs           []*gotest.Run
		passed, failed int
	}{
		{"once", []*gotest.Run{run("passed", "passed")}, 2, 0},
		{"twice", []*gotest.Run{run("passed", "passed"), run("passed", "passed")}, 2, 0},
		{"failed first", []*gotest.Run{run("FAILED", "passed"), run("passed", "passed")}, 1, 1},
		{"failed last", []*gotest.Run{run("passed", "passed"), run("passed", "SKIPPED")}, 1, 1},
	} {
		t.Run(c.desc, func(t *testing.T) {
			var tally gotest.Tally
			for _, r := range c.runs {
				tally.Add(r)
			}
			if p, f := tally.Counts(); p != c.passed || f != c.failed {
				t.Errorf("got %d passed and %d failed, want %d and %d", p, f, c.passed, c.failed)
			}
		})
	}
}
