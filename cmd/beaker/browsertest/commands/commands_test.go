//go:build linux

package commands_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/cli"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// The test binary is also the beaker command, as in its own tests.
func TestMain(m *testing.M) {
	testscript.Main(leaks.Watch(m), map[string]func(){"beaker": func() { os.Exit(cli.Main()) }})
}

// pages are what the documents say, by file.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "..")
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = string(text)
	}
	return all
}

// shell runs a command of the documents in an empty folder, as it is written, but with
// this test's binary for "go run ./cmd/beaker".
func shell(t *testing.T, command string) *exec.Cmd {
	t.Helper()
	// exec: what is started is the command itself, and signals reach it.
	cmd := exec.Command("sh", "-c", strings.Replace(command, "go run ./cmd/beaker", "exec beaker", 1))
	cmd.Dir = t.TempDir()
	return cmd
}

// demo is one that runs.
type demo struct {
	cmd    *exec.Cmd
	url    string
	about  string // the line after the URL
	stderr bytes.Buffer
}

func run(t *testing.T, cmd *exec.Cmd) *demo {
	t.Helper()
	d := &demo{cmd: cmd}
	cmd.Stderr = &d.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, unless the test failed
	r := bufio.NewReader(out)
	for _, line := range []*string{&d.url, &d.about} {
		if *line, err = r.ReadString('\n'); err != nil {
			_ = cmd.Wait() // or not all that it complains about is here
			t.Fatalf("it did not start: %v\n%s", err, d.stderr.String())
		}
		*line = strings.TrimSpace(*line)
	}
	return d
}

// end wants a demo to end well when it is told to.
func (d *demo) end(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, d.stderr.String())
	}
	leaks.Check(t, "the log", d.stderr.Bytes())
}

// send returns the cookie that comes with the answer, and the answer.
func (d *demo) send(t *testing.T, method, path, cookie, body string) (set, answer string) {
	t.Helper()
	req, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	leaks.Response(t, resp.Header, b) // it also learns the cookie, which another process has made
	set, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return set, string(b)
}

// Every "go run ./cmd/beaker" of the documents does what it is there for. Only what a
// test cannot have is replaced: the port, the address of another machine, the place and
// the password of a server.
func TestTheDocumentsCommandsRun(t *testing.T) {
	t.Parallel()                 // it waits for servers, and the next one for what curl is told to wait
	found := map[string]string{} // command to page
	for page, text := range pages(t) {
		for _, m := range regexp.MustCompile("(?:[A-Z_]+=\\S+ )*go run \\./cmd/beaker[^`#\n]*").FindAllString(text, -1) {
			found[strings.TrimSpace(m)] = page
		}
	}
	if len(found) < 7 {
		t.Errorf("only %d commands were found: %v", len(found), found)
	}
	for command, page := range found {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			if strings.HasSuffix(command, " secret") {
				out, err := shell(t, command).Output()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := beaker.ParseSecrets(string(out)); err != nil {
					t.Error(err)
				}
				return
			}
			full, where := command, "beaker-data/sessions.db"
			for prefix, engine := range map[string]func(*testing.T) (address, password string){
				"postgres://": postgreSQL, "mysql://": mariaDB, "redis://": redis,
			} {
				if strings.Contains(command, prefix) {
					var password string
					where, password = engine(t)
					full = strings.Replace(full, "localhost", where, 1)
					full = strings.Replace(full, "...", "'"+password+"'", 1)
				}
			}
			cookie := "__Host-session="
			if strings.Contains(full, "--insecure-host") {
				cookie = "session="
			}
			full = strings.ReplaceAll(full, "192.0.2.10:8080", "127.0.0.1:0")
			full = strings.ReplaceAll(full, "192.0.2.10", "127.0.0.1")
			if !strings.Contains(full, "--addr") {
				full += " --addr localhost:0"
			}
			d := run(t, shell(t, full))
			if strings.Contains(full, "--insecure-host 127.0.0.1") {
				d.url = strings.Replace(d.url, "localhost", "127.0.0.1", 1) // as the phone would ask for it
			}
			if !strings.Contains(d.about, where) {
				t.Errorf("%s: it says %q, want sessions in %s", page, d.about, where)
			}
			session, answer := d.send(t, http.MethodPost, "/api/login", "", `{"name":"alice"}`)
			if !strings.HasPrefix(session, cookie) {
				t.Errorf("%s: %s, and a cookie whose name is not %s", page, answer, cookie)
			}
			if _, answer := d.send(t, http.MethodGet, "/api/session", session, ""); !strings.Contains(answer, `"subject": "alice"`) {
				t.Errorf("%s: after the sign-in: %s", page, answer)
			}
			d.end(t)
		})
	}
}

const password = "of-this-test-only"

func postgreSQL(t *testing.T) (string, string) {
	t.Helper()
	db, err := engines.PostgreSQL(t.Context(), engines.DatabaseOptions{Hasty: true, Ready: query("pgx", "SELECT 1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Remove() })
	if err := query("pgx", "CREATE DATABASE beaker")(t.Context(), db.DSN); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(db.DSN, "@")
	address, _, _ := strings.Cut(rest, "/")
	return address, engines.PostgreSQLPassword
}

func mariaDB(t *testing.T) (string, string) {
	t.Helper()
	db, err := engines.MariaDB(t.Context(), engines.DatabaseOptions{Hasty: true, Ready: query("mysql", "SELECT 1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Remove() })
	for _, statement := range []string{
		"CREATE DATABASE beaker", "CREATE USER beaker@'127.0.0.1' IDENTIFIED BY '" + password + "'",
		"GRANT ALL ON beaker.* TO beaker@'127.0.0.1'",
	} {
		if err := query("mysql", statement)(t.Context(), db.DSN); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := mysql.ParseDSN(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Addr, password
}

func redis(t *testing.T) (string, string) {
	t.Helper()
	node, err := engines.StartRedisNode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	if _, err := node.Do(t.Context(), "CONFIG", "SET", "requirepass", password); err != nil {
		t.Fatal(err)
	}
	return node.Addr, password
}

// query runs one statement.
func query(driver, statement string) func(context.Context, string) error {
	return func(ctx context.Context, dsn string) error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.ExecContext(ctx, statement)
		return err
	}
}

var (
	anyTime   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|(?m)^Date: .*$`)
	anyHandle = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
)

// typed is a text with everything in it that is another each time put aside.
func typed(s string) string {
	s = strings.ReplaceAll(s, "\r", "")
	return strings.TrimSpace(anyHandle.ReplaceAllString(anyTime.ReplaceAllString(s, "TIME"), "HANDLE"))
}

// The commands with curl, as they are written in the document, answer what is written
// there: a real shell, a real curl, a demo that runs.
func TestTheDocumentWithCurl(t *testing.T) {
	t.Parallel()
	text := pages(t)["demo.md"]
	for kind, more := range map[string]string{"": "", " cookie": " --store cookie"} {
		t.Run("demo"+more, func(t *testing.T) {
			t.Parallel()
			d := run(t, shell(t, "go run ./cmd/beaker demo --addr localhost:0"+more))
			var script strings.Builder
			var commands, want []string
			for _, block := range regexp.MustCompile("(?s)\n```console"+kind+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
				for _, part := range strings.Split("\n"+block[1], "\n$ ")[1:] {
					command, answer, _ := strings.Cut(part, "\n")
					commands, want = append(commands, command), append(want, answer)
					script.WriteString(strings.ReplaceAll(command, "http://localhost:8080", d.url) + "\nprintf '\\n@@@@\\n'\n")
				}
			}
			if len(commands) < 8 {
				t.Fatalf("only %d commands were found", len(commands))
			}
			cmd := exec.Command("sh", "-c", script.String())
			cmd.Dir = t.TempDir()
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			got := strings.Split(string(out), "\n@@@@\n")
			if len(got) != len(commands)+1 {
				t.Fatalf("%d answers to %d commands: %s", len(got), len(commands), stderr.String())
			}
			for i := range commands {
				if typed(got[i]) != typed(want[i]) {
					t.Errorf("$ %s\ngot:\n%s\nthe document has:\n%s", commands[i], got[i], want[i])
				}
			}
			d.end(t)
		})
	}
}

// The port of the documents is the one that is taken without --addr, here by somebody
// else or not: nothing but the number differs from what the other tests run.
func TestThePortOfTheDocuments(t *testing.T) {
	cmd := shell(t, "go run ./cmd/beaker demo --store memory")
	ln, err := net.Listen("tcp", "localhost:8080")
	if err == nil {
		defer ln.Close() // now it is taken for sure
	}
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(":8080: bind: address already in use")) {
		t.Errorf("%v: %s", err, out)
	}
}
