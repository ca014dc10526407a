package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const source = `package m

import "io"

// A comment is no part of it.
type T struct {
	_ [0]func()
	A int
	b string
	io.Reader
}

func (T) Value() error { return nil }
func (t *T) Pointer(name string, more ...int) (n int, err error) { return 0, nil }
func (T) hidden() {}

type S struct{ X, Y float64 }
type I interface {
	M(x int) string
	io.Closer
}
type G[E comparable] []E
type Alias = S

func F[E any](e E) *T { return nil }

const C = "c"

var V = map[string]T{}

func unexported() {}
`

func lay(t *testing.T, source string) (module, dir string) {
	t.Helper()
	t.Setenv("GOWORK", "off")
	module = t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/beaker\n\ngo 1.25.0\n", "m.go": source,
		"internal/x/x.go": "package x\n\nfunc X() {}\n", "cmd/c/main.go": "package main\n\nfunc main() {}\n",
	} {
		path := filepath.Join(module, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return module, t.TempDir()
}

func TestEverythingExportedIsDescribed(t *testing.T) {
	module, dir := lay(t, source)
	if err := run(t.Context(), []string{"-write", "-dir", dir, module}, t.Output()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v: internal packages and programs have no API", len(files), err)
	}
	got, err := read(filepath.Join(dir, "beaker.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`const C untyped string = "c"`,
		`func F[E any](E) *T`,
		`method (*T) Pointer(string, ...int) (int, error)`,
		`method (T) Read([]byte) (int, error)`,
		`method (T) Value() error`,
		`type Alias = S`,
		`type G[E comparable] []E`,
		`type I interface { Close, M }`,
		`type I interface, Close() error`,
		`type I interface, M(int) string`,
		`type S struct`,
		`type S struct, X float64`,
		`type S struct, Y float64`,
		`type T struct, A int`,
		`type T struct, embedded Reader io.Reader`,
		`type T struct, with unexported fields, not comparable`,
		`var V map[string]T`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEachChangeIsSeen(t *testing.T) {
	for name, c := range map[string]struct{ old, new, says string }{
		"a field's type":      {"A int", "A int64", "- type T struct, A int\n"},
		"a field goes":        {"\tA int\n", "", "- type T struct, A int\n"},
		"a result":            {"Value() error { return nil }", "Value() {}", "- method (T) Value() error\n"},
		"a receiver":          {"func (T) Value", "func (t *T) Value", "+ method (*T) Value() error\n"},
		"a constant's value":  {`C = "c"`, `C = "d"`, `+ const C untyped string = "d"`},
		"an interface grows":  {"M(x int) string", "M(x int) string\n\tN()", "+ type I interface, N()\n"},
		"comparability":       {"\t_ [0]func()\n", "", "+ type T struct, with unexported fields, comparable\n"},
		"a constraint":        {"E comparable", "E any", "- type G[E comparable] []E\n"},
		"something new":       {"func unexported()", "func Exported()", "+ func Exported()\n"},
		"something gone":      {"func F[E any]", "func f[E any]", "- func F[E any](E) *T\n"},
		"a comment only":      {"A comment", "Another comment", ""},
		"a parameter's name":  {"name string", "label string", ""},
		"an unexported field": {"b string", "b int", ""},
	} {
		t.Run(name, func(t *testing.T) {
			module, dir := lay(t, source)
			if err := run(t.Context(), []string{"-write", "-dir", dir, module}, t.Output()); err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(source, c.old, c.new, 1)
			if changed == source {
				t.Fatal("nothing was changed")
			}
			if err := os.WriteFile(filepath.Join(module, "m.go"), []byte(changed), 0o644); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			err := run(t.Context(), []string{"-dir", dir, module}, &out)
			if want := c.says != ""; errors.Is(err, errChanged) != want || want != (err != nil) {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(out.String(), c.says) {
				t.Errorf("it says\n%s\nwant %q", out.String(), c.says)
			}
		})
	}
}

func TestAPackageThatIsNoMore(t *testing.T) {
	module, dir := lay(t, source)
	stale := filepath.Join(dir, "old.txt")
	if err := os.WriteFile(stale, []byte("func Old()\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-dir", dir, module}, t.Output()); !errors.Is(err, errChanged) {
		t.Errorf("error %v", err)
	}
	if err := run(t.Context(), []string{"-write", "-dir", dir, module}, t.Output()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := run(t.Context(), []string{"-dir", dir, module}, t.Output()); err != nil {
		t.Errorf("right after -write: %v", err)
	}
}
