package wire_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ROWS.md names tests that there are, in the column where they belong.
func TestTheRowsNameTestsThatThereAre(t *testing.T) {
	page, err := os.ReadFile("ROWS.md")
	if err != nil {
		t.Fatal(err)
	}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	functions := func(patterns ...string) map[string]bool {
		all := map[string]bool{}
		for _, p := range patterns {
			files, err := filepath.Glob(p)
			if err != nil || len(files) == 0 {
				t.Fatalf("%s: %d files, %v", p, len(files), err)
			}
			for _, file := range files {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range function.FindAllStringSubmatch(string(b), -1) {
					all[m[1]] = true
				}
			}
		}
		return all
	}
	wire, elsewhere := functions("*_test.go"), functions("../../../*_test.go", "../../../memstore/*_test.go", "../../ci/rules/*_test.go")
	name := regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	rows := 0
	used := map[string]bool{"TestTheRowsNameTestsThatThereAre": true, "TestTheClientsSeeWhatIsSent": true, "TestMain": true}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.HasPrefix(cells[1], " ---") || cells[1] == " id " {
			continue
		}
		rows++
		here, there := name.FindAllString(cells[3], -1), name.FindAllString(cells[4], -1)
		if len(here)+len(there) == 0 {
			t.Errorf("%s: nothing shows it", cells[1])
		}
		for _, n := range here {
			used[n] = true
			if !wire[n] {
				t.Errorf("%s: there is no %s here", cells[1], n)
			}
		}
		for _, n := range there {
			if !elsewhere[n] {
				t.Errorf("%s: there is no %s", cells[1], n)
			}
		}
	}
	for n := range wire {
		if !used[n] {
			t.Errorf("%s shows nothing that has a row", n)
		}
	}
	if rows < 50 {
		t.Errorf("%d rows", rows)
	}
}
