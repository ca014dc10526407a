package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

func (g *gate) format(ctx context.Context) error {
	gofumpt, err := g.tool(ctx, "gofumpt")
	if err != nil {
		return err
	}
	out, err := g.output(ctx, gofumpt, "-l", ".")
	if err != nil {
		return err
	}
	if names := strings.Fields(out); len(names) > 0 {
		fmt.Fprintf(g.out, "   %s\n", strings.Join(names, "\n   "))
		return fmt.Errorf("%d files are not formatted: run make fmt", len(names))
	}
	return nil
}

func (g *gate) rewrite(ctx context.Context) error {
	gofumpt, err := g.tool(ctx, "gofumpt")
	if err != nil {
		return err
	}
	out, err := g.output(ctx, gofumpt, "-l", "-w", ".")
	for line := range strings.Lines(out) {
		fmt.Fprint(g.out, "   "+line)
	}
	return err
}

func (g *gate) vet(ctx context.Context) error {
	errs := []error{g.quiet(ctx, "", nil, "go", "vet", "work")}
	for _, goos := range []string{"windows", "darwin"} {
		errs = append(errs, g.quiet(ctx, "", []string{"GOOS=" + goos, "CGO_ENABLED=0"}, "go", "vet", "./..."))
	}
	return first(errs)
}

func (g *gate) lint(ctx context.Context) error {
	linter, err := g.tool(ctx, "golangci-lint")
	if err != nil {
		return err
	}
	modules, err := g.modules(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range modules {
		err := g.quiet(ctx, m.dir, nil, linter, "run", "--config", filepath.Join(g.root, ".golangci.yml"), "./...")
		if err != nil {
			errs = append(errs, fmt.Errorf("findings in %s", m.path))
		}
	}
	return first(errs)
}

func (g *gate) rules(ctx context.Context) error {
	return some(g.test(ctx, "", nil, "./internal/ci/rules"))
}

// api compares what users compile against with what is recorded of it.
func (g *gate) api(ctx context.Context) error { return g.exported(ctx) }

func (g *gate) recordAPI(ctx context.Context) error { return g.exported(ctx, "-write") }

func (g *gate) exported(ctx context.Context, more ...string) error {
	modules, err := g.modules(ctx)
	if err != nil {
		return err
	}
	args := append([]string{"run", "./internal/ci/api"}, more...)
	for _, m := range modules {
		if m.released() {
			args = append(args, m.dir)
		}
	}
	return g.quiet(ctx, "", nil, "go", args...)
}

func (g *gate) unit(ctx context.Context) error {
	g.tested = true
	return some(g.test(ctx, "", []string{"CGO_ENABLED=1", "BEAKER_GUARANTEES=" + g.reports},
		"-race", "-shuffle=on", "-timeout=10m", "work"))
}

// isolated is what users of a module see, who have no workspace: it builds, and its
// go.mod says all it needs.
func (g *gate) isolated(ctx context.Context) error {
	modules, err := g.modules(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range modules {
		for _, args := range [][]string{{"build", "./..."}, {"vet", "./..."}, {"mod", "tidy", "-diff"}} {
			if err := g.quiet(ctx, m.dir, outside, "go", args...); err != nil {
				errs = append(errs, fmt.Errorf("%s: go %s", m.path, strings.Join(args, " ")))
			}
		}
	}
	return first(errs)
}

// outside is the environment of somebody who has one module and not the workspace.
var outside = []string{"GOWORK=off"}

// fips runs the tests once more, without the race detector, as users run the code:
// outside of the workspace, and under the strictest setting that they may have. It
// gives the setting to the tests alone: the go command itself need not run under it.
func (g *gate) fips(ctx context.Context) error {
	exec := "-exec=env GODEBUG=fips140=only"
	if err := g.quiet(ctx, "", nil, "go", "run", exec, "./internal/ci/fipsprobe"); err != nil {
		return errors.New("the setting does not take effect, so that the tests would show nothing")
	}
	modules, err := g.modules(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range modules {
		if !m.released() {
			continue
		}
		args := []string{"-timeout=10m", exec}
		packages, err := g.outputIn(ctx, m.dir, outside, "go", "list", "./...")
		if err != nil {
			return err
		}
		for pkg := range strings.Lines(packages) {
			if pkg = strings.TrimSpace(pkg); !strings.Contains(pkg, "/internal/ci/") { // those start the go command
				args = append(args, pkg)
			}
		}
		if err := some(g.test(ctx, m.dir, outside, args...)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.path, err))
		}
	}
	return first(errs)
}

// first returns the first error, and says how many there are.
func first(errs []error) error {
	var found error
	n := 0
	for _, err := range errs {
		if err != nil {
			if n++; n == 1 {
				found = err
			}
		}
	}
	if n > 1 {
		return fmt.Errorf("%w (and %d more)", found, n-1)
	}
	return found
}
