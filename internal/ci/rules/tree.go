// Package rules states, as code, what every file of this repository must keep to.
// Each rule is shown to bite by a test that breaks it.
package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Tree is a repository: all files that are, or are about to be, committed.
type Tree struct {
	Dir      string
	Files    []string // slash-separated, relative to Dir, sorted
	Modules  []Module // sorted by Dir; the root module is first
	Packages []Package
	Fset     *token.FileSet
}

// Module is a module of the repository.
type Module struct {
	Dir      string // relative to the tree; "." is the root module
	Path     string
	Go       string   // the version in its go line
	Requires []string // module paths
}

// Package is a directory with Go files.
type Package struct {
	Module *Module
	Dir    string // relative to the tree
	Files  []File // files under test tags and for other systems included
}

// File is a Go file.
type File struct {
	Path   string // relative to the tree
	IsTest bool
	Syntax *ast.File
}

// Load reads the tree at dir. Files that git ignores are left out; where dir is
// not a git checkout, so are hidden directories and build.
func Load(ctx context.Context, dir string) (*Tree, error) {
	t := &Tree{Dir: dir, Fset: token.NewFileSet()}
	var err error
	if t.Files, err = list(ctx, dir); err != nil {
		return nil, err
	}
	for _, name := range t.Files {
		if path.Base(name) == "go.mod" && !inTestdata(name) {
			m, err := t.module(ctx, name)
			if err != nil {
				return nil, err
			}
			t.Modules = append(t.Modules, m)
		}
	}
	slices.SortFunc(t.Modules, func(a, b Module) int { return strings.Compare(a.Dir, b.Dir) })
	if len(t.Modules) == 0 || t.Modules[0].Dir != "." {
		return nil, fmt.Errorf("%s: no go.mod at the root", dir)
	}
	if err := t.parse(); err != nil {
		return nil, err
	}
	return t, nil
}

// Read returns a file's content.
func (t *Tree) Read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(t.Dir, filepath.FromSlash(name)))
}

func inTestdata(name string) bool {
	return slices.Contains(strings.Split(name, "/"), "testdata")
}

func list(ctx context.Context, dir string) ([]string, error) {
	var names []string
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		cmd := exec.CommandContext(ctx, "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("list the files of %s: %w", dir, withStderr(err))
		}
		for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
			info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
			if err == nil && info.Mode().IsRegular() { // deleted files are still listed
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return slices.Compact(names), nil
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel == "build" || rel != "." && strings.HasPrefix(d.Name(), ".") && d.Name() != ".ci" {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() {
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

func (t *Tree) module(ctx context.Context, name string) (Module, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "edit", "-json", filepath.FromSlash(name))
	cmd.Dir = t.Dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return Module{}, fmt.Errorf("read %s: %w", name, withStderr(err))
	}
	var mod struct {
		Module  struct{ Path string }
		Go      string
		Require []struct{ Path string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		return Module{}, fmt.Errorf("read %s: %w", name, err)
	}
	m := Module{Dir: path.Dir(name), Path: mod.Module.Path, Go: mod.Go}
	for _, r := range mod.Require {
		m.Requires = append(m.Requires, r.Path)
	}
	return m, nil
}

func (t *Tree) parse() error {
	byDir := map[string][]File{}
	for _, name := range t.Files {
		if path.Ext(name) != ".go" || inTestdata(name) {
			continue
		}
		src, err := t.Read(name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(t.Fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		byDir[dir] = append(byDir[dir], File{Path: name, IsTest: strings.HasSuffix(name, "_test.go"), Syntax: syntax})
	}
	for dir, files := range byDir {
		t.Packages = append(t.Packages, Package{Module: t.owner(dir), Dir: dir, Files: files})
	}
	slices.SortFunc(t.Packages, func(a, b Package) int { return strings.Compare(a.Dir, b.Dir) })
	return nil
}

// owner returns the innermost module that dir is in.
func (t *Tree) owner(dir string) *Module {
	best := &t.Modules[0]
	for i := range t.Modules {
		m := &t.Modules[i]
		if within(dir, m.Dir) && len(m.Dir) >= len(best.Dir) {
			best = m
		}
	}
	return best
}

// within reports whether dir is parent or below it.
func within(dir, parent string) bool {
	return parent == "." || dir == parent || strings.HasPrefix(dir, parent+"/")
}

func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}
