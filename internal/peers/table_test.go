package peers

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var write = flag.Bool("write", false, "bring the table in README.md up to date")

// TestComparison is the table in README.md. If it fails, either this library has broken
// a promise or another has come to keep one: -write records the latter.
func TestComparison(t *testing.T) {
	libraries := []library{
		{"Beaker for Go", openOurs},
		{"scs " + version(t, "github.com/alexedwards/scs/v2"), openSCS},
		{"gorilla/sessions " + version(t, "github.com/gorilla/sessions"), openGorilla},
		{"fiber session " + version(t, "github.com/gofiber/fiber/v3"), openFiber},
		{"Python Beaker " + pythonVersion(t), openPython},
	}
	var b strings.Builder
	b.WriteString("|")
	for _, l := range libraries {
		b.WriteString(" | " + l.name)
	}
	b.WriteString(" |\n|" + strings.Repeat(" --- |", len(libraries)+1) + "\n")
	for _, f := range facts() {
		b.WriteString("| " + f.says)
		for i, l := range libraries {
			holds := false
			t.Run(f.says+"/"+l.name, func(t *testing.T) {
				g := newGates()
				holds = f.holds(t, l.open(t, g), g)
			})
			if i == 0 && !holds {
				t.Errorf("this library does not keep it: %s", f.says)
			}
			b.WriteString(" | " + map[bool]string{true: "yes", false: "**no**"}[holds])
		}
		b.WriteString(" |\n")
	}
	t.Logf("\n%s", b.String())
	if t.Failed() {
		return
	}
	compare(t, b.String())
}

const readme = "../../README.md"

var section = regexp.MustCompile(`(?s)(<!-- peers -->\n\n)(.*?)(\n<!-- /peers -->)`)

func compare(t *testing.T, table string) {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	found := section.FindSubmatch(text)
	switch {
	case found == nil:
		t.Fatal("README.md has no place for the table, between <!-- peers --> and <!-- /peers -->")
	case string(found[2]) == table:
	case *write:
		out := section.ReplaceAll(text, []byte("${1}"+strings.ReplaceAll(table, "$", "$$")+"${3}"))
		if err := os.WriteFile(readme, out, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the table in README.md is another: go test ./internal/peers -write")
	}
}

// version returns which version of a module is compared.
func version(t *testing.T, module string) string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var v string
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), module+" v"); ok {
			if _, err := fmt.Sscan(rest, &v); err == nil {
				return v
			}
		}
	}
	t.Fatalf("go.mod does not require %s", module)
	return ""
}
