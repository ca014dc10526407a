//go:build linux

package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec says how a server is run.
type Spec struct {
	Args    []string // the program, as Program returns it, and its arguments
	Dir     string   // its folder, from NewDir
	Account string   // whom root runs it as; empty: root itself
	Env     []string // beside PATH, HOME, TMPDIR and LC_ALL

	// Ready returns nil once the server answers; it is asked again until then.
	Ready func(context.Context) error
	// Stop ends the server in good order; zero: SIGTERM.
	Stop syscall.Signal
}

// Process is a server that runs.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	log  *buffer
	done chan struct{} // closed when it has ended
}

// startTimeout is for machines that do much else.
const startTimeout = 90 * time.Second

// Start starts a server and waits until it answers.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	cmd, err := command(spec)
	if err != nil {
		return nil, err
	}
	p := &Process{spec: spec, cmd: cmd, log: new(buffer), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// It must not outlive a test that is killed. That signal is sent when the thread
	// ends that started it, so that thread is kept.
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is told by the log
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("engines: start %s: %w", spec.Args[0], err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if err = spec.Ready(ctx); err == nil {
			return p, nil
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("engines: %s ended: %v\n%s", spec.Args[0], p.cmd.ProcessState, p.Log())
		case <-ctx.Done():
			p.Kill()
			return nil, fmt.Errorf("engines: %s does not answer: %w\n%s", spec.Args[0], err, p.Log())
		case <-time.After(20 * time.Millisecond): // a server tells nobody when it is up
		}
	}
}

// Again starts an ended server once more, as it was started before.
func (p *Process) Again(ctx context.Context) error {
	q, err := Start(ctx, p.spec)
	if err != nil {
		return err
	}
	*p = *q
	return nil
}

// Kill ends the server and its children with SIGKILL, and waits.
func (p *Process) Kill() {
	family := p.signal(syscall.SIGKILL)
	<-p.done
	wait(family, "Z") // until somebody asks how it ended; nobody may
}

// Pause stops the server and its children: its port stays open and nothing answers.
func (p *Process) Pause() { wait(p.signal(syscall.SIGSTOP), "TZ") }

// Resume undoes Pause.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

// signal reaches the children too, which PostgreSQL has for each connection: those of
// the server's group, and those that have a group of their own. The server is stopped
// first, so that it makes no more of them. It returns whom it knows to have reached.
func (p *Process) signal(sig syscall.Signal) []int {
	select {
	case <-p.done:
		return nil // the number may be another process's by now
	default:
	}
	pid := p.cmd.Process.Pid
	// Errors say that the process has ended.
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	wait([]int{pid}, "TZ")
	family := append(children(pid), pid)
	for _, member := range family {
		_ = syscall.Kill(member, sig)
	}
	_ = syscall.Kill(-pid, sig)
	return family
}

// wait waits until each process is in one of the states, or gone: signals arrive late.
func wait(pids []int, states string) {
	for _, pid := range pids {
		for {
			state, _ := status(pid)
			if state == "" || strings.Contains(states, state) {
				break
			}
			<-time.After(time.Millisecond)
		}
	}
}

// children returns the processes that a process has started and that still run.
func children(parent int) []int {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var pids []int
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		if _, ppid := status(pid); ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// status returns the state of a process, such as T for stopped and Z for ended, and
// whose child it is; nothing if there is no such process.
func status(pid int) (state string, parent int) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", 0
	}
	// The name comes first, in parentheses, and may contain some.
	rest := stat[bytes.LastIndexByte(stat, ')')+1:]
	if _, err := fmt.Sscan(string(rest), &state, &parent); err != nil {
		return "", 0
	}
	return state, parent
}

// Close ends the server in good order, and waits.
func (p *Process) Close() {
	sig := p.spec.Stop
	if sig == 0 {
		sig = syscall.SIGTERM
	}
	p.Resume()                               // what is paused would not hear it
	_ = syscall.Kill(p.cmd.Process.Pid, sig) // it may have ended
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.Kill()
	}
}

// Done is closed when the server has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID returns the number of the server's process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns what the server has printed.
func (p *Process) Log() string { return p.log.String() }

// Program returns the path of a server's program. Debian keeps PostgreSQL's in a
// folder of the version, and some others where only root looks.
func Program(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		return found[len(found)-1], nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	path := "/usr/sbin/" + name
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("engines: %s is not installed: make setup installs what the tests need", name)
	}
	return path, nil
}

// NewDir makes a folder for a server that root runs as account. Remove it with
// os.RemoveAll when the server has ended.
func NewDir(account string) (string, error) {
	dir, err := os.MkdirTemp("", "engine-")
	if err != nil {
		return "", err
	}
	cred, err := credential(account)
	if err == nil && cred != nil {
		err = os.Chown(dir, int(cred.Uid), int(cred.Gid))
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// FreePort returns a loopback port that nobody listened on a moment ago.
func FreePort() (int, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// Run runs a program that ends by itself, such as one that makes an empty database.
func Run(spec Spec) error {
	cmd, err := command(spec)
	if err != nil {
		return err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("engines: %s: %w\n%s", spec.Args[0], err, out)
	}
	return nil
}

func command(spec Spec) (*exec.Cmd, error) {
	cred, err := credential(spec.Account)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...) //nolint:gosec,noctx // tests say what to run, nobody else, and end it
	cmd.Dir = spec.Dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + spec.Dir, "LC_ALL=C", "TMPDIR=" + spec.Dir}, spec.Env...)
	// A group of its own, so that all of a killed server's processes can be ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	return cmd, nil
}

// credential is whom a server runs as, if this is root.
func credential(account string) (*syscall.Credential, error) {
	if account == "" || os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		return nil, fmt.Errorf("engines: %w: the server's package makes that account: make setup installs it", err)
	}
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	if uerr != nil || gerr != nil {
		return nil, fmt.Errorf("engines: account %s has no numbers", account)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
