package sqlstore

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// DefaultTable is the table of sessions if [Options.Table] is empty.
const DefaultTable = "beaker_sessions"

// suffixes make the names of what belongs to the table. PostgreSQL cuts names at 63
// bytes without a word, hence maxTable.
const (
	suffixMeta    = "_meta"    // a table: version of the schema, lease of the purger
	suffixRevoked = "_revoked" // a table: revocation marks
	suffixExpires = "_expires" // an index
	suffixSubject = "_subject" // an index
	suffixMarked  = "_marked"  // an index of the revocation marks

	maxName  = 63
	maxTable = maxName - len(suffixRevoked)
)

// Quotes cannot be part of a name, so quoting it needs no escaping.
var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkNames(e *engine, o *Options) error {
	var errs []error
	bad := func(field, value, remedy string) {
		errs = append(errs, fmt.Errorf("sqlstore: Options.%s is %q: %s", field, value, remedy))
	}
	const letters = "use letters, digits and underscores, not beginning with a digit"
	switch {
	case !validName.MatchString(o.Table) || len(o.Table) > maxTable:
		bad("Table", o.Table, fmt.Sprintf("%s, at most %d", letters, maxTable))
	case e.name == "SQLite" && strings.HasPrefix(strings.ToLower(o.Table), "sqlite_"):
		bad("Table", o.Table, "SQLite keeps names that begin with sqlite_ to itself")
	}
	switch {
	case o.Schema == "":
	case !e.schemas:
		bad("Schema", o.Schema, "leave it empty: "+e.name+" has one file and no schemas")
	case !validName.MatchString(o.Schema) || len(o.Schema) > maxName:
		bad("Schema", o.Schema, fmt.Sprintf("%s, at most %d", letters, maxName))
	}
	return errors.Join(errs...)
}

// sqlFor returns a statement as the engine wants it: names quoted, words filled in,
// parameters numbered.
func (e *engine) sqlFor(o *Options, statement string) string {
	pairs := make([]string, 0, 32)
	for word, text := range e.words {
		pairs = append(pairs, "{"+word+"}", text)
	}
	// Twice, because words contain names.
	statement = strings.NewReplacer(pairs...).Replace(statement)
	table := func(suffix string) string {
		if o.Schema != "" {
			return `"` + o.Schema + `"."` + o.Table + suffix + `"`
		}
		return `"` + o.Table + suffix + `"`
	}
	index := func(suffix string) string { return `"` + o.Table + suffix + `"` }
	statement = strings.NewReplacer(
		"{sessions}", table(""), "{meta}", table(suffixMeta), "{revoked}", table(suffixRevoked),
		"{byExpires}", index(suffixExpires), "{bySubject}", index(suffixSubject), "{byRevoked}", index(suffixMarked),
		"{columns}", columns,
	).Replace(statement)
	if e.backticks {
		// The ANSI quotes are strings in MySQL's default mode.
		statement = strings.ReplaceAll(statement, `"`, "`")
	}
	if !e.dollars {
		return statement
	}
	var b strings.Builder
	n := 0
	for _, c := range statement {
		if c != '?' {
			b.WriteRune(c)
			continue
		}
		n++
		fmt.Fprintf(&b, "$%d", n)
	}
	return b.String()
}
