package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// mutant is one patch.
type mutant struct {
	name    string // of the file
	file    string // its absolute path
	breaks  string
	test    string
	pkg     string
	module  string // directory, "." for the root
	race    bool
	subtest int // how many levels of subtests Test names
}

// readAll reads all patches of a directory, and reports all that is wrong with them.
func readAll(dir string) ([]*mutant, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var all []*mutant
	var errs []error
	for _, name := range names {
		m, err := read(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, m)
	}
	return all, errors.Join(errs...)
}

func read(file string) (*mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	m, err := parse(filepath.Base(file), string(text))
	if err != nil {
		return nil, err
	}
	m.file = abs
	return m, nil
}

// parse reads a patch's header.
func parse(name, text string) (*mutant, error) {
	m := &mutant{name: name, module: "."}
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
	}
	diff := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "diff ") {
			diff = true
			break
		}
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case !ok || value == "":
			wrong("the header line %q is not of the form \"Name: value\"", line)
		case key == "Breaks":
			m.breaks = value
		case key == "Test":
			m.test = value
		case key == "Package":
			m.pkg = value
		case key == "Module":
			m.module = filepath.FromSlash(value)
		case key == "Race" && value == "yes":
			m.race = true
		default:
			wrong("the header line %q is not known: there are Breaks, Test, Package, Module and \"Race: yes\"", line)
		}
	}
	if !diff {
		wrong("there is no diff")
	}
	if m.breaks == "" {
		wrong("Breaks is missing: say which promise the patch breaks")
	}
	if _, err := regexp.Compile(m.test); err != nil || m.test == "" {
		wrong("Test is missing, or is no regular expression: name the test that must fail")
	}
	if m.pkg != "." && !strings.HasPrefix(m.pkg, "./") || strings.Contains(m.pkg, "...") {
		wrong("Package is missing, or is not one package of the module, such as ./memstore")
	}
	if !filepath.IsLocal(m.module) {
		wrong("Module is not a directory of the repository")
	}
	m.subtest = levels(m.test)
	return m, errors.Join(errs...)
}

// levels counts the slashes of a -run expression that separate levels: those outside
// of brackets and parentheses, as package testing does.
func levels(expr string) (n int) {
	brackets, parens := 0, 0
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			i++
		case '[':
			brackets++
		case ']':
			brackets = max(brackets-1, 0)
		case '(':
			if brackets == 0 {
				parens++
			}
		case ')':
			if brackets == 0 {
				parens--
			}
		case '/':
			if brackets == 0 && parens == 0 {
				n++
			}
		}
	}
	return n
}
