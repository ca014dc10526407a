package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// executed checks that tests have run what is copied into the documents.
func (c *checker) executed(ctx context.Context) error {
	profiles, err := c.coverage(ctx)
	if err != nil {
		return err
	}
	reported := map[string]bool{}
	for _, s := range c.sources() {
		at := s.file + "#" + s.region
		if reported[at] {
			continue
		}
		reported[at] = true
		switch {
		case path.Ext(s.file) != ".go":
			if !c.namedByTest(s.file) {
				c.bad(s.doc, s.line, "no test names %s", s.file)
			}
		case strings.HasSuffix(s.file, "_test.go"):
			if err := c.inTest(s); err != nil {
				c.bad(s.doc, s.line, "%v", err)
			}
		case c.isProgramOf(s):
			// programs has run it.
		default:
			if err := c.ran(s, profiles[s.file]); err != nil {
				c.bad(s.doc, s.line, "%v", err)
			}
		}
	}
	return nil
}

// isProgramOf reports whether a region is a complete program.
func (c *checker) isProgramOf(s source) bool {
	text, err := c.read(s.file)
	if err != nil {
		return false
	}
	part, _, _, err := regionOf(text, s.region)
	return err == nil && isProgram(part)
}

// ran reports why a region of a program may not have been run by its tests: each
// function in it must have been, and where there is none, a statement.
func (c *checker) ran(s source, blocks []counted) error {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, c.path(s.file), nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if blocks == nil && hasStatements(f) {
		return fmt.Errorf("the package of %s has no test", s.file)
	}
	within := func(first, last place) (some, hit bool) {
		for _, b := range blocks {
			if !b.last.before(first) && !last.before(b.first) {
				some = true
				hit = hit || b.count > 0
			}
		}
		return some, hit
	}
	if some, hit := within(place{s.first, 0}, place{s.last + 1, 0}); some && !hit {
		return fmt.Errorf("no test runs %s#%s", s.file, s.region)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		var body *ast.BlockStmt
		name := "a function"
		switch n := n.(type) {
		case *ast.FuncDecl:
			body, name = n.Body, n.Name.Name
		case *ast.FuncLit:
			body = n.Body
		}
		if body == nil || len(body.List) == 0 {
			return true
		}
		first, last := fset.Position(body.Lbrace), fset.Position(body.Rbrace)
		if first.Line < s.first || last.Line > s.last {
			return true
		}
		// What lies between the braces: the statement around a function has a part on
		// each side of them.
		if _, hit := within(place{first.Line, first.Column + 1}, place{last.Line, last.Column - 1}); !hit && err == nil {
			err = fmt.Errorf("no test runs %s in %s#%s (line %d)", name, s.file, s.region, first.Line)
		}
		return true
	})
	return err
}

// place is where something is in a file.
type place struct{ line, column int }

func (p place) before(q place) bool {
	return p.line < q.line || p.line == q.line && p.column < q.column
}

// counted is a piece of code, and how often the tests have run it.
type counted struct {
	first, last place
	count       int
}

var profileLine = regexp.MustCompile(`^(.+):(\d+)\.(\d+),(\d+)\.(\d+) \d+ (\d+)$`)

// coverage runs the tests of the packages that blocks are copied from.
func (c *checker) coverage(ctx context.Context) (map[string][]counted, error) {
	dirs := map[string]bool{}
	for _, s := range c.sources() {
		if path.Ext(s.file) == ".go" && !strings.HasSuffix(s.file, "_test.go") {
			dirs[path.Dir(s.file)] = true
		}
	}
	if len(dirs) == 0 {
		return map[string][]counted{}, nil
	}
	tmp, err := os.MkdirTemp("", "beaker-docs-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	profile := filepath.Join(tmp, "profile")
	args := []string{"test", "-vet=off", "-timeout=5m", "-coverprofile=" + profile}
	names := map[string]string{} // import path to directory
	var patterns []string
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		patterns = append(patterns, "./"+dir)
	}
	packages, err := c.list(ctx, append([]string{"-json=ImportPath,Dir"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		names[p.ImportPath] = c.relative(p.Dir)
	}
	if out, err := output(ctx, c.root, nil, "go", append(args, patterns...)...); err != nil {
		return nil, fmt.Errorf("the examples' tests fail: %w\n%s", err, out)
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		return nil, err
	}
	blocks := map[string][]counted{}
	for line := range strings.Lines(string(text)) {
		m := profileLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue // the mode
		}
		file := names[path.Dir(m[1])] + "/" + path.Base(m[1])
		var b counted
		for i, n := range []*int{&b.first.line, &b.first.column, &b.last.line, &b.last.column, &b.count} {
			*n, _ = strconv.Atoi(m[2+i]) // digits, says the expression
		}
		blocks[file] = append(blocks[file], b)
	}
	return blocks, nil
}

// hasStatements reports whether there is anything to run in a file.
func hasStatements(f *ast.File) (some bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if b, ok := n.(*ast.BlockStmt); ok && len(b.List) > 0 {
			some = true
		}
		return !some
	})
	return some
}

// inTest reports why a region of a test file may not be run by a test.
func (c *checker) inTest(s source) error {
	dir := path.Dir(s.file)
	var enclosing string
	silent := false // an example that is compiled only
	used := map[string]bool{}
	for _, name := range c.files {
		if path.Dir(name) != dir || !strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, c.path(name), nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			first, last := fset.Position(d.Pos()).Line, fset.Position(d.End()).Line
			if name == s.file && ok && first <= s.last && last >= s.first {
				enclosing = fn.Name.Name
				silent = strings.HasPrefix(enclosing, "Example") && !hasOutput(f, fn)
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if id, isID := n.(*ast.Ident); isID && (!ok || id != fn.Name) {
					used[id.Name] = true
				}
				return true
			})
		}
	}
	if silent {
		return fmt.Errorf("go test does not run %s in %s: it has no output", enclosing, s.file)
	}
	for _, prefix := range []string{"Test", "Example", "Fuzz"} {
		if strings.HasPrefix(enclosing, prefix) {
			return nil
		}
	}
	if enclosing != "" && !used[enclosing] {
		return fmt.Errorf("no test calls %s, which %s is in", enclosing, s.file)
	}
	return nil // declarations, or a function that is used
}

var outputComment = regexp.MustCompile(`(?i)^\s*(unordered )?output:`)

// hasOutput reports whether an example says what it prints, without which go test
// compiles it and no more.
func hasOutput(f *ast.File, fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(f.Comments, func(g *ast.CommentGroup) bool {
		return g.Pos() > fn.Pos() && g.End() < fn.End() && outputComment.MatchString(g.Text())
	})
}

// namedByTest reports whether a test names a file that is no Go: a script that it
// serves, a transcript that it compares.
func (c *checker) namedByTest(name string) bool {
	for _, test := range c.files {
		if !strings.HasSuffix(test, ".go") || !strings.HasPrefix(name, path.Dir(test)+"/") {
			continue
		}
		if text, err := c.read(test); err == nil && strings.Contains(text, path.Base(name)) {
			return true
		}
	}
	return false
}
