package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is also the beaker command: Main puts it into the path under that
// name, so nothing has to be built.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"beaker": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			// An address that is taken, for as long as the script runs.
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = ln.Close() })
			env.Setenv("BUSY", ln.Addr().String())
			return nil
		},
	})
}

// process is a running "beaker demo".
type process struct {
	cmd    *exec.Cmd
	url    string
	stderr bytes.Buffer
}

func start(t *testing.T, data string) *process {
	t.Helper()
	p := &process{cmd: exec.Command("beaker", "demo", "--addr", "localhost:0", "--data", data)}
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it has ended, unless the test failed
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it did not start: %v", err)
	}
	p.url = strings.TrimSpace(line)
	return p
}

// end sends a signal and wants the exit status 0.
func (p *process) end(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after %v: %v\n%s", s, err, p.stderr.String())
	}
}

func (p *process) send(t *testing.T, method, path, cookie, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
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
	return resp, string(b)
}

func TestSignedInSurvivesARestart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	cookie := ""
	for i, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGTERM} {
		p := start(t, data)
		if i == 0 {
			resp, body := p.send(t, http.MethodPost, "/api/login", "", `{"name":"alice"}`)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("login: %d: %s", resp.StatusCode, body)
			}
			cookie, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
		}
		if _, body := p.send(t, http.MethodGet, "/api/session", cookie, ""); !strings.Contains(body, `"subject": "alice"`) {
			t.Errorf("start %d: not signed in: %s", i+1, body)
		}
		p.end(t, signal)
		if got := p.stderr.String(); strings.Contains(got, "level=ERROR") || strings.Contains(got, "error:") {
			t.Errorf("start %d: %s", i+1, got)
		}
	}
}
