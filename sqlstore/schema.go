package sqlstore

// schemaVersion is the version of the tables that this release makes. It also works on
// those of the next one: nodes are not upgraded at the same moment, may be restarted
// meanwhile, and an upgrade may have to be undone.
const (
	schemaVersion = 2
	newestVersion = schemaVersion + 1
)

// A table is told its version by a row of its meta table. That one is the same in all
// versions, and is made before anything is known about the rest.
var schemaMeta = []string{
	`CREATE TABLE IF NOT EXISTS {meta} ("name" {text} NOT NULL PRIMARY KEY, "value" {int} NOT NULL, "owner" {text}){tail}`,
	`INSERT INTO {meta} ("name","value") VALUES ('version',0) {ifNone}`,
}

const setVersion = `UPDATE {meta} SET "value"=? WHERE "name"='version'`

// schemaSteps[i] makes version i+1 of version i. Never edit one that was released:
// add the next. A release works on the tables of the one after it (newestVersion), so
// new columns are nullable or have a default, and none is renamed or dropped before two
// releases have not used it.
//
// Each statement can be run again after it was done, or its error is among the
// engine's alreadyDone: MySQL cannot undo DDL, so a migration that was interrupted
// there begins with what it had done.
func schemaSteps() [][]string {
	first := []string{
		`CREATE TABLE IF NOT EXISTS {sessions} (
  "hash" {key} NOT NULL PRIMARY KEY,
  "proof" {key} NOT NULL,
  "version" {int} NOT NULL,
  "subject" {subject},
  "created" {int} NOT NULL,
  "accessed" {int} NOT NULL,
  "idle" {int} NOT NULL,
  "absolute" {int} NOT NULL,
  "expires" {int} NOT NULL,
  "data" {bytes} NOT NULL){tail}`,
		`{createIndex} {byExpires} ON {sessions} ("expires")`,
		`{createIndex} {bySubject} ON {sessions} ("subject","hash"){notNull}`,
		`CREATE TABLE IF NOT EXISTS {revoked} ("subject" {subject} NOT NULL PRIMARY KEY, "revoked" {int} NOT NULL){tail}`,
		`{createIndex} {byRevoked} ON {revoked} ("revoked")`,
		`INSERT INTO {meta} ("name","value") VALUES ('purge',0) {ifNone}`,
	}
	// For people: when whoever is signed in did so.
	second := []string{`ALTER TABLE {sessions} {addColumn} "authenticated" {int} NOT NULL DEFAULT 0`}
	return [][]string{first, second}
}
