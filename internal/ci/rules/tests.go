package rules

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// bubbles is the package that starts bubbles of testing/synctest.
const bubbles = "internal/bubble"

// Skipping hides that something is not tested, and sleeping makes a test that
// passes or fails with the machine's load.
func noSkipNoSleep(t *Tree) (bad []string) {
	for i := range t.Packages {
		p := &t.Packages[i]
		for _, f := range p.Files {
			if !f.IsTest && !withinAny(p.Dir, mayImportTesting) {
				continue
			}
			// With rapid, an action that does not apply is skipped, and the test goes on. A
			// test that is really skipped fails when it runs (internal/ci/gotest).
			rapid := slices.ContainsFunc(f.Syntax.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == `"pgregory.net/rapid"` })
			ast.Inspect(f.Syntax, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				at := t.Fset.Position(call.Pos())
				x, _ := sel.X.(*ast.Ident)
				switch name := sel.Sel.Name; {
				case x != nil && x.Name == "synctest" && name == "Test" && p.Dir != bubbles:
					bad = append(bad, fmt.Sprintf("%s: synctest.Test: use %s, which works in FIPS mode too", at, bubbles))
				case x != nil && x.Name == path.Base(bubbles) && name == "Test":
					return false // time is virtual in there
				case x != nil && x.Name == "time" && name == "Sleep":
					bad = append(bad, fmt.Sprintf("%s: time.Sleep: wait for the event itself, or use testing/synctest", at))
				case rapid:
				case name == "SkipNow" || name == "Skipf", name == "Skip" && x != nil && (x.Name == "t" || x.Name == "b" || x.Name == "f" || x.Name == "tb"):
					bad = append(bad, fmt.Sprintf("%s: %s: a test that cannot run here must fail and say what is missing", at, name))
				}
				return true
			})
		}
	}
	return bad
}

// A target without seeds proves nothing in an ordinary test run. That seeds given
// with f.Add are really reached is checked when the tests run (internal/ci/gotest).
func fuzzCorpus(t *Tree) (bad []string) {
	for i := range t.Packages {
		p := &t.Packages[i]
		for _, f := range p.Files {
			for _, d := range f.Syntax.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || !f.IsTest || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") || fn.Body == nil {
					continue
				}
				if !addsSeeds(fn) && !t.hasFilesBelow(path.Join(p.Dir, "testdata", "fuzz", fn.Name.Name)) {
					bad = append(bad, fmt.Sprintf("%s: %s has no seeds: call f.Add, or commit files in testdata/fuzz/%s",
						t.Fset.Position(fn.Pos()), fn.Name.Name, fn.Name.Name))
				}
			}
		}
	}
	return bad
}

// "make decoders" measures how much of these functions the target reaches. They must be
// there: code moves on.
func fuzzDecodes(t *Tree) (bad []string) {
	const directive = "//beaker:decodes "
	for i := range t.Packages {
		functions := map[string]bool{}
		for _, f := range t.Packages[i].Files {
			for _, d := range f.Syntax.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && !f.IsTest {
					functions[fn.Name.Name] = true
				}
			}
		}
		for _, f := range t.Packages[i].Files {
			for _, d := range f.Syntax.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || !f.IsTest || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
					continue
				}
				says := false
				if fn.Doc != nil {
					for _, c := range fn.Doc.List {
						names, ok := strings.CutPrefix(c.Text, directive)
						says = says || ok
						for name := range strings.FieldsSeq(names) {
							if ok && !functions[name[strings.LastIndexByte(name, '.')+1:]] {
								bad = append(bad, fmt.Sprintf("%s: %s says that it decodes %s, which is not there", t.Fset.Position(fn.Pos()), fn.Name.Name, name))
							}
						}
					}
				}
				if !says {
					bad = append(bad, fmt.Sprintf("%s: %s does not say what it decodes: add a line //beaker:decodes FUNCTION ... to its comment",
						t.Fset.Position(fn.Pos()), fn.Name.Name))
				}
			}
		}
	}
	return bad
}

// addsSeeds reports whether fn calls Add on its *testing.F, or hands it to a
// function that may.
func addsSeeds(fn *ast.FuncDecl) (found bool) {
	params := fn.Type.Params.List
	if len(params) != 1 || len(params[0].Names) != 1 {
		return false
	}
	f := params[0].Names[0].Name
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Add" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == f {
				found = true
			}
		}
		for _, arg := range call.Args {
			if x, ok := arg.(*ast.Ident); ok && x.Name == f {
				found = true
			}
		}
		return true
	})
	return found
}

func (t *Tree) hasFilesBelow(dir string) bool {
	for _, name := range t.Files {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}
