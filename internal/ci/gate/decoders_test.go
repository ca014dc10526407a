package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The figures are measured, and a target that reaches nothing of what it names, or names
// what is not there, fails the step.
func TestDecodersAreMeasured(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/m\n\ngo 1.25\n")
	write("go.work", "go 1.25\n\nuse .\n")
	write("m.go", `package m

type T[E any] struct{}

func (t *T[E]) Decode(b []byte) int {
	if len(b) > 3 {
		return 1
	}
	if len(b) == 77 {
		panic("never")
	}
	return 2
}

func Other() int { return 1 }
`)
	write("m_test.go", `package m

import (
	"os"
	"testing"
)

//beaker:decodes T.Decode
func FuzzGood(f *testing.F) {
	if _, err := os.Stat("testdata/needed"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) { new(T[int]).Decode(b) })
}

// FuzzUnreached is.
//
//beaker:decodes Other
func FuzzUnreached(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) {}) }

//beaker:decodes Gone
func FuzzGone(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) {}) }

func FuzzSilent(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) {}) }

//beaker:decodes Other
func FuzzFails(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) { Other(); t.Error("no") }) }
`)
	write("testdata/needed", "")
	write("testdata/fuzz/FuzzGood/short", "go test fuzz v1\n[]byte(\"a\")\n")
	t.Setenv("GOFLAGS", "")

	measure := func() (string, error) {
		var out strings.Builder
		g := &gate{root: root, out: &out, found: filepath.Join(root, "found")}
		err := g.decoders(t.Context())
		return strings.Join(g.fuzzed, "\n"), err
	}
	text, err := measure()
	if !strings.Contains(text, "FuzzGood, 0 found by fuzzing\n     60.0%    3/5   T.Decode; not m.go:6-8,9") {
		t.Errorf("printed\n%s", text)
	}
	for _, want := range []string{"FuzzUnreached: Other is not reached at all", "FuzzGone: there is no function Gone", "FuzzSilent: its comment has no line", "FuzzFails: exit status 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	// What fuzzing has found counts too.
	write("found/example.com/m/FuzzGood/abc", "go test fuzz v1\n[]byte(\"abcdef\")\n")
	if text, _ = measure(); !strings.Contains(text, "FuzzGood, 1 found by fuzzing\n     80.0%    4/5   T.Decode; not m.go:9") {
		t.Errorf("printed\n%s", text)
	}
}
