package site_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The document shows commands and what they answered. Here the commands are done
// again, in process, and must answer the same but for times and handles. Those in
// blocks marked "cookie" are for a demo that was started with --store cookie.
func TestDocumentTellsWhatHappens(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "demo.md"))
	if err != nil {
		t.Fatal(err)
	}
	g := newGate()
	shells := map[string]*shell{
		"":        {t: t, gate: g, handler: newSite(t, g.wait), jars: map[string]*browser{}},
		" cookie": {t: t, gate: g, handler: newSealedSite(t, g.wait), jars: map[string]*browser{}},
	}
	for _, block := range regexp.MustCompile("(?s)```console( cookie)?\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		sh := shells[block[1]]
		for _, part := range strings.Split("\n"+block[2], "\n$ ")[1:] {
			command, want, _ := strings.Cut(part, "\n")
			got := sh.run(command)
			if normal(got) != normal(want) {
				t.Errorf("$ %s\ngot:\n%s\nthe document has:\n%s", command, got, want)
			}
			sh.commands++
		}
	}
	if sh := shells[""]; sh.commands < 40 || sh.background < 4 || shells[" cookie"].commands < 8 {
		t.Errorf("only %d commands were found, %d in the background, %d with sealed sessions", sh.commands, sh.background, shells[" cookie"].commands)
	}
}

var (
	times   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	handles = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	always  = regexp.MustCompile(`(?m)^(HTTP/1.1|Date:|Content-Length:).*\n`) // net/http writes them
)

func normal(s string) string {
	return strings.TrimSpace(always.ReplaceAllString(handles.ReplaceAllString(times.ReplaceAllString(s, "TIME"), "HANDLE"), ""))
}

// shell knows as much of a shell and of curl as the document uses.
type shell struct {
	t          *testing.T
	gate       *gate
	handler    http.Handler
	jars       map[string]*browser
	running    chan string
	commands   int
	background int
}

var words = regexp.MustCompile(`'[^']*'|\S+`)

func (sh *shell) run(command string) string {
	sh.t.Helper()
	args := words.FindAllString(command, -1)
	for i := range args {
		args[i] = strings.Trim(args[i], "'")
	}
	switch {
	case args[0] == "cp":
		sh.jars[args[2]] = sh.jar(args[1]).other()
	case args[0] == "wait":
		sh.gate.open <- struct{}{}
		return <-sh.running
	case slices.Contains(args, "&"):
		sh.background++
		sh.running = make(chan string, 1)
		go func() { sh.running <- sh.curl(args[1:slices.Index(args, "&")]) }()
		sh.gate.reached(sh.t) // what "sleep 1" is for
	case args[0] == "curl":
		return sh.curl(args[1:])
	default:
		sh.t.Errorf("this test does not know %q", command)
	}
	return ""
}

func (sh *shell) jar(name string) *browser {
	if sh.jars[name] == nil {
		sh.jars[name] = newBrowser(sh.t, sh.handler)
		sh.jars[name].agent, sh.jars[name].remote = "curl/7.88.1", "127.0.0.1:1"
	}
	return sh.jars[name]
}

func (sh *shell) curl(args []string) string {
	var method, body, target string
	var b *browser
	headers, keep, show := http.Header{}, false, false
	for len(args) > 0 {
		arg, value := args[0], ""
		args = args[1:]
		if strings.HasPrefix(arg, "-") && arg != "-i" {
			value, args = args[0], args[1:]
		}
		switch arg {
		case "-X":
			method = value
		case "-d":
			body = value
			if method == "" {
				method = http.MethodPost
			}
		case "-b":
			b = sh.jar(value)
		case "-c":
			keep = true
		case "-i":
			show = true
		case "-H":
			k, v, _ := strings.Cut(value, ": ")
			headers.Set(k, v)
		default:
			target = strings.TrimPrefix(arg, "http://localhost:8080")
		}
	}
	if !keep {
		b = b.other() // curl forgets the cookies that it gets
		b.agent, b.remote = "curl/7.88.1", "127.0.0.1:1"
	}
	r := b.request(method, target, body)
	maps.Copy(r.Header, headers)
	resp := b.send(r)
	answer := text(sh.t, resp)
	if !show {
		return answer
	}
	var lines []string
	for k, v := range resp.Header {
		lines = append(lines, k+": "+strings.Join(v, ", "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n\n" + answer
}
