package browsertest_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// axe-core checks what can be checked of the WCAG by program: names and roles,
// contrast, order of headings, landmarks, sizes of targets. It is what the developer
// tools of browsers and most test services use. The version is the one whose rules the
// pages were made by; the hash is that of the package on npm.
const (
	axeVersion = "4.14.1"
	axeHash    = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

// axe is the script.
var axe = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	// Beside the tools that the checks build: it outlasts the checkout.
	dir := filepath.Join(cache, "beaker-tools")
	name := filepath.Join(dir, "axe-core-"+axeVersion+".tgz")
	packed, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		if err := fetchAxe(dir, name); err != nil {
			return "", err
		}
		packed, err = os.ReadFile(name)
	}
	if err != nil {
		return "", err
	}
	if sum := sha512.Sum512(packed); base64.StdEncoding.EncodeToString(sum[:]) != axeHash {
		return "", fmt.Errorf("%s is not the package that was released; remove it", name)
	}
	return unpack(packed, "package/axe.min.js")
})

// fetchAxe has npm fetch the package, and gives it its name when it is complete.
func fetchAxe(dir, name string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is not installed, and axe-core comes from there: make setup installs what the tests need")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	cmd := exec.Command(npm, "pack", "--silent", "--pack-destination", tmp, "axe-core@"+axeVersion)
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack axe-core: %w\n%s", err, out)
	}
	return os.Rename(filepath.Join(tmp, "axe-core-"+axeVersion+".tgz"), name)
}

func unpack(packed []byte, name string) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if h.Name == name {
			b, err := io.ReadAll(r)
			return string(b), err
		}
	}
}

// rules are all that axe-core has for the WCAG up to 2.2, levels A and AA, and what it
// calls best practice.
const rules = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`

// loadAxe puts the script into the page.
func (b *tab) loadAxe() {
	b.t.Helper()
	script, err := axe()
	if err != nil {
		b.t.Fatal(err)
	}
	eval[bool](b, script+"; true")
}

type finding struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

type findings struct {
	Violations, Incomplete []finding
	Passes                 int
}

// findings is what axe-core says of the page.
func (b *tab) findings() findings {
	b.t.Helper()
	text := eval[string](b, `axe.run(document, {runOnly: {type: "tag", values: `+rules+`}}).then(r =>
		JSON.stringify({violations: r.violations, incomplete: r.incomplete, passes: r.passes.length}))`)
	var found findings
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatal(err)
	}
	return found
}

// accessible reports what axe-core finds, and what it cannot decide.
func (b *tab) accessible(what string) {
	b.t.Helper()
	found := b.findings()
	if found.Passes < 10 {
		b.t.Errorf("%s: axe-core applied only %d rules", what, found.Passes)
	}
	for kind, all := range map[string][]finding{"violates": found.Violations, "may violate": found.Incomplete} {
		for _, f := range all {
			var where []string
			for _, n := range f.Nodes {
				where = append(where, n.HTML+"\n      "+n.FailureSummary)
			}
			b.t.Errorf("%s %s %s (%s):\n    %s", what, kind, f.ID, f.Help, strings.Join(where, "\n    "))
		}
	}
}
