package peer

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

//go:embed beaker_wsgi.py
var wsgi []byte

// python is where Debian has it. One that was installed elsewhere does not see the
// packages python3-beaker, python3-cryptography, python3-redis and python3-waitress.
const python = "/usr/bin/python3"

// Python is Python Beaker, its WSGI application called directly. kind is a type of
// the script beside this file.
func Python(store, kind, reference string) *contest.Contender {
	return &contest.Contender{
		Store: store, Name: "Python Beaker", Kind: contest.Peer, Floor: reference,
		Note: "no idle timeout; the old id opens after sign-in",
		Open: func(ctx context.Context, env contest.Env) (contest.Player, error) {
			args, err := PythonArgs(ctx, env, "call", kind)
			if err != nil {
				return nil, err
			}
			return startPython(args)
		},
	}
}

// PythonArgs returns the command of the script, or a MissingError.
func PythonArgs(ctx context.Context, env contest.Env, mode, kind string) ([]string, error) {
	need := "import beaker.middleware, cryptography, waitress"
	url := "-"
	if kind == "redis" {
		address, err := env.Address(ctx, "redis")
		if err != nil {
			return nil, err
		}
		need, url = need+", redis", "redis://"+address+"/1"
	}
	if out, err := exec.CommandContext(ctx, python, "-c", need).CombinedOutput(); err != nil {
		return nil, &contest.MissingError{
			What: "Python Beaker (Debian's python3-beaker, python3-cryptography, python3-redis, python3-waitress)",
			Err:  fmt.Errorf("%s: %w: %s", python, err, lastLine(out)),
		}
	}
	dir, err := env.Dir()
	if err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "beaker_wsgi.py")
	if err := os.WriteFile(script, wsgi, 0o600); err != nil {
		return nil, err
	}
	return []string{python, script, mode, kind, dir, url}, nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

type pythonPlayer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startPython(args []string) (*pythonPlayer, error) {
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // our own script; it ends when its input does
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &pythonPlayer{cmd, in, bufio.NewReader(out)}
	if _, err := p.answer(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *pythonPlayer) Close() error {
	err := p.in.Close()
	return errors.Join(err, p.cmd.Wait())
}

func (p *pythonPlayer) ask(format string, args ...any) (contest.Took, error) {
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		return contest.Took{}, err
	}
	return p.answer()
}

func (p *pythonPlayer) answer() (contest.Took, error) {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return contest.Took{}, fmt.Errorf("the script ended: %w", err)
	}
	var a struct {
		Nanos, CPU int64
		Error      string
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return contest.Took{}, fmt.Errorf("the script says %.200q: %w", line, err)
	}
	if a.Error != "" {
		return contest.Took{}, errors.New(a.Error)
	}
	return contest.Took{Wall: time.Duration(a.Nanos), CPU: time.Duration(a.CPU)}, nil
}

func (p *pythonPlayer) Case(s contest.Scenario) (contest.Case, error) {
	if s == contest.Touch {
		return nil, contest.ErrNoTouch
	}
	return pythonCase{p, s}, nil
}

type pythonCase struct {
	p *pythonPlayer
	s contest.Scenario
}

func (c pythonCase) Prepare(n int) error {
	_, err := c.p.ask("prepare %v %d", c.s, n)
	return err
}

func (c pythonCase) Run(n int) (contest.Took, error) { return c.p.ask("run %d", n) }

func (c pythonCase) Verify(n int) error {
	_, err := c.p.ask("verify %d", n)
	return err
}

func (c pythonCase) Trips() (int64, bool) { return 0, false }

func (c pythonCase) Native() bool { return false }
