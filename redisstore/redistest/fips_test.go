package redistest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// The store's whole life under GODEBUG=fips140=only, with which anything that is not
// approved panics. It is read when a process begins: hence another one.
func TestUnderFIPS(t *testing.T) {
	program := filepath.Join(t.TempDir(), "life")
	build := exec.Command("go", "build", "-o", program, "./life")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building ./life: %v\n%s", err, out)
	}
	run := exec.Command(program, "redis://"+single(t).addrs[0], "redis://"+cluster(t).addrs[0])
	run.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if out, err := run.CombinedOutput(); err != nil || string(out) != "lived\n" {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Everything that users do, once, on two nodes.
func TestLife(t *testing.T) {
	for _, cache := range []bool{false, true} {
		p := newPlaceLike(t, newPlace(t, ownSingle(t)), cache)
		store := p.store(t)
		a := newApp(t, nil, store, p.store(t))
		b, other := a.browser(), a.browser()
		mustAsk(t, b, 0, "/set?name=a&value=1")
		mustAsk(t, b, 1, "/login?who=fred")
		mustAsk(t, b, 0, "/count")
		mustAsk(t, b, 1, "/renew")
		mustAsk(t, other, 1, "/login?who=fred")
		if r := mustAsk(t, b, 1, "/read"); r.Body != "fred 1" {
			t.Errorf("after all that: %q", r.Body)
		}
		h := handleOf(t, a, b)
		listed := 0
		for info, err := range a.nodes[0].List(t.Context(), "fred") {
			if err != nil {
				t.Fatal(err)
			}
			if listed++; info.Subject() != "fred" {
				t.Errorf("%q is listed", info.Subject())
			}
		}
		if n, err := a.nodes[0].RevokeAll(t.Context(), "fred", h); n != 1 || err != nil || listed != 2 {
			t.Errorf("%d sessions are listed, %d were ended: %v; want 2 and 1", listed, n, err)
		}
		if _, err := store.Purge(t.Context(), epoch, 10); err != nil {
			t.Error(err)
		}
		mustAsk(t, b, 0, "/logout")
		if page, _, err := store.List(t.Context(), beaker.ListQuery{}); err != nil || len(page) != 0 {
			t.Errorf("at the end %d sessions are listed: %v", len(page), err)
		}
	}
}
