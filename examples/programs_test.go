//go:build unix

// Package examples_test starts each program here as its README says, and uses it as a
// person with a browser would.
package examples_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

// journeys are what a person does with each program: what the table in README.md says
// that it shows.
var journeys = map[string]func(t *testing.T, p *program){
	"quickstart":  countVisits,
	"signin":      useAnAccount,
	"chi":         passTheRouter,
	"jsonapi":     fillACart,
	"stream":      readAStream,
	"twomanagers": beTwoPeople,
	"nodes":       changeMachines,
}

func TestEachProgramDoesWhatItsDocumentSays(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| \\[(\\w+)\\]\\(\\w+/main\\.go\\) \\| `go run (\\./examples/(\\w+))` \\|").FindAllStringSubmatch(string(readme), -1)
	if len(rows) != len(journeys) {
		t.Fatalf("README.md has %d programs, and this test %d", len(rows), len(journeys))
	}
	var packages []string
	overlay := map[string]map[string]string{"Replace": {}}
	bin := t.TempDir()
	programs := map[string]*program{}
	for _, row := range rows {
		if row[1] != row[3] || journeys[row[1]] == nil {
			t.Fatalf("nobody knows what to do with %s", row[0])
		}
		p := &program{path: filepath.Join(bin, row[1])}
		p.listenElsewhere(t, overlay["Replace"], filepath.Join(row[1], "main.go"))
		programs[row[1]] = p
		packages = append(packages, row[2])
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(bin, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// What "go run" does, from where the document says: the root of the repository.
	build := exec.Command("go", append([]string{"build", "-buildvcs=false", "-overlay", file, "-o", bin}, packages...)...)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.start(t)
			journeys[name](t, p)
			p.stop(t)
		})
	}
}

// program is one that runs.
type program struct {
	path  string
	hosts []string // where it listens
	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan error
}

var address = regexp.MustCompile(`"localhost:\d+"`)

// listenElsewhere gives a program ports that nobody has: the addresses are the only
// thing in it that is changed.
func (p *program) listenElsewhere(t *testing.T, overlay map[string]string, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := address.ReplaceAllFunc(text, func([]byte) []byte {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		_, port, _ := net.SplitHostPort(ln.Addr().String()) // it is one
		p.hosts = append(p.hosts, "localhost:"+port)
		return []byte(`"localhost:` + port + `"`)
	})
	if len(p.hosts) == 0 {
		t.Fatalf("%s listens nowhere", name)
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	overlay[abs] = filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(overlay[abs], changed, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *program) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(p.path)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it has ended, unless the test failed
	p.ended = make(chan error, 1)
	go func() { p.ended <- p.cmd.Wait() }()
	for _, host := range p.hosts {
		for {
			c, err := net.DialTimeout("tcp", host, time.Second)
			if err == nil {
				c.Close()
				break
			}
			select {
			case err := <-p.ended:
				t.Fatalf("it ended before it answered: %v\n%s", err, p.log.String())
			case <-time.After(10 * time.Millisecond):
			case <-t.Context().Done():
				t.Fatal("it does not answer")
			}
		}
	}
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := <-p.ended; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v\n%s", err, p.log.String())
	}
}

// browser is one with an empty jar of cookies.
func (p *program) browser() *sessiontest.Browser {
	return sessiontest.NewBrowserVia(http.DefaultTransport, "http://"+p.hosts[0])
}

// says wants something in a page.
func says(t *testing.T, r *sessiontest.Response, want string) {
	t.Helper()
	if r.Err != nil || !strings.Contains(r.Body, want) {
		t.Errorf("%v, want %q in %q", r, want, r.Body)
	}
}

func silent(t *testing.T, r *sessiontest.Response, about string) {
	t.Helper()
	if r.Err != nil || r.Status != http.StatusOK || strings.Contains(r.Body, about) {
		t.Errorf("%v, do not want %q in %q", r, about, r.Body)
	}
}

func countVisits(t *testing.T, p *program) {
	b := p.browser()
	says(t, b.Get("/"), "visit 1\n")
	says(t, b.Get("/"), "visit 2\n")
	says(t, p.browser().Get("/"), "visit 1\n")
	says(t, b.Get("/"), "visit 3\n")
}

func useAnAccount(t *testing.T, p *program) {
	in := func(b *sessiontest.Browser, password, remember string) *sessiontest.Response {
		return b.Follow(b.PostForm("/signin", url.Values{"user": {"alice"}, "password": {password}, "remember": {remember}}))
	}
	laptop, phone := p.browser(), p.browser()
	says(t, in(laptop, "guess", ""), "That was not right.")
	says(t, in(laptop, "open sesame", "on"), "Welcome, alice.")
	in(phone, "open sesame", "")
	laptop.Restart()
	list := laptop.Get("/")
	says(t, list, "<h1>alice</h1>") // remembered
	if n := strings.Count(list.Body, "<li>"); n != 2 {
		t.Errorf("%d devices are listed: %s", n, list.Body)
	}
	_, rest, _ := strings.Cut(list.Body, `action="/devices/`)
	handle, _, _ := strings.Cut(rest, "/")
	says(t, laptop.Follow(laptop.PostForm("/devices/"+handle+"/signout", nil)), "Signed out.")
	silent(t, phone.Get("/"), "<h1>")

	in(phone, "open sesame", "")
	laptop.PostForm("/signout-everywhere", nil)
	silent(t, phone.Get("/"), "<h1>")
	says(t, laptop.Get("/"), "<h1>alice</h1>")
	laptop.PostForm("/signout", nil)
	silent(t, laptop.Get("/"), "<h1>")
}

func passTheRouter(t *testing.T, p *program) {
	b := p.browser()
	says(t, b.Get("/"), "anybody\n")
	if r := b.Get("/account/"); r.Status != http.StatusUnauthorized {
		t.Errorf("a stranger: %v", r)
	}
	b.PostForm("/signin", nil)
	says(t, b.Get("/account/"), "only alice\n")
}

func fillACart(t *testing.T, p *program) {
	b := p.browser()
	says(t, b.Get("/page/"), "<h1>Cart")
	says(t, b.Get("/page/cart.js"), "fetch(")
	b.PostForm("/api/cart/apple", nil)
	says(t, b.PostForm("/api/cart/apple", nil), `{"apple":2}`)
	says(t, b.Get("/api/cart"), `{"apple":2}`)
	if r := b.From("https://evil.example").PostForm("/api/cart/apple", nil); r.Status != http.StatusForbidden {
		t.Errorf("another site: %v", r)
	}
}

func readAStream(t *testing.T, p *program) {
	b := p.browser()
	says(t, b.Get("/"), "the stream")
	if r := b.Get("/events"); r.Status != http.StatusUnauthorized {
		t.Errorf("a stranger: %v", r)
	}
	b.PostForm("/signin", nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.hosts[0]+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := b.Cookie("__Host-session")
	req.Header.Set("Cookie", c.Name+"="+c.Value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "data: ") {
		t.Errorf("%q, %v", line, err)
	}
	b.PostForm("/signout", nil)
	if rest, err := io.ReadAll(r); err != nil || !bytes.HasSuffix(rest, []byte("event: signed-out\ndata:\n\n")) {
		t.Errorf("the stream ended with %q, %v", rest, err)
	}
}

func beTwoPeople(t *testing.T, p *program) {
	b := p.browser()
	says(t, b.Follow(b.PostForm("/signin", nil)), `Hello, "alice"`)
	says(t, b.Get("/admin/"), `Hello, ""`)
	says(t, b.Follow(b.PostForm("/admin/signin", nil)), `Hello, "root"`)
	says(t, b.Get("/"), `Hello, "alice"`)
}

func changeMachines(t *testing.T, p *program) {
	b, other := p.browser(), "http://"+p.hosts[1]
	says(t, b.Get(other+"/"), `node 2: ""`)
	b.PostForm("/signin", nil)
	says(t, b.Get(other+"/"), `node 2: "alice"`)
	if r := b.PostForm(other+"/signout-everywhere", nil); r.Status != http.StatusOK {
		t.Errorf("sign out at the other machine: %v", r)
	}
	says(t, b.Get("/"), `node 1: ""`)
}
