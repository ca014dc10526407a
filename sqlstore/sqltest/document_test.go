package sqltest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// documented returns the SQL of docs/sqlstore.md that is for an engine. A comment says
// for which it is: in the line before, or behind a statement.
func documented(t *testing.T, e engine) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/sqlstore.md")
	if err != nil {
		t.Fatal(err)
	}
	var statements []string
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		who, statement := "", ""
		for line := range strings.Lines(block[1]) {
			code, comment, commented := strings.Cut(strings.TrimSpace(line), "--")
			if commented {
				who = comment
			}
			statement += code + " "
			if done, ok := strings.CutSuffix(strings.TrimSpace(statement), ";"); ok {
				if strings.Contains(who, e.name) {
					statements = append(statements, done)
				}
				statement = ""
			}
		}
		if strings.TrimSpace(statement) != "" {
			t.Errorf("docs/sqlstore.md: no ; ends %q", statement)
		}
	}
	return statements
}

// What the documentation tells people to run does what it says.
func TestDocumentedSQL(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		now := beaker.MillisOf(time.Now())
		for i, age := range []time.Duration{0, 29 * 24 * time.Hour, 31 * 24 * time.Hour} {
			m := newMeta()
			m.Touched, m.Created = now.Add(-age), now.Add(-age)
			m.Absolute, m.Idle = now.Add(24*time.Hour), beaker.NoLimit
			m.Subject = fmt.Sprint("user-", i)
			created(t, s, m, "k", "v")
		}
		run := func(verb string) {
			t.Helper()
			n := 0
			for _, statement := range documented(t, e) {
				if strings.HasPrefix(statement, verb) {
					n++
					statement = strings.ReplaceAll(statement, "beaker_people", p.quoted("_people"))
					mustExec(t, db, regexp.MustCompile(`\bbeaker_sessions\b`).ReplaceAllLiteralString(statement, p.quoted("")))
				}
			}
			if n != 1 {
				t.Fatalf("docs/sqlstore.md has %d times %s for %s", n, verb, e.name)
			}
		}
		run("DELETE")
		if n := count(t, db, p.quoted("")); n != 2 {
			t.Errorf("%d rows are left, want 2", n)
		}
		run("CREATE VIEW")
		var handle, subject, created, seen, ends string
		err := db.QueryRowContext(t.Context(), "SELECT handle,subject,created,last_seen,ends FROM "+p.quoted("_people")+" WHERE subject='user-1'").
			Scan(&handle, &subject, &created, &seen, &ends)
		day := now.Add(-29 * 24 * time.Hour).Time().Format(time.DateOnly)
		if err != nil || len(handle) != 64 || !strings.HasPrefix(seen, day) || !strings.HasPrefix(created, day) {
			t.Errorf("the view says %q %q %q %q %q, %v; want %s", handle, subject, created, seen, ends, err, day)
		}
		mustExec(t, db, "DROP VIEW "+p.quoted("_people"))
		version := 0
		for _, statement := range documented(t, e) {
			if strings.HasPrefix(statement, "SELECT value") {
				statement = strings.ReplaceAll(statement, "beaker_sessions_meta", p.quoted("_meta"))
				if err := db.QueryRowContext(t.Context(), statement).Scan(&version); err != nil {
					t.Errorf("%s: %v", statement, err)
				}
			}
		}
		if version != 2 {
			t.Errorf("the documented statement says that the tables have version %d", version)
		}
	})
}
