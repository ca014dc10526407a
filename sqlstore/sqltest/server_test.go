package sqltest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// server is a database server that the tests run.
type server struct {
	kind  kind
	hasty bool // it need not survive the machine: syncing is most of what a test waits for
	dir   string
	port  int
	cmd   *exec.Cmd
	log   *bytes.Buffer
	done  chan struct{} // closed when the process has ended
}

// kind is what the servers differ in.
type kind struct {
	driver  string
	account string // root may not, or should not, run it
	install func(dir string) []string
	run     func(dir string, port int) []string
	hasty   []string // more arguments: commits are not synced to the disk
	source  string   // DSN, for the port
}

var postgres = kind{
	driver:  "pgx",
	account: "postgres",
	install: func(dir string) []string {
		return []string{program("initdb"), "-D", dir + "/data", "-U", "beaker", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"}
	},
	run: func(dir string, port int) []string {
		return []string{
			program("postgres"), "-D", dir + "/data", "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
		}
	},
	hasty:  []string{"-c", "fsync=off", "-c", "full_page_writes=off"},
	source: "postgres://beaker@127.0.0.1:%d/postgres?sslmode=disable",
}

var mariadb = kind{
	driver:  "mysql",
	account: "mysql",
	install: func(dir string) []string {
		return []string{
			program("mariadb-install-db"), "--no-defaults", "--datadir=" + dir + "/data", "--auth-root-authentication-method=normal",
			"--skip-test-db", "--skip-name-resolve",
		}
	},
	run: func(dir string, port int) []string {
		return []string{
			program("mariadbd"), "--no-defaults", "--datadir=" + dir + "/data", "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1",
			"--socket=" + dir + "/socket", "--pid-file=" + dir + "/pid", "--skip-name-resolve", "--max-connections=200", "--innodb-buffer-pool-size=64M",
			"--lc-messages-dir=/usr/share/mysql",
		}
	},
	hasty:  []string{"--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0"},
	source: "root@tcp(127.0.0.1:%d)/mysql",
}

// program returns the path of a server's program: Debian keeps PostgreSQL's in a
// folder of the version.
func program(name string) string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return "/usr/sbin/" + name
}

// install makes a folder with an empty database.
func install(k kind) (*server, error) {
	dir, err := os.MkdirTemp("", "sqltest")
	if err != nil {
		return nil, err
	}
	s := &server{kind: k, dir: dir}
	if cred, err := s.credential(); err != nil {
		return nil, err
	} else if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return nil, err
		}
	}
	out, err := s.command(k.install(dir)).CombinedOutput()
	if err != nil {
		s.remove()
		return nil, fmt.Errorf("%s: %w (install the packages postgresql and mariadb-server)\n%s", k.install(dir)[0], err, out)
	}
	return s, nil
}

// credential is whom the server runs as, if this is root.
func (s *server) credential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(s.kind.account)
	if err != nil {
		return nil, err
	}
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	if uerr != nil || gerr != nil {
		return nil, fmt.Errorf("account %s has no numbers", s.kind.account)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (s *server) command(args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LC_ALL=C", "TMPDIR=" + s.dir}
	cred, _ := s.credential() // install has looked
	// A group of its own, so that all of a killed server's processes can be ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	return cmd
}

// up starts the process and waits until it answers.
func (s *server) up() error {
	if s.port == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.port = l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return err
		}
	}
	s.log, s.done = new(bytes.Buffer), make(chan struct{})
	args := s.kind.run(s.dir, s.port)
	if s.hasty {
		args = append(args, s.kind.hasty...)
	}
	s.cmd = s.command(args)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	// It must not outlive a test that is killed. That signal is sent when the thread
	// ends that started it, so that thread is kept.
	s.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func(cmd *exec.Cmd, done chan struct{}) {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is told by the log
			close(done)
		}
	}(s.cmd, s.done)
	if err := <-started; err != nil {
		return err
	}
	db, err := sql.Open(s.kind.driver, s.dsn())
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s ended: %s", s.cmd.Path, s.log)
		case <-ctx.Done():
			s.kill()
			return fmt.Errorf("%s does not answer: %w\n%s", s.cmd.Path, err, s.log)
		case <-time.After(20 * time.Millisecond): // a server tells nobody when it is up
		}
	}
}

// kill ends the server and all its processes with SIGKILL, and waits.
func (s *server) kill() {
	// Its group: PostgreSQL has a process for each connection.
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	<-s.done
}

// down ends the server in good order.
func (s *server) down() {
	sig := syscall.SIGTERM
	if s.kind.account == "postgres" {
		sig = syscall.SIGINT // do not wait for clients
	}
	_ = syscall.Kill(s.cmd.Process.Pid, sig) // it may have ended
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		s.kill()
	}
}

func (s *server) remove() {
	_ = os.RemoveAll(s.dir) // in the system's folder for temporary files
}

func (s *server) dsn() string { return fmt.Sprintf(s.kind.source, s.port) }

// shared is a server for all tests that do not stop it.
type shared struct {
	kind kind
	once sync.Once
	s    *server
	err  error
}

var (
	sharedPostgres = &shared{kind: postgres}
	sharedMariaDB  = &shared{kind: mariadb}
)

func (sh *shared) start(tb testing.TB) *server {
	tb.Helper()
	sh.once.Do(func() {
		if sh.s, sh.err = install(sh.kind); sh.err == nil {
			sh.s.hasty = true
			sh.err = sh.s.up()
		}
	})
	if sh.err != nil {
		tb.Fatalf("the tests need the server: %v", sh.err)
	}
	select {
	case <-sh.s.done:
		tb.Fatalf("the server ended by itself: %v\n%s", sh.s.cmd.ProcessState, sh.s.log)
	default:
	}
	return sh.s
}

func (sh *shared) stop() {
	if sh.s == nil {
		return
	}
	if sh.err == nil {
		sh.s.down()
	}
	sh.s.remove()
}
