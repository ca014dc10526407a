package rules

import (
	"fmt"
	"path"
	"strings"
)

// goLine is the oldest Go release that is supported, as all modules state it.
const goLine = "1.25.0"

// otherGoLines are the modules that cannot state goLine, each with what stops them.
var otherGoLines = map[string]struct{ line, reason string }{
	"github.com/seed12c5fab1/beaker/bench":                  {"1.26.0", "modernc.org/sqlite, the SQLite driver that is measured with, requires it"},
	"github.com/seed12c5fab1/beaker/cmd/beaker":             {"1.26.0", "modernc.org/sqlite, which the tool keeps its data in, requires it"},
	"github.com/seed12c5fab1/beaker/cmd/beaker/browsertest": {"1.26.0", "the tool, which it tests, states it"},
	"github.com/seed12c5fab1/beaker/sqlstore/sqltest":       {"1.26.0", "modernc.org/sqlite, the SQLite driver that the tests use, requires it"},
}

// Whoever imports the library must not inherit anything: no version to agree on,
// no one else to trust. Replace lines do not count, they end with the module.
func rootRequiresNothing(t *Tree) (bad []string) {
	for _, r := range t.Modules[0].Requires {
		bad = append(bad, "go.mod requires "+r+": what needs it belongs into a module of its own")
	}
	return bad
}

func sameGoLine(t *Tree) (bad []string) {
	for _, m := range t.Modules {
		want := goLine
		if other, ok := otherGoLines[m.Path]; ok {
			want = other.line
		}
		if m.Go != want {
			bad = append(bad, fmt.Sprintf("%s: go %s, want go %s (a module that needs another line is listed, with the reason, in internal/ci/rules/modules.go)",
				path.Join(m.Dir, "go.mod"), m.Go, want))
		}
	}
	return bad
}

// A module that is not in go.work is tested by nothing.
func allInWorkspace(t *Tree) (bad []string) {
	work, err := t.Read("go.work")
	if err != nil {
		return []string{"go.work: " + err.Error()}
	}
	used := map[string]bool{}
	for line := range strings.Lines(string(work)) {
		line, _, _ = strings.Cut(line, "//")
		for field := range strings.FieldsSeq(line) {
			if strings.HasPrefix(field, ".") {
				used[path.Clean(field)] = true
			}
		}
	}
	for _, m := range t.Modules {
		if !used[m.Dir] {
			bad = append(bad, "go.work: use ./"+m.Dir+" is missing, so that nothing builds or tests "+m.Path)
		}
	}
	return bad
}
