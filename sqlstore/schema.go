package sqlstore

// schemaVersion is the version of the tables that this release works with.
const schemaVersion = 2

// A table is told its version by a row of its meta table. That one is the same in all
// versions, and is made before anything is known about the rest.
var schemaMeta = []string{
	`CREATE TABLE IF NOT EXISTS {meta} ("name" {text} NOT NULL PRIMARY KEY, "value" {int} NOT NULL, "owner" {text}){tail}`,
	`INSERT INTO {meta} ("name","value") VALUES ('version',0) {ifNone}`,
}

const setVersion = `UPDATE {meta} SET "value"=? WHERE "name"='version'`

// schemaSteps[i] makes version i+1 of version i. Never edit one that was released:
// add the next. A release must work on the tables of the one after it, because nodes
// are not upgraded at the same moment: new columns are nullable or have a default.
//
// Each statement can be run again after it was done, or its error is among the
// engine's alreadyDone: MySQL cannot undo DDL, so a migration that was interrupted
// there begins with what it had done.
func schemaSteps() [][]string {
	first := []string{
		`CREATE TABLE IF NOT EXISTS {sessions} (
  "hash" {key} NOT NULL PRIMARY KEY,
  "proof" {key} NOT NULL,
  "prev_proof" {key},
  "prev_until" {int} NOT NULL DEFAULT 0,
  "rotated" {int} NOT NULL DEFAULT 0,
  "version" {int} NOT NULL,
  "subject" {subject},
  "authenticated" {int} NOT NULL DEFAULT 0,
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
	// Sessions with cookie attributes of their own.
	second := []string{`ALTER TABLE {sessions} {addColumn} "cookie" {bytes}`}
	return [][]string{first, second}
}
