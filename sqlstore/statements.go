package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// What is read of a session. All that a session is stands in data, in the binary form
// of its record; the other columns repeat parts of it, for conditions, for indexes and
// for people. Only the time of the last use is in accessed alone, so that a touch need
// not write data. Drivers take time and memory for each column that is read.
const columns = `"accessed","data"`

// The conditions of every change: the row is the one that the change was made on (a
// rotation raises the version, so the proof says nothing new; it is there so that a
// made-up Base changes nothing), and it is not expired. That it cannot be expired if
// the version holds and Base was alive is not relied on. It says +0 so that no engine
// goes by the index of the deadlines: MariaDB did while a table was small, and locked
// every session that was alive.
const ifSame = ` WHERE "hash"=? AND "version"=? AND "proof"=? AND "expires"+0>?`

// The deadline is computed from the row, because a touch does not raise the version:
// the time in Base may be older. It comes before accessed, because MySQL assigns from
// left to right and would otherwise compute it from the new value (which gives the
// same here, as long as the time is a maximum).
const setUsed = `"expires"={least}("absolute",{greatest}("accessed",?)+"idle"),"accessed"={greatest}("accessed",?)`

// query is a statement, prepared where the engine's kind says so.
type query struct {
	op   string // for errors
	text string
	one  bool // it answers with one row at most
	stmt *sql.Stmt
}

// queries are all statements of a store but those of its start.
type queries struct {
	create, load, lockRow, delete   *query
	touch, setValues, setAll        *query
	mark, marked                    *query
	deleteSubject, deleteRange      *query
	listAll, listSubject            *query
	anyExpired, purge, purgeMarks   *query
	takeLease, returnLease, version *query
}

// defineQueries returns the statements, not yet prepared.
func defineQueries(e *engine, o *Options) *queries {
	q := func(op, text string) *query { return &query{op: op, text: e.sqlFor(o, text)} }
	one := func(op, text string) *query { return &query{op: op, text: e.sqlFor(o, text), one: true} }
	return &queries{
		create: q("create", `INSERT INTO {sessions} ("hash","proof","version","subject","authenticated","created","accessed","idle","absolute","expires","data")`+
			` VALUES (?,?,?,?,?,?,?,?,?,?,?) {ifNew}`),
		load:    one("load", `SELECT {columns} FROM {sessions} WHERE "hash"=?`),
		lockRow: one("apply", `SELECT {columns} FROM {sessions} WHERE "hash"=?{forUpdate}`),
		delete:  q("delete", `DELETE FROM {sessions} WHERE "hash"=?`),

		touch:     q("touch", `UPDATE {sessions} SET `+setUsed+ifSame),
		setValues: q("apply", `UPDATE {sessions} SET `+setUsed+`,"version"="version"+1,"data"=?`+ifSame),
		setAll: q("apply", `UPDATE {sessions} SET "expires"={least}(?,{greatest}("accessed",?)+?),"accessed"={greatest}("accessed",?),`+
			`"version"="version"+1,"data"=?,"proof"=?,"subject"=?,"authenticated"=?,"idle"=?,"absolute"=?`+ifSame),

		mark:          q("revoke: mark", `INSERT INTO {revoked} ("subject","revoked") VALUES (?,?) {mark}`),
		marked:        one("read revocation", `SELECT "revoked" FROM {revoked} WHERE "subject"=?`),
		deleteSubject: q("revoke: delete", `DELETE FROM {sessions} WHERE "subject"=?`),
		deleteRange:   q("revoke: delete", `DELETE FROM {sessions} WHERE "subject"=? AND "hash">=? AND "hash"<=?`),

		listAll:     q("list", `SELECT "hash",{columns} FROM {sessions} WHERE "hash">? ORDER BY "hash" LIMIT ?`),
		listSubject: q("list", `SELECT "hash",{columns} FROM {sessions} WHERE "subject"=? AND "hash">? ORDER BY "hash" LIMIT ?`),

		anyExpired: one("purge", `SELECT CASE WHEN (SELECT MIN("expires") FROM {sessions})<=? OR (SELECT MIN("revoked") FROM {revoked})<=? THEN 1 ELSE 0 END`),
		purge:      q("purge", e.purge),
		purgeMarks: q("purge: marks", e.purgeMarks),

		takeLease:   q("purge: lease", `UPDATE {meta} SET "value"=?,"owner"=? WHERE "name"='purge' AND "value"<=?`),
		returnLease: q("purge: return lease", `UPDATE {meta} SET "value"=0,"owner"=NULL WHERE "name"='purge' AND "owner"=?`),
		version:     one("check", `SELECT "value" FROM {meta} WHERE "name"='version'`),
	}
}

func (q *queries) all() []*query {
	return []*query{
		q.create, q.load, q.lockRow, q.delete, q.touch, q.setValues, q.setAll, q.mark, q.marked, q.deleteSubject, q.deleteRange,
		q.listAll, q.listSubject, q.anyExpired, q.purge, q.purgeMarks, q.takeLease, q.returnLease, q.version,
	}
}

func (q *queries) prepare(ctx context.Context, db *sql.DB) error {
	for _, query := range q.all() {
		stmt, err := db.PrepareContext(ctx, query.text)
		if err != nil {
			_ = q.close() // the error at hand says more
			return fmt.Errorf("prepare the statement of %q: %w", query.op, err)
		}
		query.stmt = stmt
	}
	return nil
}

func (q *queries) close() error {
	var first error
	for _, query := range q.all() {
		if query.stmt == nil {
			continue
		}
		if err := query.stmt.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
