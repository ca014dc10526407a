//go:build linux

package redisstore_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/redisstore.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exampleURL is a database of its own on the tests' server.
func exampleURL() (string, error) {
	started.Store(true)
	node, err := shared()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("redis://%s/%d", node.Addr, lastDatabase.Add(1)), nil
}

// The guide's commands do what it says they do, typed as they are there.
func TestTheGuidesCommandsWork(t *testing.T) {
	node := ownServer(t)
	s, err := redisstore.Open(t.Context(), "redis://"+node.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m := newMeta()
	m.Subject, m.AuthenticatedAt = "user 17", epoch
	rec := created(t, s, m, "cart", `["book"]`)
	_, port, err := net.SplitHostPort(node.Addr)
	if err != nil {
		t.Fatal(err)
	}

	_, tag, _ := strings.Cut(guide(t), "`printf %s 'user 17'")
	tag, _, _ = strings.Cut(tag, "`")
	out, err := exec.Command("sh", "-c", "printf %s 'user 17'"+tag).Output()
	if digits := strings.TrimSpace(string(out)); err != nil || len(digits) != 32 {
		t.Fatalf("the digits of a subject: %q, %v", out, err)
	} else if n, err := node.Do(t.Context(), "ZCARD", "beaker:subject:"+digits); n != int64(1) || err != nil {
		t.Errorf("the subject's set: %v, %v", n, err)
	}

	ran := map[string]string{}
	for line := range strings.Lines(guide(t)) {
		line, _, _ = strings.Cut(line, "#")
		args := strings.Fields(strings.ReplaceAll(line, "8f...c2", rec.Key().String()))
		if len(args) < 2 || args[0] != "redis-cli" {
			continue
		}
		out, err := exec.Command("redis-cli", append([]string{"-p", port}, args[1:]...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		ran[args[1]+" "+args[len(args)-1]] = string(out)
	}
	handle := "beaker:" + rec.Key().String()
	for command, want := range map[string]string{
		"HGETALL " + handle: "user 17", "HGET :cart": `["book"]`, "DEL " + handle: "1",
	} {
		if !strings.Contains(ran[command], want) {
			t.Errorf("%s: %q, want %q; all that ran: %q", command, ran[command], want, ran)
		}
	}
	if page, _, err := s.List(t.Context(), beaker.ListQuery{Subject: "user 17"}); err != nil || len(page) != 0 {
		t.Errorf("after DEL %d sessions are listed, %v", len(page), err)
	}
}
