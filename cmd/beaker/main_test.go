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
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// The test binary is also the beaker command: Main puts it into the path under that
// name, so nothing has to be built.
func TestMain(m *testing.M) {
	testscript.Main(leaks.Watch(m), map[string]func(){"beaker": main})
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
	about  string // the line after the URL
	stderr bytes.Buffer
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command("beaker", append([]string{"demo", "--addr", "localhost:0"}, args...)...)}
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it has ended, unless the test failed
	r := bufio.NewReader(out)
	for _, line := range []*string{&p.url, &p.about} {
		s, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("it did not start: %v", err)
		}
		*line = strings.TrimSpace(s)
	}
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
	leaks.Check(t, "the log", p.stderr.Bytes())
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
	leaks.Response(t, resp.Header, b) // it also learns the cookie, which another process has made
	return resp, string(b)
}

// signIn returns the cookie of a new session.
func (p *process) signIn(t *testing.T) string {
	t.Helper()
	resp, body := p.send(t, http.MethodPost, "/api/login", "", `{"name":"alice"}`)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("login: %d: %s", resp.StatusCode, body)
	}
	pair, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return pair
}

func TestSignInsAndLogoutsSurviveARestart(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		store []string
		place string
		holds []string // the data folder
	}{
		{"by default, in SQLite", nil, "DATA/sessions.db", []string{"secrets", "sessions.db"}},
		{"in files", []string{"--store", "file:DATA/sessions"}, "DATA/sessions", []string{"secrets", "sessions"}},
		{"in the cookie", []string{"--store", "cookie"}, "their cookies, logouts in DATA/revoked", []string{"revoked", "secrets"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			args := []string{"--data", data}
			for _, a := range tc.store {
				args = append(args, strings.ReplaceAll(a, "DATA", data))
			}
			var in, out string
			for i, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGTERM} {
				p := start(t, args...)
				if want := strings.ReplaceAll("sessions are kept in "+tc.place+", secrets in DATA; ", "DATA", data); !strings.HasPrefix(p.about, want) {
					t.Errorf("it says %q, want %q", p.about, want)
				}
				if i == 0 {
					in, out = p.signIn(t), p.signIn(t)
					if resp, body := p.send(t, http.MethodPost, "/api/logout", out, ""); resp.StatusCode != http.StatusOK {
						t.Fatalf("logout: %d: %s", resp.StatusCode, body)
					}
				}
				if _, body := p.send(t, http.MethodGet, "/api/session", in, ""); !strings.Contains(body, `"subject": "alice"`) {
					t.Errorf("start %d: not signed in: %s", i+1, body)
				}
				if _, body := p.send(t, http.MethodGet, "/api/session", out, ""); !strings.Contains(body, `"subject": ""`) {
					t.Errorf("start %d: the cookie from before the logout is signed in: %s", i+1, body)
				}
				p.end(t, signal)
				if got := p.stderr.String(); strings.Contains(got, "level=ERROR") || strings.Contains(got, "error:") {
					t.Errorf("start %d: %s", i+1, got)
				}
			}
			key, err := os.ReadFile(filepath.Join(data, "secrets"))
			if err != nil {
				t.Fatal(err)
			}
			if _, text, _ := strings.Cut(strings.TrimSpace(string(key)), ":"); !leaks.RememberText("the key of the demo", text) {
				t.Fatal("the file of secrets does not hold one")
			}
			if n := leaks.Dir(t, data, "secrets"); n == 0 {
				t.Error("there is nothing in the data folder")
			}
			entries, err := os.ReadDir(data)
			if err != nil {
				t.Fatal(err)
			}
			var holds []string
			for _, e := range entries {
				holds = append(holds, e.Name())
			}
			if !slices.Equal(holds, tc.holds) {
				t.Errorf("the data folder holds %v, want %v", holds, tc.holds)
			}
		})
	}
}
