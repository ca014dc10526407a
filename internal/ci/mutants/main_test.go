package main // the command's parts are looked at one by one

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const original = `package m

func Answer() int {
	return 42
}
`

const tests = `package m

import (
	"sync"
	"testing"
)

func TestAnswer(t *testing.T) {
	t.Run("is 42", func(t *testing.T) {
		if Answer() != 42 {
			t.Error("it is not 42")
		}
	})
}

func TestOther(t *testing.T) {}

func TestSkipped(t *testing.T) { t.Skip() }

func TestFails(t *testing.T) { t.Fail() }

func TestRaces(t *testing.T) {
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { Answer() })
	}
	wg.Wait()
}
`

// patch replaces the one line of Answer.
func patch(header, line string) string {
	return header + "\n--- a/m.go\n+++ b/m.go\n@@ -1,5 +1,5 @@\n package m\n \n func Answer() int {\n-\treturn 42\n+\t" + line + "\n }\n"
}

func repository(t *testing.T, patches map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.25.0\n", "m.go": original, "m_test.go": tests,
		".gitignore": "ignored\n", "ignored": "",
		"sub/go.mod":    "module example.com/m/sub\n\ngo 1.25.0\n\nrequire example.com/m v0.0.0\n\nreplace example.com/m => ..\n",
		"sub/s_test.go": "package sub\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m\"\n)\n\nfunc TestSub(t *testing.T) {\n\tif m.Answer() != 42 {\n\t\tt.Fail()\n\t}\n}\n",
	}
	for name, text := range patches {
		files["internal/mutants/"+name+".patch"] = text
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	return dir
}

func TestEachMutantGetsItsVerdict(t *testing.T) {
	const header = "Breaks: the answer\nPackage: .\nTest: "
	dir := repository(t, map[string]string{
		"01-caught":           patch(header+"^TestAnswer$", "return 41"),
		"02-wrong-test":       patch(header+"^TestOther$", "return 41"),
		"03-caught-again":     patch(header+"^TestAnswer$/^is 42$", "return 40"),
		"04-does-not-compile": patch(header+"^TestAnswer$", "return \"42\""),
		"05-no-such-test":     patch(header+"^TestNone$", "return 41"),
		"06-no-such-subtest":  patch(header+"^TestAnswer$/^none$", "return 41"),
		"07-skipped":          patch(header+"^TestSkipped$", "return 41"),
		"08-fails-anyway":     patch(header+"^TestFails$", "return 41"),
		"09-hangs":            patch(header+"^TestAnswer$", "for { select {} }"),
		"10-does-not-apply":   strings.ReplaceAll(patch(header+"^TestAnswer$", "return 41"), "Answer() int", "Reply() int"),
		"11-other-module":     patch("Breaks: the answer\nModule: sub\nPackage: .\nTest: TestSub", "return 41"),
		"12-equivalent":       patch(header+"^TestAnswer$", "return 6 * 7"),
		"13-race":             patch("Race: yes\n"+header+"^TestRaces$", "x++; return x }; var x int; func Ignored() int { return 42"),
		"14-panics":           patch(header+"^TestAnswer$", "panic(1)"),
		"15-panics-in-init":   patch(header+"^TestAnswer$", "return 42 }; func init() { panic(1)"),
	})
	var out bytes.Buffer
	if code := run(t.Context(), []string{"-root", dir, "-timeout", "3s", "-j", "2"}, &out); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	want := map[string]string{
		"01-caught": "caught", "02-wrong-test": "SURVIVED", "03-caught-again": "caught", "04-does-not-compile": "BROKEN",
		"05-no-such-test": "BROKEN", "06-no-such-subtest": "BROKEN", "07-skipped": "BROKEN", "08-fails-anyway": "BROKEN",
		"09-hangs": "caught(hang)", "10-does-not-apply": "BROKEN", "11-other-module": "caught", "12-equivalent": "SURVIVED",
		"13-race": "caught", "14-panics": "caught", "15-panics-in-init": "BROKEN",
	}
	got := map[string]string{}
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasSuffix(f[1], ".patch") {
			got[strings.TrimSuffix(f[1], ".patch")] = f[0]
		}
	}
	for name, verdict := range want {
		if got[name] != verdict {
			t.Errorf("%s: %q, want %q", name, got[name], verdict)
		}
	}
	if !strings.Contains(out.String(), "\n6 caught, 9 not\n") {
		t.Error("the count is wrong")
	}
	if t.Failed() {
		t.Log(out.String())
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "m.go")); string(text) != original {
		t.Error("the repository itself was changed")
	}
}

func TestGoodMutantsEndWithZero(t *testing.T) {
	dir := repository(t, map[string]string{
		"a": patch("Breaks: the answer\nPackage: .\nTest: ^TestAnswer$", "return 41"),
		"b": patch("Breaks: the answer\nPackage: .\nTest: ^TestOther$", "return 41"),
	})
	var out bytes.Buffer
	if code := run(t.Context(), []string{"-root", dir, "-run", "^a"}, &out); code != 0 {
		t.Errorf("exit code %d:\n%s", code, out.String())
	}
	for _, pick := range []string{"^c", "["} {
		if code := run(t.Context(), []string{"-root", dir, "-run", pick}, &out); code == 0 {
			t.Errorf("-run %s: no mutant ran, and that passes", pick)
		}
	}
}

func TestABrokenHeaderNamesWhatIsMissing(t *testing.T) {
	const diff = "\n--- a/m.go\n+++ b/m.go\n"
	for _, c := range []struct{ text, want string }{
		{"Test: T\nPackage: ." + diff, "Breaks is missing"},
		{"Breaks: x\nPackage: ." + diff, "Test is missing"},
		{"Breaks: x\nTest: (\nPackage: ." + diff, "no regular expression"},
		{"Breaks: x\nTest: T" + diff, "Package is missing"},
		{"Breaks: x\nTest: T\nPackage: ./..." + diff, "not one package"},
		{"Breaks: x\nTest: T\nPackage: memstore" + diff, "not one package"},
		{"Breaks: x\nTest: T\nPackage: .\nModule: ../x" + diff, "not a directory of the repository"},
		{"Breaks: x\nTest: T\nPackage: .\nRace: no" + diff, "not known"},
		{"Breaks: x\nTest: T\nPackage: .\nwords" + diff, "not of the form"},
		{"Breaks: x\nTest: T\nPackage: .\n", "no diff"},
	} {
		_, err := parse("p", c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

func TestLevelsOfAnExpression(t *testing.T) {
	for expr, want := range map[string]int{"A": 0, "A/b": 1, "A/b/c": 2, "A[/]b": 0, "A(/|x)/c": 1, `A\/b/c`: 1} {
		if got := levels(expr); got != want {
			t.Errorf("%s: %d, want %d", expr, got, want)
		}
	}
}

// The patches of this repository must not rot between two runs of make mutants.
func TestThePatchesOfTheRepositoryApply(t *testing.T) {
	all, err := readAll("../../mutants")
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLab(t.Context(), "../../..", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	b, err := l.bench()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if _, err := b.git(t.Context(), "apply", "--check", m.file); err != nil {
			t.Error(err)
		}
	}
}
