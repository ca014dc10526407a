package storetest

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

func someReport() *Report {
	return &Report{Store: "memstore", Rows: []Row{
		{Promise: "No lost update", Status: Kept, Checks: 2, Rounds: 50, Overlapped: 31},
		{Promise: "Lists sessions", Status: NotOffered, Checks: 5},
		{Promise: "Purges", Status: NotKept, Checks: 3, Failed: []string{"only expired records go"}, Rounds: 50, Idle: []string{"a race"}},
	}}
}

func TestReportReadsForPeople(t *testing.T) {
	const want = `memstore
  No lost update  kept         31 of 50 race rounds overlapped
  Lists sessions  not offered  
  Purges          not kept     0 of 50 race rounds overlapped
  not kept: Purges: only expired records go
  no round overlapped: Purges: a race
`
	if got := someReport().Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReportSurvivesJSON(t *testing.T) {
	b, err := someReport().JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadReport(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if want := someReport(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadReportRefusesWhatIsNoReport(t *testing.T) {
	for desc, text := range map[string]string{
		"nothing":         "",
		"no JSON":         "memstore",
		"another object":  `{"name": "memstore"}`,
		"no store":        `{"rows": [{"promise": "p", "status": "kept", "checks": 1}]}`,
		"no promise":      `{"store": "memstore", "rows": []}`,
		"unknown status":  `{"store": "memstore", "rows": [{"promise": "p", "status": "maybe", "checks": 1}]}`,
		"an empty status": `{"store": "memstore", "rows": [{"promise": "p", "checks": 1}]}`,
	} {
		if r, err := ReadReport(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read as %+v", desc, r)
		}
	}
}

func TestTableLaysReportsSideBySide(t *testing.T) {
	mem, sql := someReport(), someReport()
	sql.Store = "sql|store"
	sql.Rows = []Row{{Promise: "Purges", Status: Kept}, {Promise: "No lost update", Status: NotChecked}}
	nodes := &Report{Store: "sql|store", Nodes: true, Rows: []Row{
		{Promise: "Between nodes: writes are seen", Status: Kept},
		{Promise: "Purges", Status: NotKept}, // the worse of two counts
	}}
	const want = `| Promise | memstore | sql\|store |
| --- | --- | --- |
| No lost update | kept | not checked |
| Lists sessions | not offered | - |
| Purges | not kept | not kept |
| Between nodes: writes are seen | - | kept |
`
	if got := Table(mem, sql, nodes); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := Table(nodes, mem, sql); !strings.Contains(got, "| Purges | not kept | not kept |") {
		t.Errorf("the order of reports decides which of two counts:\n%s", got)
	}
}

func TestAbilitiesThatAreMissingAreNotOffered(t *testing.T) {
	rep := Run(t, func(*testing.T) beaker.Store { return bare{newReference()} })
	offered := 0
	for i, p := range storePromises() {
		want := Kept
		if p.offered != nil {
			want = NotOffered
			offered++
		}
		if rep.Rows[i].Status != want || rep.Rows[i].Promise != p.name {
			t.Errorf("%s: %s, want %s", rep.Rows[i].Promise, rep.Rows[i].Status, want)
		}
	}
	if offered != 6 {
		t.Errorf("%d promises depend on an ability, want 6", offered)
	}
}

func TestStatusFollowsWhatRan(t *testing.T) {
	good := check{"good", func(*env) {}}
	bad := check{"bad", func(e *env) { e.Errorf("bad") }}
	idle := check{"idle", func(e *env) { e.raced += 5 }}
	promises := []promise{
		{"kept", nil, []check{good, good}},
		{"not kept", nil, []check{good, bad, good}},
		{"not offered", canList, []check{bad}},
		{"idle", nil, []check{good, idle}},
		{"left out", nil, []check{good}},
	}
	s := &suite{rounds: 1, open: func(tb) (a, b beaker.Store) { r := bare{newReference()}; return r, r }}
	s.sub = func(parent tb, name string, f func(tb)) {
		if name != "left out" {
			parent.(*recorder).sub(name, f)
		}
	}
	rows := s.run(&recorder{ctx: t.Context()}, promises)
	want := []Row{
		{Promise: "kept", Status: Kept, Checks: 2},
		{Promise: "not kept", Status: NotKept, Checks: 3, Failed: []string{"bad"}},
		{Promise: "not offered", Status: NotOffered, Checks: 1},
		{Promise: "idle", Status: Kept, Checks: 2, Rounds: 5, Idle: []string{"idle"}},
		{Promise: "left out", Status: NotChecked, Checks: 1},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("got  %+v\nwant %+v", rows, want)
	}
	if (&Report{Rows: rows}).complete() {
		t.Error("a report that leaves a promise out counts as complete")
	}
	if !(&Report{Rows: rows[:4]}).complete() {
		t.Error("a report of every promise does not count as complete")
	}
}

// A store that cannot be closed breaks the promise during which that happened.
func TestFailureOfACleanupIsTheChecksFailure(t *testing.T) {
	rows, failed := examine(t, false, 1, []promise{{"p", nil, []check{{"c", func(e *env) { _ = e.a.(*broken).Close() }}}}},
		func() (a, b beaker.Store) {
			closed := false
			s := &broken{reference: newReference()}
			s.end = func() (err error) {
				if closed {
					err = beaker.ErrClosed
				}
				closed = true
				return err
			}
			return s, s
		})
	if len(failed) != 1 || rows[0].Status != NotKept {
		t.Errorf("rows %+v, failed %s", rows, failed)
	}
}

func TestReportIsWrittenWhereTheEnvironmentSays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	t.Setenv("BEAKER_GUARANTEES", dir)
	t.Setenv("BEAKER_RACE_ROUNDS", "1")
	t.Run("named", func(t *testing.T) {
		Run(t, func(*testing.T) beaker.Store { return bare{newReference()} }).Store = "my store/1"
	})
	t.Run("nodes", func(t *testing.T) {
		RunNodes(t, func(*testing.T) (a, b beaker.Store) {
			data := newShared()
			return &reference{shared: data}, &reference{shared: data}
		})
	})
	for file, store := range map[string]string{"my-store-1.json": "my store/1", "storetest-nodes.json": "storetest"} {
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		rep, err := ReadReport(f)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if rep.Store != store {
			t.Errorf("%s: the report of %q, want %q", file, rep.Store, store)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReportIsNamedAfterPackageAndTest(t *testing.T) {
	for test, want := range map[string]string{
		"TestStore":            "storetest",
		"TestConformance":      "storetest",
		"TestNodes":            "storetest",
		"TestStoretest":        "storetest",
		"TestPostgreSQL":       "storetest PostgreSQL",
		"TestStore/PostgreSQL": "storetest PostgreSQL",
	} {
		if got := reportName(newReference(), test); got != want {
			t.Errorf("%s: %q, want %q", test, got, want)
		}
	}
}
