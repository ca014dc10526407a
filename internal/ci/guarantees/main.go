// Command guarantees keeps the table of what each store guarantees, in README.md,
// equal to what the stores' tests have found. Store tests leave their reports in the
// directory that BEAKER_GUARANTEES names.
//
//	guarantees -reports dir -readme README.md [-write] [-strict]
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed12c5fab1/beaker/storetest"
)

// The table stands between these lines.
const (
	begin = "<!-- guarantees -->"
	end   = "<!-- /guarantees -->"
)

// columns are the stores in the order in which a team grows out of them; a store
// that is not listed comes last.
var columns = []string{"memstore", "filestore", "sqlstore", "redisstore", "memcachestore"}

var errNoMarkers = errors.New("there is no place for the table: put it between " + begin + " and " + end)

func main() {
	reports := flag.String("reports", "", "directory of the reports")
	readme := flag.String("readme", "README.md", "file that holds the table")
	write := flag.Bool("write", false, "bring the file up to date instead of comparing")
	flag.Parse()
	if err := run(*reports, *readme, *write); err != nil {
		fmt.Println("guarantees:", err)
		os.Exit(1)
	}
}

func run(dir, readme string, write bool) error {
	table, err := read(dir)
	if err != nil {
		return err
	}
	have, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	want, err := place(have, table)
	if err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	if bytes.Equal(have, want) {
		return nil
	}
	if !write {
		fmt.Printf("the tests found:\n\n%s\n", table)
		return fmt.Errorf("%s says otherwise", readme)
	}
	return os.WriteFile(readme, want, 0o644)
}

// read makes the table of all reports in dir.
func read(dir string) (string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return "", err
	}
	var reports []*storetest.Report
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		r, err := storetest.ReadReport(f)
		_ = f.Close() // it was only read
		if err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		// The suite's own tests run it on the stores that it is tested with.
		if store, _, _ := strings.Cut(r.Store, " "); store != "storetest" {
			reports = append(reports, r)
		}
	}
	if len(reports) == 0 {
		return "", errors.New("no store's test has left a report")
	}
	slices.SortStableFunc(reports, func(a, b *storetest.Report) int {
		return cmp.Or(cmp.Compare(column(a.Store), column(b.Store)), cmp.Compare(a.Store, b.Store))
	})
	return storetest.Table(reports...), nil
}

func column(store string) int {
	first, _, _ := strings.Cut(store, " ")
	if i := slices.Index(columns, first); i >= 0 {
		return i
	}
	return len(columns)
}

// place puts the table between the markers.
func place(text []byte, table string) ([]byte, error) {
	before, rest, ok := bytes.Cut(text, []byte(begin+"\n"))
	if !ok {
		return nil, errNoMarkers
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, errNoMarkers
	}
	return slices.Concat(before, []byte(begin+"\n\n"), []byte(table), []byte("\n"+end), after), nil
}
