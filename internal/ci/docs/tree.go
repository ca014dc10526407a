package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func (c *checker) path(name string) string { return filepath.Join(c.root, filepath.FromSlash(name)) }

func (c *checker) read(name string) (string, error) {
	b, err := os.ReadFile(c.path(name))
	return string(b), err
}

func (c *checker) has(name string) bool {
	_, found := slices.BinarySearch(c.files, name)
	return found
}

// hasDir reports whether a file of the repository is below name.
func (c *checker) hasDir(name string) bool {
	i, _ := slices.BinarySearch(c.files, name+"/")
	return name == "." || i < len(c.files) && strings.HasPrefix(c.files[i], name+"/")
}

// listFiles returns all files that are, or are about to be, committed; where there is
// no git, all files that are not hidden.
func listFiles(ctx context.Context, root string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		out, err := output(ctx, root, nil, "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
		if err != nil {
			return nil, err
		}
		var names []string
		for name := range strings.SplitSeq(strings.TrimRight(out, "\x00"), "\x00") {
			info, err := os.Lstat(filepath.Join(root, filepath.FromSlash(name)))
			if err == nil && info.Mode().IsRegular() { // deleted files are still listed
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return slices.Compact(names), nil
	}
	var names []string
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if rel != "." && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
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

var moduleLine = regexp.MustCompile(`(?m)^module\s+(\S+)`)

func moduleOf(mod string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	m := moduleLine.FindStringSubmatch(mod)
	if m == nil {
		return "", errors.New("go.mod names no module")
	}
	return m[1], nil
}

// output runs a program and returns what it prints, or an error that says what it
// complained about.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}
