package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// tool is a program that is built from source, at the version named here.
type tool struct{ name, pkg, version, takes string }

func tools() []tool {
	return []tool{
		{"gofumpt", "mvdan.cc/gofumpt", "v0.12.0", "some seconds"},
		{"golangci-lint", "github.com/golangci/golangci-lint/v2/cmd/golangci-lint", "v2.15.0", "some minutes"},
	}
}

// tool returns the path of a tool, which it builds if it is not there. Tools live in
// the user's cache: they outlast the checkout, and all checkouts share them.
func (g *gate) tool(ctx context.Context, name string) (string, error) {
	i := slices.IndexFunc(tools(), func(t tool) bool { return t.name == name })
	t := tools()[i]
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(g.root, "build")
	}
	// A linter reads no newer Go than the one that it was built with.
	version, err := g.output(ctx, "go", "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	parent := filepath.Join(cache, "beaker-tools")
	dir := filepath.Join(parent, t.name+"-"+t.version+"-"+strings.TrimSpace(version))
	program := t.name
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
		return filepath.Join(dir, program), nil
	}
	fmt.Fprintf(g.out, "   building %s %s into %s: this takes %s, once\n", t.name, t.version, dir, t.takes)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(parent, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	env := []string{"GOBIN=" + tmp, "GOWORK=off", "GOFLAGS=", "GOOS=", "GOARCH="}
	if err := g.quiet(ctx, "", env, "go", "install", t.pkg+"@"+t.version); err != nil {
		return "", fmt.Errorf("build %s: %w", t.name, err)
	}
	// Whole or not at all: another run may be building the same.
	if err := os.Rename(tmp, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, program)); there != nil {
			return "", err
		}
	}
	return filepath.Join(dir, program), nil
}

// setup installs what is missing, or says what to install.
func (g *gate) setup(ctx context.Context) error {
	var missing []string
	cc, err := g.output(ctx, "go", "env", "CC")
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(firstWord(cc)); err != nil { // the race detector links C
		missing = append(missing, "gcc", "libc6-dev")
	}
	if _, err := exec.LookPath("git"); err != nil {
		missing = append(missing, "git")
	}
	if _, err := exec.LookPath("npm"); err != nil { // many have it from elsewhere than Debian
		missing = append(missing, "npm")
	}
	_, err = exec.LookPath("dpkg-query")
	debian := err == nil
	for _, name := range g.apt {
		status := ""
		if debian {
			// Fails for packages that were never installed.
			status, _ = g.output(ctx, "dpkg-query", "--show", "--showformat=${db:Status-Status}", name)
		}
		if status != "installed" {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " ")
	if !debian {
		fmt.Fprintf(g.out, "   the tests need these Debian packages, or what they are called here: %s\n", list)
		return nil // they may well be there; the tests that miss one say so
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("install as root: apt-get install --no-install-recommends %s", list)
	}
	fmt.Fprintf(g.out, "   installing %s\n", list)
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	lock := "-oDPkg::Lock::Timeout=120"
	if err := g.quiet(ctx, "", env, "apt-get", lock, "-q", "update"); err != nil {
		return err
	}
	return g.quiet(ctx, "", env, "apt-get", append([]string{lock, "-q", "-y", "--no-install-recommends", "install"}, missing...)...)
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return word
}
