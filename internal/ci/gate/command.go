package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker/internal/ci/gotest"
)

// command prepares a program that runs in dir (relative to the root) with more
// environment. It reads nothing, and it sees this workspace whatever the caller's
// environment says.
func (g *gate) command(ctx context.Context, dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = filepath.Join(g.root, dir)
	cmd.Env = append(os.Environ(),
		"GOWORK="+filepath.Join(g.root, "go.work"),
		// Stamping fails in a checkout that belongs to another user.
		"GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"),
		"LC_ALL=C")
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = 10 * time.Second // for children that hold the pipes open
	return cmd
}

// quiet runs a program and prints its output only if it fails.
func (g *gate) quiet(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := g.command(ctx, dir, env, name, args...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	where := ""
	if dir != "" && dir != "." {
		where = " (in " + dir + ")"
	}
	line := strings.Join(append(append([]string{}, env...), append([]string{filepath.Base(name)}, args...)...), " ")
	fmt.Fprintf(g.out, "\n$ %s%s\n%s", line, where, out)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		fmt.Fprintln(g.out)
	}
	return fmt.Errorf("%s: %w", line, err)
}

// output runs a program in the root and returns what it prints.
func (g *gate) output(ctx context.Context, name string, args ...string) (string, error) {
	return g.outputIn(ctx, "", nil, name, args...)
}

func (g *gate) outputIn(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := g.command(ctx, dir, env, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// test runs go test, prints a line for each package and counts the tests.
func (g *gate) test(ctx context.Context, dir string, env []string, args ...string) (*gotest.Run, error) {
	cmd := g.command(ctx, dir, env, "go", append([]string{"test", "-json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	run, readErr := gotest.Read(stdout, g.out)
	err = cmd.Wait()
	g.tally.Add(run)
	bad := len(run.Bad())
	switch {
	case bad > 0:
		return run, fmt.Errorf("%d of %d tests", bad, len(run.Tests))
	case err != nil:
		fmt.Fprintf(g.out, "%s", stderr.String())
		return run, fmt.Errorf("go test: %w", err)
	case readErr != nil:
		return run, readErr
	}
	return run, nil
}

// some is for test runs that would prove nothing by finding nothing.
func some(run *gotest.Run, err error) error {
	if err == nil && len(run.Tests) == 0 {
		return fmt.Errorf("no test ran")
	}
	return err
}

// module is a module of the workspace.
type module struct {
	path string
	dir  string // relative to the root
}

// released reports whether users can have the module. The others hold tests,
// measurements and examples, and are only ever used inside the workspace.
func (m module) released() bool {
	if strings.HasPrefix(m.dir, "internal/") || strings.HasSuffix(m.dir, "test") {
		return false
	}
	return m.dir != "bench" && !strings.HasPrefix(m.dir, "examples")
}

func (g *gate) modules(ctx context.Context) ([]module, error) {
	out, err := g.output(ctx, "go", "list", "-m", "-f", "{{.Path}}\t{{.Dir}}")
	if err != nil {
		return nil, err
	}
	var all []module
	for line := range strings.Lines(out) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		rel, err := filepath.Rel(g.root, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, module{path, rel})
	}
	return all, nil
}
