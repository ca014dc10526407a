package main // run is the whole program; there is nothing to import

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of this repository's own documents, and what would be mistakes in them.
func TestCommandsAreThereOrNot(t *testing.T) {
	c, err := newChecker(t.Context(), filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"make help": "",
		"make bench BENCH='-run ^memory/ -rounds 3'":              "",
		"make bench BENCH='-ruins ^memory/'":                      "bench/main.go has no flag -ruins",
		"make bench BENCH=-shorter":                               "bench/main.go has no flag -shorter",
		"make benches":                                            `no target "benches"`,
		"go run ./cmd/beaker secret":                              "",
		"go run ./cmd/baker secret":                               "there is no program ./cmd/baker",
		"go run ./examples/chi":                                   "",
		"go run ./examples/chai":                                  "there is no program ./examples/chai",
		"go test ./internal/peers":                                "",
		"go test ./internal/pears":                                "there is no package ./internal/pears",
		"go test -v -run TestRoundTrips ./redisstore":             "",
		"go test -v -run TestRoundTables ./redisstore":            `./redisstore has nothing for Test "TestRoundTables"`,
		"go test -run '^$' -bench Nothing ./redisstore/redistest": `has nothing for Benchmark "Nothing"`,
		"curl http://localhost:8080":                              "nothing runs the command",
	} {
		switch err := c.isRun(t.Context(), "docs/any.md", text); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// A list of exceptions grows where nobody looks. Each of these is still needed, and says
// why; whoever adds one changes this test too.
func TestFewCommandsAreNotRun(t *testing.T) {
	c, err := newChecker(t.Context(), filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	used := map[int]bool{}
	for _, d := range c.docs {
		var all []span
		for _, b := range d.blocks {
			if b.runBy == "" && b.run == "" && (b.lang() == "sh" || b.lang() == "console") {
				all = append(all, commandsOf(b)...)
			}
		}
		for _, s := range append(all, d.spans...) {
			for i, k := range knownCommands {
				if (k.doc == "" || k.doc == d.name) && k.matches.MatchString(s.text) {
					used[i] = true
					break
				}
			}
		}
	}
	not := 0
	for i, k := range knownCommands {
		if !used[i] {
			t.Errorf("no document has a command like %s", k.matches)
		}
		if (k.by == "") == (k.not == "") {
			t.Errorf("%s: either a test runs it, or there is a reason", k.matches)
		}
		if k.not != "" {
			not++
		}
	}
	if not != 7 {
		t.Errorf("%d families of commands are not run, want 7", not)
	}
}

func TestHelp(t *testing.T) {
	cmd := exec.Command("make", "help")
	cmd.Dir = filepath.Join("..", "..", "..")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "make test ") {
		t.Errorf("%v: %s", err, out)
	}
}
