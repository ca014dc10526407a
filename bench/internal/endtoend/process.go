//go:build linux

package endtoend

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// process is a server process and one session in it.
type process struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	url     string
	cookie  string
	foreign bool // does not end when its input does
}

// start starts a server and reads its address, or its port, from the first line.
func start(args []string, order *Order) (*process, error) {
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // this program, or our script; it is ended below
	cmd.Stderr = os.Stderr
	// It must not outlive this process.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if order != nil {
		text, err := json.Marshal(order)
		if err != nil {
			return nil, err
		}
		cmd.Env = append(os.Environ(), ServeEnv+"="+string(text))
	}
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
	p := &process{cmd: cmd, stdin: in, foreign: order == nil}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("a server does not start: %s: %w", strings.Join(args, " "), err), p.stop())
	}
	address := strings.TrimSpace(line)
	if !strings.Contains(address, ":") {
		address = "127.0.0.1:" + address
	}
	p.url = "http://" + address
	return p, nil
}

func (p *process) stop() error {
	err := p.stdin.Close()
	if p.foreign {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	kill := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	werr := p.cmd.Wait()
	var exit *exec.ExitError
	if p.foreign && errors.As(werr, &exit) {
		werr = nil // it was told to
	}
	return errors.Join(err, werr)
}

// processor returns the processor time that the server has used.
func (p *process) processor() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; 11 fields after it come user and system
	// time, in hundredths of a second (proc(5)).
	_, rest, ok := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("proc stat: %q", b)
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// get does one request with the session's cookie, and keeps a new one.
func (p *process) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return "", err
	}
	if p.cookie != "" {
		req.Header.Set("Cookie", p.cookie)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: status %d: %.200q", path, res.StatusCode, body)
	}
	if set := res.Header.Get("Set-Cookie"); set != "" {
		p.cookie, _, _ = strings.Cut(set, ";")
	}
	return string(body), nil
}

// expect is get for an answer that is known.
func (p *process) expect(ctx context.Context, path, want string) error {
	got, err := p.get(ctx, path)
	if err == nil && got != want {
		err = fmt.Errorf("%s answers %.100q, want %q", path, got, want)
	}
	return err
}

// ready makes the session.
func (p *process) ready(ctx context.Context) error {
	if err := p.expect(ctx, pathCreate, contest.OK); err != nil {
		return err
	}
	return p.expect(ctx, pathRead, contest.UID)
}
