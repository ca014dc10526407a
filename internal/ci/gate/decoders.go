package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// decodes is the directive in the comment of a fuzz target that names the functions
// which it is about: "//beaker:decodes ParseRecord checkValues".
const decodes = "//beaker:decodes "

// decoders runs each fuzz target once over its seeds and over what fuzzing has found on
// this machine, and prints how much of the functions that it names was reached, and
// where it was not.
func (g *gate) decoders(ctx context.Context) error {
	targets, err := g.targets(ctx)
	if err != nil {
		return err
	}
	found := g.found
	if found == "" {
		cache, err := g.output(ctx, "go", "env", "GOCACHE")
		if err != nil {
			return err
		}
		found = filepath.Join(strings.TrimSpace(cache), "fuzz")
	}
	tmp, err := os.MkdirTemp("", "beaker-decoders-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	g.fuzzed = append(g.fuzzed, "", "decoders: statements reached by the seeds and by what fuzzing has found:")
	var errs []error
	for i := 0; i < len(targets); {
		n := i
		for n < len(targets) && targets[n].pkg == targets[i].pkg {
			n++
		}
		p := &fuzzPackage{g: g, path: targets[i].pkg, tmp: filepath.Join(tmp, strconv.Itoa(i)), cache: filepath.Join(found, targets[i].pkg)}
		if err := p.build(ctx); err != nil {
			errs = append(errs, err)
			i = n
			continue
		}
		for ; i < n; i++ {
			lines, err := p.measure(ctx, targets[i].name)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", targets[i].pkg, targets[i].name, err))
			}
			for _, line := range lines {
				fmt.Fprintln(g.out, line)
			}
			g.fuzzed = append(g.fuzzed, lines...)
		}
	}
	return errors.Join(errs...)
}

// fuzzPackage is a package with fuzz targets.
type fuzzPackage struct {
	g         *gate
	path, dir string
	tmp       string // where the tests run: a copy of the folder's testdata, with more seeds
	cache     string // what fuzzing has found
	names     map[string][]string
	functions map[string]span
}

// span is where a function stands.
type span struct {
	file        string
	first, last int
}

func (p *fuzzPackage) build(ctx context.Context) error {
	dir, err := p.g.output(ctx, "go", "list", "-f", "{{.Dir}}", p.path)
	if err != nil {
		return err
	}
	p.dir = strings.TrimSpace(dir)
	if err := os.MkdirAll(p.tmp, 0o755); err != nil {
		return err
	}
	if err := p.parse(); err != nil {
		return err
	}
	return p.g.quiet(ctx, "", nil, "go", "test", "-c", "-covermode=set", "-coverpkg="+p.path, "-o", filepath.Join(p.tmp, "fuzz.test"), p.path)
}

// parse finds what the targets decode, and where the package's functions stand.
func (p *fuzzPackage) parse() error {
	p.names, p.functions = map[string][]string{}, map[string]span{}
	files, err := filepath.Glob(filepath.Join(p.dir, "*.go"))
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	for _, file := range files {
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if !strings.HasSuffix(file, "_test.go") {
				p.functions[nameOf(fn)] = span{filepath.Base(file), fset.Position(fn.Pos()).Line, fset.Position(fn.End()).Line}
				continue
			}
			if fn.Doc == nil {
				continue
			}
			for _, c := range fn.Doc.List {
				if names, ok := strings.CutPrefix(c.Text, decodes); ok {
					p.names[fn.Name.Name] = strings.Fields(names)
				}
			}
		}
	}
	return nil
}

// nameOf is a function's name, or a type's and a method's.
func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + fn.Name.Name
		default:
			return fn.Name.Name
		}
	}
}

// measure runs a target and returns what is to be said of it.
func (p *fuzzPackage) measure(ctx context.Context, target string) (lines []string, err error) {
	names := p.names[target]
	if len(names) == 0 {
		return nil, fmt.Errorf("its comment has no line %q", strings.TrimSpace(decodes)+" FUNCTION ...")
	}
	seeds, err := p.lay(target)
	if err != nil {
		return nil, err
	}
	profile := filepath.Join(p.tmp, target+".cover")
	cmd := p.g.command(ctx, "", nil, filepath.Join(p.tmp, "fuzz.test"), "-test.run=^"+target+"$", "-test.coverprofile="+profile, "-test.timeout=10m")
	cmd.Dir = p.tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	blocks, err := readProfile(profile)
	if err != nil {
		return nil, err
	}
	lines = append(lines, fmt.Sprintf("  %s %s, %d found by fuzzing", strings.TrimPrefix(p.path, "github.com/seed12c5fab1/"), target, seeds))
	for _, name := range names {
		at, ok := p.functions[name]
		if !ok {
			return lines, fmt.Errorf("there is no function %s", name)
		}
		reached, all, missed := coverage(blocks, at)
		if all == 0 || reached == 0 {
			return lines, fmt.Errorf("%s is not reached at all", name)
		}
		line := fmt.Sprintf("    %5.1f%%  %3d/%-3d %s", 100*float64(reached)/float64(all), reached, all, name)
		if len(missed) > 0 {
			line += "; not " + at.file + ":" + strings.Join(missed, ",")
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// lay makes p.tmp/testdata: all that is in the package's, and in the target's corpus also
// what fuzzing has found. It says how much that is.
func (p *fuzzPackage) lay(target string) (found int, err error) {
	data := filepath.Join(p.tmp, "testdata")
	corpus := filepath.Join(data, "fuzz", target)
	if err := errors.Join(os.RemoveAll(data), os.MkdirAll(corpus, 0o755)); err != nil {
		return 0, err
	}
	link := func(from, to, except string) (n int, err error) {
		entries, err := os.ReadDir(from)
		if errors.Is(err, os.ErrNotExist) {
			return 0, nil
		}
		for _, e := range entries {
			if e.Name() == except {
				continue
			}
			if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil && !errors.Is(err, os.ErrExist) {
				return n, err
			}
			n++
		}
		return n, err
	}
	_, err1 := link(filepath.Join(p.dir, "testdata"), data, "fuzz")
	_, err2 := link(filepath.Join(p.dir, "testdata", "fuzz", target), corpus, "")
	found, err3 := link(filepath.Join(p.cache, target), corpus, "")
	return found, errors.Join(err1, err2, err3)
}

// block is a line of a cover profile.
type block struct {
	file                   string
	first, last, n, passed int
}

func readProfile(name string) (blocks []block, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		file, rest, ok := strings.Cut(in.Text(), ".go:")
		if !ok {
			continue // the mode
		}
		b := block{file: path.Base(file) + ".go"}
		var c1, c2 int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.first, &c1, &b.last, &c2, &b.n, &b.passed); err != nil {
			return nil, fmt.Errorf("%s: %w", in.Text(), err)
		}
		blocks = append(blocks, b)
	}
	return blocks, in.Err()
}

// coverage counts a function's statements and names the lines of those that were not
// reached.
func coverage(blocks []block, at span) (reached, all int, missed []string) {
	blocks = slices.Clone(blocks)
	slices.SortFunc(blocks, func(a, b block) int { return cmp.Compare(a.first, b.first) })
	for _, b := range blocks {
		if b.file != at.file || b.first < at.first || b.last > at.last {
			continue
		}
		all += b.n
		if b.passed > 0 {
			reached += b.n
			continue
		}
		lines := strconv.Itoa(b.first)
		if b.last > b.first+1 {
			lines += "-" + strconv.Itoa(b.last)
		}
		missed = append(missed, lines)
	}
	return reached, all, missed
}
