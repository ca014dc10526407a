package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// mayImportTesting are the packages whose purpose is to be called from tests; an
// import of testing elsewhere puts its code and its flags into every program.
var mayImportTesting = []string{"storetest", "sessiontest", "internal/tests", bubbles}

// weak are packages that a session library has no honest use for.
var weak = map[string]string{
	"encoding/gob": "the record format is beaker's own",
	"crypto/md5":   "use crypto/sha256",
	"crypto/sha1":  "use crypto/sha256",
}

// eachImport calls f with every import of the packages that pick accepts.
func (t *Tree) eachImport(pick func(*Package) bool, f func(p *Package, file *File, path, at string)) {
	for i := range t.Packages {
		p := &t.Packages[i]
		if !pick(p) {
			continue
		}
		for j := range p.Files {
			for _, spec := range p.Files[j].Syntax.Imports {
				if name, err := strconv.Unquote(spec.Path.Value); err == nil {
					f(p, &p.Files[j], name, t.Fset.Position(spec.Pos()).String())
				}
			}
		}
	}
}

func (t *Tree) inRoot(p *Package) bool { return p.Module == &t.Modules[0] }

func withinAny(dir string, parents []string) bool {
	for _, parent := range parents {
		if within(dir, parent) {
			return true
		}
	}
	return false
}

// Tests are included: a requirement of a test is a requirement of the module.
func libraryImportsStdlib(t *Tree) (bad []string) {
	root := t.Modules[0].Path
	t.eachImport(t.inRoot, func(_ *Package, file *File, path, at string) {
		first, _, _ := strings.Cut(path, "/")
		switch {
		case path == "unsafe" && strings.HasSuffix(file.Path, "_windows.go"): // system calls take pointers there
		case path == "C" || path == "unsafe":
			bad = append(bad, fmt.Sprintf("%s: imports %s: the library is plain Go", at, path))
		case !strings.Contains(first, "."): // the standard library
		case path == root || strings.HasPrefix(path, root+"/"):
		default:
			bad = append(bad, fmt.Sprintf("%s: imports %s: the root module uses the standard library only", at, path))
		}
	})
	return bad
}

func onlyTestsImportTesting(t *Tree) (bad []string) {
	everywhere := func(*Package) bool { return true }
	t.eachImport(everywhere, func(p *Package, file *File, path, at string) {
		if path != "testing" && !strings.HasPrefix(path, "testing/") {
			return
		}
		if !file.IsTest && !withinAny(p.Dir, mayImportTesting) {
			bad = append(bad, fmt.Sprintf("%s: imports %s outside of test files: move it to storetest, sessiontest or a _test.go file", at, path))
		}
	})
	return bad
}

func noWeakPrimitives(t *Tree) (bad []string) {
	t.eachImport(t.inRoot, func(p *Package, file *File, path, at string) {
		if remedy, ok := weak[path]; ok {
			bad = append(bad, fmt.Sprintf("%s: imports %s: %s", at, path, remedy))
		}
		if strings.HasPrefix(path, "math/rand") && !file.IsTest && !withinAny(p.Dir, mayImportTesting) {
			bad = append(bad, fmt.Sprintf("%s: imports %s: use crypto/rand (a test may use math/rand/v2 with a seed that it prints)", at, path))
		}
	})
	return bad
}
