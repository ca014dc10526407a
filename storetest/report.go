package storetest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/seed12c5fab1/beaker"
)

// Report is the table of a store's promises: what [Run] and [RunNodes] found.
type Report struct {
	// Store heads the store's column. It is the name of the store's package, followed
	// by the test's own name where that says more: "memstore" for TestMemstore or
	// TestStore, "sqlstore PostgreSQL" for TestPostgreSQL. A test may set it; the file
	// is written when the test ends.
	Store string `json:"store"`
	// Nodes tells the report of RunNodes from that of Run. Table shows the two as one
	// store if they have one name.
	Nodes bool  `json:"nodes,omitempty"`
	Rows  []Row `json:"rows"`
}

// Row is one promise.
type Row struct {
	Promise    string   `json:"promise"`
	Status     Status   `json:"status"`
	Checks     int      `json:"checks"`               // how many subtests it has
	Failed     []string `json:"failed,omitempty"`     // the names of those that failed
	Rounds     int      `json:"rounds,omitempty"`     // of its races
	Overlapped int      `json:"overlapped,omitempty"` // rounds in which the calls did overlap
	Idle       []string `json:"idle,omitempty"`       // races none of whose rounds overlapped: they have shown nothing
}

// Status says what became of a promise.
type Status string

const (
	// Kept means that every check passed.
	Kept Status = "kept"
	// NotKept means that a check failed.
	NotKept Status = "not kept"
	// NotOffered means that the store does not have the ability.
	NotOffered Status = "not offered"
	// NotChecked means that checks were left out, by go test -run.
	NotChecked Status = "not checked"
)

// Text returns the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	b.WriteString(r.Store)
	b.WriteString("\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range r.Rows {
		races := ""
		if row.Rounds > 0 {
			races = fmt.Sprintf("%d of %d race rounds overlapped", row.Overlapped, row.Rounds)
		}
		// Writing to a strings.Builder does not fail, here and below.
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\n", row.Promise, row.Status, races)
	}
	_ = w.Flush()
	for _, row := range r.Rows {
		for _, name := range row.Failed {
			_, _ = fmt.Fprintf(&b, "  not kept: %s: %s\n", row.Promise, name)
		}
		for _, name := range row.Idle {
			_, _ = fmt.Fprintf(&b, "  no round overlapped: %s: %s\n", row.Promise, name)
		}
	}
	return b.String()
}

// JSON returns the report in the form that ReadReport reads.
func (r *Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("storetest: encoding a report: %w", err)
	}
	return append(b, '\n'), nil
}

// ReadReport reads what JSON returned.
func ReadReport(from io.Reader) (*Report, error) {
	var r Report
	dec := json.NewDecoder(from)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, fmt.Errorf("storetest: reading a report: %w", err)
	}
	if r.Store == "" || len(r.Rows) == 0 {
		return nil, fmt.Errorf("storetest: reading a report: it names no store or no promise")
	}
	for _, row := range r.Rows {
		switch row.Status {
		case Kept, NotKept, NotOffered, NotChecked:
		default:
			return nil, fmt.Errorf("storetest: reading a report: %q has the unknown status %q", row.Promise, row.Status)
		}
	}
	return &r, nil
}

// Table lays reports side by side in a Markdown table: a promise a row, a store a
// column, both in the order of their first appearance. Reports of one name share a
// column. A promise that a store was not asked about shows as a dash; where two reports
// of one name speak of one promise, the worse of the two counts.
func Table(reports ...*Report) string {
	var stores, promises []string
	cells := map[[2]string]Status{}
	seen := map[string]bool{}
	for _, r := range reports {
		if !seen["store "+r.Store] {
			seen["store "+r.Store] = true
			stores = append(stores, r.Store)
		}
		for _, row := range r.Rows {
			if !seen["promise "+row.Promise] {
				seen["promise "+row.Promise] = true
				promises = append(promises, row.Promise)
			}
			at := [2]string{row.Promise, r.Store}
			if old, ok := cells[at]; !ok || severity(row.Status) > severity(old) {
				cells[at] = row.Status
			}
		}
	}
	var b strings.Builder
	line := func(first string, cell func(store string) string) {
		b.WriteString("| " + first + " |")
		for _, s := range stores {
			b.WriteString(" " + cell(s) + " |")
		}
		b.WriteString("\n")
	}
	line("Promise", cellText)
	line("---", func(string) string { return "---" })
	for _, p := range promises {
		line(cellText(p), func(s string) string {
			if status, ok := cells[[2]string{p, s}]; ok {
				return string(status)
			}
			return "-"
		})
	}
	return b.String()
}

// cellText keeps a name from ending its cell or its row.
func cellText(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ").Replace(s)
}

func severity(s Status) int {
	switch s {
	case NotKept:
		return 3
	case NotChecked:
		return 2
	case NotOffered:
		return 1
	}
	return 0
}

// complete reports whether every promise was checked: half a report must not take the
// place of a whole one.
func (r *Report) complete() bool {
	for _, row := range r.Rows {
		if row.Status == NotChecked {
			return false
		}
	}
	return len(r.Rows) > 0
}

func (r *Report) writeFile(dir string) error {
	b, err := r.JSON()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.fileName()), b, 0o644)
}

func (r *Report) fileName() string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
			return c
		}
		return '-'
	}, r.Store)
	if r.Nodes {
		name += "-nodes"
	}
	return name + ".json"
}

// reportName names a report after the store's package and the test.
func reportName(s beaker.Store, test string) string {
	pkg := "store"
	if typ := reflect.TypeOf(s); typ != nil {
		for typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if path := typ.PkgPath(); path != "" {
			pkg = strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], "_test")
		}
	}
	own := strings.TrimPrefix(test[strings.LastIndexByte(test, '/')+1:], "Test")
	switch strings.ToLower(own) {
	case "", "store", "nodes", "conformance", strings.ToLower(pkg):
		return pkg
	}
	return pkg + " " + own
}
