package main

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// guarantees compares the table in README.md with what the stores' tests have just
// found.
func (g *gate) guarantees(ctx context.Context) error { return g.table(ctx, false) }

func (g *gate) writeGuarantees(ctx context.Context) error { return g.table(ctx, true) }

func (g *gate) table(ctx context.Context, write bool) error {
	if !g.tested {
		if err := g.testStores(ctx); err != nil {
			return err
		}
	}
	args := []string{"run", "./internal/ci/guarantees", "-reports=" + g.reports, "-readme=README.md"}
	if write {
		args = append(args, "-write")
	}
	cmd := g.command(ctx, "", nil, "go", args...)
	cmd.Stdout, cmd.Stderr = g.out, g.out
	if cmd.Run() != nil {
		return errors.New("the table in README.md is not what the tests found: run make guarantees")
	}
	return nil
}

// testStores runs the packages whose tests use the conformance suite.
func (g *gate) testStores(ctx context.Context) error {
	out, err := g.output(ctx, "go", "list", "-f", `{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "work")
	if err != nil {
		return err
	}
	args := []string{"-count=1", "-timeout=10m"}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); slices.ContainsFunc(f[1:], func(s string) bool { return strings.HasSuffix(s, "/storetest") }) {
			args = append(args, f[0])
		}
	}
	if len(args) == 2 {
		return errors.New("no test uses storetest")
	}
	return some(g.test(ctx, "", []string{"BEAKER_GUARANTEES=" + g.reports}, args...))
}
