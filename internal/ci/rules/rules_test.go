package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker/internal/ci/rules"
)

func TestRepositoryKeepsItsRules(t *testing.T) {
	tree, err := rules.Load(t.Context(), "../../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) < 10 || len(tree.Packages) < 3 {
		t.Fatalf("only %d files and %d packages were found: the rules would hold vacuously", len(tree.Files), len(tree.Packages))
	}
	for _, r := range rules.All() {
		t.Run(r.Name, func(t *testing.T) {
			for _, problem := range r.Check(tree) {
				t.Error(problem)
			}
		})
	}
}

// good is a repository that keeps every rule; each case below breaks one.
func good() map[string]string {
	return map[string]string{
		"go.mod":           "module example.com/m\n\ngo 1.25.0\n",
		"go.work":          "go 1.25.0\n\nuse (\n\t.\n\t./internal/tests\n)\n",
		"m.go":             "// Package m does.\npackage m\n\nimport _ \"crypto/sha256\"\n\n// Options configure.\ntype Options struct {\n\tA int // a\n}\n\n// I is.\ntype I interface {\n\tM()\n}\n\n// F is.\nfunc F() {}\n\ntype hidden int\n\nfunc (hidden) M() {}\n\n// All of it.\nconst (\n\tX = 1\n\tY = 2\n)\n",
		"m_test.go":        "package m_test\n\nimport (\n\t\"math/rand/v2\"\n\t\"testing\"\n\n\t\"example.com/m\"\n)\n\n//beaker:decodes F\nfunc FuzzA(f *testing.F) { f.Add(rand.Int()); m.F() }\n\n// FuzzB is.\n//\n//beaker:decodes F\nfunc FuzzB(f *testing.F) {}\n\nfunc TestT(t *testing.T) { bubble.Test(t, func(t *testing.T) { time.Sleep(1) }) }\n",
		"storetest/s.go":   "// Package storetest tests.\npackage storetest\n\nimport _ \"testing\"\n",
		"testdata/x/go.go": "package broken {\n",

		"testdata/fuzz/FuzzB/1":    "go test fuzz v1\nint(1)\n",
		"internal/tests/go.mod":    "module example.com/m/internal/tests\n\ngo 1.25.0\n\nrequire example.org/r v1.0.0\n\nreplace example.com/m => ../..\n",
		"internal/tests/r_test.go": "package tests\n\nimport \"pgregory.net/rapid\"\n\nfunc act(t *rapid.T) { t.Skip() }\n",
		"internal/tests/doc.go":    "// Package tests tests.\npackage tests\n\nimport _ \"example.org/r\"\n",
		"build/generated/bad.go":   "package bad\n",
		"README.md":                "See https://example.com/work/a and ./root/b.\n",
	}
}

func load(t *testing.T, files map[string]string) *rules.Tree {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := rules.Load(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestAGoodTreeHasNoProblems(t *testing.T) {
	tree := load(t, good())
	for _, r := range rules.All() {
		if bad := r.Check(tree); bad != nil {
			t.Errorf("%s: %q", r.Name, bad)
		}
	}
}

func TestEachRuleBites(t *testing.T) {
	for _, c := range []struct {
		rule, file, text string
		want             string // part of the one problem
	}{
		{"the root module requires no other", "go.mod", "module example.com/m\n\ngo 1.25.0\n\nrequire example.org/r v1.0.0\n", "requires example.org/r"},
		{"all modules have one go line", "internal/tests/go.mod", "module example.com/m/internal/tests\n\ngo 1.26\n", "internal/tests/go.mod: go 1.26, want go 1.25.0"},
		{"all modules are in go.work", "go.work", "go 1.25.0\n\nuse . // ./internal/tests\n", "use ./internal/tests is missing"},
		{"library packages import the standard library and this module", "a/a_test.go", "// Package a is.\npackage a\n\nimport \"example.org/r\"\n", "a/a_test.go:4:8: imports example.org/r"},
		{"library packages import the standard library and this module", "a/a.go", "// Package a is.\npackage a\n\nimport \"unsafe\"\n", "imports unsafe"},
		{"only test code imports testing", "a/a.go", "// Package a is.\npackage a\n\nimport \"testing\"\n", "a/a.go:4:8: imports testing"},
		{"only test code imports testing", "storetester/a.go", "// Package a is.\npackage a\n\nimport \"testing/synctest\"\n", "imports testing/synctest"},
		{"no weak primitives", "a/a_test.go", "// Package a is.\npackage a\n\nimport \"crypto/md5\"\n", "use crypto/sha256"},
		{"no weak primitives", "a/a.go", "// Package a is.\npackage a\n\nimport \"crypto/sha1\"\n", "use crypto/sha256"},
		{"no weak primitives", "a/a.go", "// Package a is.\npackage a\n\nimport \"encoding/gob\"\n", "record format"},
		{"no weak primitives", "a/a.go", "// Package a is.\npackage a\n\nimport \"math/rand/v2\"\n", "use crypto/rand"},
		{"every package has a package comment", "a/a.go", "//go:build linux\n\npackage a\n", "a: no file"},
		{"every package has a package comment", "build2/a_test.go", "package a\n", "build2: no file"},
		{"every exported identifier has a comment", "a/a.go", "// Package a is.\npackage a\n\nfunc F() {}\n", "a/a.go:4:1: func F"},
		{"every exported identifier has a comment", "a/a.go", "// Package a is.\npackage a\n\n// T is.\ntype T[P any] struct{}\n\nfunc (*T[P]) M() {}\n\nfunc (*T[P]) Error() string { return \"\" }\n", "method T.M"},
		{"every exported identifier has a comment", "a/a.go", "// Package a is.\npackage a\n\ntype T int\n", "type T"},
		{"every exported identifier has a comment", "a/a.go", "// Package a is.\npackage a\n\n// Types.\ntype (\n\tT int\n\tu int\n)\n", "type T"},
		{"every exported identifier has a comment", "a/a.go", "// Package a is.\npackage a\n\nvar V int\n", "var V"},
		{"every exported identifier has a comment", "a/a.go", "// Package a is.\npackage a\n\n//go:embed x\nvar V int\n", "var V"},
		{"every exported identifier has a comment", "a/a.go", "// Package a is.\npackage a\n\n// I is.\ntype I interface {\n\tM()\n\tN() // ends\n}\n", "I.M"},
		{"every exported identifier has a comment", "a/a.go", "// Package a is.\npackage a\n\n// Options are.\ntype Options struct { A int }\n", "Options.A"},
		{"no test is skipped or waits by sleeping", "a/a_test.go", "// Package a is.\npackage a\n\nfunc TestA(t *testing.T) { time.Sleep(1) }\n", "time.Sleep"},
		{"no test is skipped or waits by sleeping", "a/a_test.go", "// Package a is.\npackage a\n\nfunc TestA(t *testing.T) { t.Skip() }\n", "must fail and say what is missing"},
		{"no test is skipped or waits by sleeping", "storetest/a.go", "// Package a is.\npackage a\n\nfunc helper(x testing.TB) { x.Skipf(\"\") }\n", "Skipf"},
		{"no test is skipped or waits by sleeping", "a/a_test.go", "// Package a is.\npackage a\n\nfunc TestA(t *testing.T) { synctest.Test(t, nil) }\n", "use internal/bubble"},
		{"every fuzz target says what it decodes", "a/a_test.go", "// Package a is.\npackage a\n\n// FuzzA is.\nfunc FuzzA(f *testing.F) { f.Add(1) }\n", "FuzzA does not say what it decodes"},
		{"every fuzz target says what it decodes", "a/a_test.go", "// Package a is.\npackage a\n\n//beaker:decodes Gone\nfunc FuzzA(f *testing.F) { f.Add(1) }\n", "decodes Gone, which is not there"},
		{"every fuzz target has a corpus", "a/a_test.go", "// Package a is.\npackage a\n\nfunc FuzzA(f *testing.F) { f.Fuzz(func(t *testing.T, n int) { x.Add(1) }) }\n", "FuzzA has no seeds"},
		{"no file names a machine", "a.md", "x\nthe log is in /" + "work/log\n", "a.md:2: names a machine"},
		{"no file names a machine", "a.sh", "GOPROXY=https://" + "proxy." + "golang.org go build\n", "a.sh:1"},
		{"no file names a machine", ".ci/a", "\"/" + "root/x\"\n", ".ci/a:1"},
		{"no file names a machine", "testdata/a", "/tmp/" + "bash_1\n", "testdata/a:1"},
	} {
		t.Run(c.rule+" "+c.want, func(t *testing.T) {
			files := good()
			files[c.file] = c.text
			tree := load(t, files)
			known := false
			for _, r := range rules.All() {
				bad := r.Check(tree)
				if r.Name != c.rule {
					continue
				}
				known = true
				if len(bad) != 1 || !strings.Contains(bad[0], c.want) {
					t.Errorf("got %q, want one problem that says %q", bad, c.want)
				}
			}
			if !known {
				t.Error("there is no such rule")
			}
		})
	}
}

func TestFilesThatGitIgnoresAreLeftOut(t *testing.T) {
	tree, err := rules.Load(t.Context(), "../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tree.Files {
		if strings.HasPrefix(name, "build/") || strings.HasPrefix(name, ".git/") {
			t.Errorf("%s is not the repository's", name)
		}
	}
}

func TestATreeWithoutARootModuleIsAnError(t *testing.T) {
	if _, err := rules.Load(t.Context(), t.TempDir()); err == nil {
		t.Error("no error for an empty directory")
	}
}
