package guide

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestEventsAreLoggedCountedAndKept(t *testing.T) {
	var logged, trail bytes.Buffer
	var m *metrics
	env := sessiontest.New(t, func(cfg *beaker.Config) {
		m = observeAll(cfg, slog.New(slog.NewTextHandler(&logged, nil)), slog.New(slog.NewTextHandler(&trail, nil)))
	})
	b := env.Browser(site(env))
	b.PostForm("/in?user=alice", nil)
	b.PostForm("/out", nil)
	b.SetCookie("/", "__Host-session=x; Path=/; Secure")
	b.Get("/")

	for _, name := range []beaker.EventName{beaker.EventCreate, beaker.EventAuthenticate, beaker.EventDestroy, beaker.EventReject} {
		if n := m.events.Get(string(name)); n == nil || n.String() != "1" {
			t.Errorf("%s: %v", name, n)
		}
		if !strings.Contains(logged.String(), "msg="+string(name)) {
			t.Errorf("the log has no %s:\n%s", name, &logged)
		}
	}
	if n := m.refused.Get(string(beaker.ReasonMalformed)); n == nil || n.String() != "1" {
		t.Errorf("malformed cookies: %v", n)
	}
	if strings.Contains(logged.String(), "alice") {
		t.Errorf("the log names the subject:\n%s", &logged)
	}
	if lines := strings.Split(strings.TrimSpace(trail.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "session.destroy subject=alice handle=") {
		t.Errorf("the audit trail is\n%s", &trail)
	}
	if opened := secretsInUse(env.Config.Secrets); len(opened) != 1 {
		t.Errorf("secrets: %v", opened)
	}
}

func TestOneLineLogsEverything(t *testing.T) {
	var logged bytes.Buffer
	env := sessiontest.New(t, func(cfg *beaker.Config) { logEverything(cfg, slog.New(slog.NewTextHandler(&logged, nil))) })
	env.SignIn(env.Browser(nil), "alice")
	if !strings.Contains(logged.String(), "msg=session.authenticate") {
		t.Errorf("the log is\n%s", &logged)
	}
}

// The page has a row for every event and every reason.
func TestThePageOnObservabilityHasEveryEvent(t *testing.T) {
	page, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "../../observer.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		kind, ok := s.Type.(*ast.Ident)
		if !ok || kind.Name != "EventName" && kind.Name != "Reason" {
			return true
		}
		found++
		value := strings.Trim(s.Values[0].(*ast.BasicLit).Value, `"`)
		if !strings.Contains(string(page), "| `"+value+"` |") {
			t.Errorf("no row for %s, %q", s.Names[0].Name, value)
		}
		return true
	})
	if found < 25 {
		t.Errorf("only %d constants were found", found)
	}
}
