package main

import (
	"context"
	"encoding/json"
	"fmt"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// universe is what the documents may name.
type universe struct {
	fset     *token.FileSet
	importer types.Importer
	own      []*types.Package            // what this repository offers, the root first
	byName   map[string][]*types.Package // all that is imported somewhere, by package name
	listed   map[string]*listed
	vars     map[string]types.Type // the preamble's
	tests    map[string]bool       // all tests and benchmarks
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Name, Dir, Export string
	GoFiles, TestGoFiles          []string
	XTestGoFiles                  []string
	Standard                      bool
	Module                        *struct{ Path, Dir string }
	Error                         *struct{ Err string }
}

// everywhere are packages that a page may name without saying so.
var everywhere = []string{
	"bytes", "context", "crypto/rand", "database/sql", "database/sql/driver", "encoding/json", "errors", "expvar", "fmt", "html/template", "io", "log", "log/slog",
	"maps", "net", "net/http", "net/http/cookiejar", "net/http/httptest", "net/http/httputil", "net/url", "os", "os/signal",
	"path/filepath", "runtime/debug", "slices", "strconv", "strings", "sync", "sync/atomic", "syscall", "testing", "testing/synctest", "time",
}

func (c *checker) list(ctx context.Context, args ...string) ([]*listed, error) {
	out, err := output(ctx, c.root, nil, "go", append([]string{"list"}, args...)...)
	if err != nil {
		return nil, err
	}
	var all []*listed
	dec := json.NewDecoder(strings.NewReader(out))
	for {
		p := &listed{}
		if err := dec.Decode(p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if p.Error != nil {
			return nil, fmt.Errorf("go list: %s", p.Error.Err)
		}
		all = append(all, p)
	}
}

// everything is the pattern for all packages of the repository.
func (c *checker) everything() string {
	if c.has("go.work") {
		return "work"
	}
	return "./..."
}

// isPublic reports whether others may import a package of this repository.
func (c *checker) isPublic(p *listed) bool {
	rel, ok := strings.CutPrefix(p.ImportPath+"/", c.module+"/")
	return ok && p.Name != "main" && !strings.Contains("/"+rel, "/internal/") &&
		!strings.HasPrefix(rel, "examples/") && !strings.HasPrefix(rel, "bench/") && len(p.GoFiles) > 0
}

// load reads the types of the repository's packages and of what the documents name,
// as the compiler left them.
func (c *checker) load(ctx context.Context) (*universe, error) {
	u := &universe{fset: token.NewFileSet(), byName: map[string][]*types.Package{}, listed: map[string]*listed{}}
	packages, err := c.list(ctx, "-json=ImportPath,Name,Dir,GoFiles,TestGoFiles,XTestGoFiles,Module", c.everything())
	if err != nil {
		return nil, err
	}
	var public []string
	for _, p := range packages {
		u.listed[p.ImportPath] = p
		if c.isPublic(p) {
			public = append(public, p.ImportPath)
		}
	}
	slices.SortFunc(public, func(a, b string) int { return len(a) - len(b) })
	wanted := map[string]bool{}
	for _, p := range slices.Concat(public, everywhere) {
		wanted[p] = true
	}
	c.imports(wanted)
	exported, err := c.list(ctx, append([]string{"-export", "-deps", "-json=ImportPath,Name,Export,Standard,Error"}, slices.Sorted(maps.Keys(wanted))...)...)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, p := range exported {
		files[p.ImportPath] = p.Export
	}
	u.importer = importer.ForCompiler(u.fset, "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("%s is not among what this repository uses", path)
		}
		return os.Open(files[path])
	})
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		p, err := u.importer.Import(name)
		if err != nil {
			return nil, err
		}
		u.byName[p.Name()] = append(u.byName[p.Name()], p)
		if slices.Contains(public, name) {
			u.own = append(u.own, p)
		}
	}
	slices.SortStableFunc(u.own, func(a, b *types.Package) int { return len(a.Path()) - len(b.Path()) })
	u.tests = c.tests()
	return u, u.preamble(c.module)
}

// imports adds what the files import that blocks are copied from, and what pages name.
func (c *checker) imports(wanted map[string]bool) {
	add := func(name, text string) {
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			return // told elsewhere
		}
		for _, spec := range f.Imports {
			if p, err := strconv.Unquote(spec.Path.Value); err == nil && !strings.Contains(p, "/internal/") {
				wanted[p] = true
			}
		}
	}
	for _, s := range c.sources() {
		if path.Ext(s.file) == ".go" {
			if text, err := c.read(s.file); err == nil {
				add(s.file, text)
			}
		}
	}
	for _, d := range c.docs {
		for _, s := range d.comments {
			if list, ok := strings.CutPrefix(s.text, "names:"); ok {
				for entry := range strings.FieldsSeq(list) {
					if _, typ, isVar := strings.Cut(entry, "="); isVar {
						entry = typ[:strings.LastIndexByte(typ, '.')]
					}
					wanted[entry] = true
				}
			}
		}
	}
}
