package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed12c5fab1/beaker/internal/ci/gotest"
)

// verdict is what became of a mutant.
type verdict string

const (
	caught   verdict = "caught"
	hung     verdict = "caught(hang)"
	survived verdict = "SURVIVED"
	broken   verdict = "BROKEN" // the mutant shows nothing, either way
)

func (v verdict) good() bool { return v == caught || v == hung }

type result struct {
	mutant  *mutant
	verdict verdict
	why     string
	output  string
	took    time.Duration
}

// lab makes copies of a repository, and knows which tests pass in an unbroken one.
type lab struct {
	root     string
	files    []string
	tmp      string
	timeout  time.Duration
	mu       sync.Mutex
	benches  int
	baseline map[string]*sync.Once
	passes   map[string]result
}

func newLab(ctx context.Context, root string, timeout time.Duration) (*lab, error) {
	cmd := exec.CommandContext(ctx, "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the files of the repository: %w", err)
	}
	tmp, err := os.MkdirTemp("", "beaker-mutants-")
	if err != nil {
		return nil, err
	}
	l := &lab{root: root, tmp: tmp, timeout: timeout, baseline: map[string]*sync.Once{}, passes: map[string]result{}}
	for name := range strings.SplitSeq(string(out), "\x00") {
		if name != "" {
			l.files = append(l.files, filepath.FromSlash(name))
		}
	}
	return l, nil
}

func (l *lab) close() { _ = os.RemoveAll(l.tmp) } // a temporary directory

// bench is one copy of the repository, in which one mutant at a time is tried.
type bench struct {
	lab *lab
	dir string
}

func (l *lab) bench() (*bench, error) {
	l.mu.Lock()
	l.benches++
	dir := filepath.Join(l.tmp, fmt.Sprint("copy", l.benches))
	l.mu.Unlock()
	for _, name := range l.files {
		if err := copyFile(filepath.Join(l.root, name), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return &bench{lab: l, dir: dir}, nil
}

// copyFile copies a regular file; what git lists but is deleted, is a link or is a
// module of its own is left out.
func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, os.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// try applies a mutant, judges it and takes it back.
func (b *bench) try(ctx context.Context, m *mutant) result {
	if r := b.unbroken(ctx, m); !r.verdict.good() {
		return r
	}
	touched, err := b.git(ctx, "apply", "--numstat", m.file)
	if err == nil {
		_, err = b.git(ctx, "apply", m.file)
	}
	defer b.restore(touched)
	if err != nil {
		return result{verdict: broken, why: "the patch does not apply", output: err.Error()}
	}
	run, out := b.test(ctx, m)
	if ctx.Err() != nil {
		return result{verdict: broken, why: ctx.Err().Error()}
	}
	return judge(m, run, out)
}

// judge decides whether the named test caught the mutant. A failure counts only where
// it belongs to a test, which is one that the header names since go test runs nothing
// else: what does not build, or breaks in an init or in TestMain, is caught by none.
func judge(m *mutant, run *gotest.Run, out string) result {
	for _, t := range run.Bad() {
		switch {
		case t.Name == "":
			return result{verdict: broken, why: "it does not compile, or no test can start", output: out}
		case t.Outcome == gotest.Skipped || t.Outcome == gotest.NoSeeds:
		case t.Outcome == gotest.Unfinished || strings.Contains(out, "panic: test timed out"):
			return result{verdict: hung, why: "by " + t.Name, output: out}
		default:
			return result{verdict: caught, why: "by " + t.Name, output: out}
		}
	}
	return result{verdict: survived, why: m.test + " passes", output: out}
}

// unbroken requires that the named test exists and passes without the patch.
func (b *bench) unbroken(ctx context.Context, m *mutant) result {
	l := b.lab
	key := strings.Join([]string{m.module, m.pkg, m.test, strconv.FormatBool(m.race)}, "\x00")
	l.mu.Lock()
	once := l.baseline[key]
	if once == nil {
		once = &sync.Once{}
		l.baseline[key] = once
	}
	l.mu.Unlock()
	once.Do(func() {
		r := result{verdict: caught}
		run, out := b.test(ctx, m)
		deep := 0
		for _, t := range run.Tests {
			if strings.Count(t.Name, "/") >= m.subtest && t.Name != "" {
				deep++
			}
		}
		switch {
		case len(run.Bad()) > 0:
			r = result{verdict: broken, why: m.test + " does not pass without the patch, either", output: out}
		case deep == 0:
			r = result{verdict: broken, why: "there is no test " + m.test + " in " + m.pkg, output: out}
		}
		l.mu.Lock()
		l.passes[key] = r
		l.mu.Unlock()
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passes[key]
}

func (b *bench) test(ctx context.Context, m *mutant) (*gotest.Run, string) {
	// Vet is off: it is not what guards the promise.
	args := []string{"test", "-json", "-vet=off", "-count=1", "-timeout=" + b.lab.timeout.String(), "-run=" + m.test}
	if m.race {
		args = append(args, "-race")
	}
	cmd := b.goCommand(ctx, m, append(args, m.pkg)...)
	var stdout, stderr, text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	run, readErr := gotest.Read(&stdout, &text)
	if err != nil && len(run.Bad()) == 0 {
		// The go command failed before any test did: that must not look like silence.
		run.Tests = append(run.Tests, gotest.Test{Package: m.pkg, Outcome: gotest.Failed})
		fmt.Fprintf(&text, "%v\n%s", errors.Join(err, readErr), stderr.String())
	}
	return run, text.String()
}

func (b *bench) goCommand(ctx context.Context, m *mutant, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(b.dir, m.module)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "LC_ALL=C")
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func (b *bench) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = b.dir
	// A checkout that the temporary directory lies in would make git apply skip
	// what is outside of it, without a word.
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+b.lab.tmp, "GIT_DIR="+filepath.Join(b.lab.tmp, "none"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", args[0], err, out)
	}
	return string(out), nil
}

// restore brings back the files that git apply --numstat has named.
func (b *bench) restore(numstat string) {
	for line := range strings.Lines(numstat) {
		fields := strings.SplitN(strings.TrimSpace(line), "\t", 3)
		if len(fields) != 3 {
			continue
		}
		name := filepath.FromSlash(fields[2])
		_ = os.Remove(filepath.Join(b.dir, name)) // it may be new or gone
		if err := copyFile(filepath.Join(b.lab.root, name), filepath.Join(b.dir, name)); err != nil {
			_ = os.RemoveAll(b.dir) // no verdict is better than a wrong one
		}
	}
}
