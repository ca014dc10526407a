package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// Dialect is the kind of SQL that a database speaks. The zero value is none.
type Dialect int

const (
	// SQLite is SQLite 3.37 or later, tested with modernc.org/sqlite.
	SQLite Dialect = iota + 1
	// PostgreSQL is tested with the database/sql driver of github.com/jackc/pgx/v5.
	PostgreSQL
	// MySQL is MariaDB and MySQL, tested with MariaDB and github.com/go-sql-driver/mysql.
	MySQL
)

// String returns the name of the engine.
func (d Dialect) String() string {
	if e := d.engine(); e != nil {
		return e.name
	}
	return fmt.Sprintf("Dialect(%d)", int(d))
}

func (d Dialect) engine() *engine {
	switch d {
	case SQLite:
		return sqliteEngine()
	case PostgreSQL:
		return postgresEngine()
	case MySQL:
		return mysqlEngine()
	}
	return nil
}

// engine is what the engines differ in. The statements themselves are in
// statements.go and schema.go; where possible they differ by the words below only.
type engine struct {
	name string

	words       map[string]string // what stands in braces in a statement
	backticks   bool              // names are quoted with them
	dollars     bool              // parameters are $1, $2...
	schemas     bool              // a table's name may be qualified
	byteSubject bool              // subjects are passed as bytes: their column holds bytes

	// keepStatements prepares each statement once a connection. Otherwise the driver
	// is trusted to do that, or not to where a pooler stands before the database.
	keepStatements bool
	// checkConn looks at the settings of a connection; may be nil.
	checkConn func(context.Context, *sql.Conn) error
	// oneWriter lets only one statement of this store write at a time.
	oneWriter bool
	// briefReads says that a read of one row, once sent, is over soon without a context:
	// it waits for a disk, which no context ends, and for a lock as long as a setting
	// says.
	briefReads bool

	begin string // starts a transaction that locks what it reads with lockRow
	// duplicate is the error of an INSERT that met a row with the same key; empty: the
	// INSERT itself says that it is to do nothing then.
	duplicate string

	purge      string
	purgeMarks string
	purgeTwice bool // the time is a parameter twice
	purgeBatch int  // rows a statement; chosen so that loads hardly notice, see TestPurgeOfAMillionRows

	migrationLock string // waits for other migrations; takes a name
	// ddlCommits means that DDL ends a transaction, so that a migration can stop half
	// way; alreadyDone are the errors of its steps when they are done again.
	ddlCommits    bool
	alreadyDone   []string
	migrationOpen string // where migrationLock outlives the transaction: releases it

	code    func(error) string
	hook    func(error) string // Options.ErrorCode; may be nil
	again   []string           // the statement was not performed and may be repeated
	unknown []string           // the statement may have been performed
	primary bool               // the low byte of a code is enough
	classes bool               // an entry of unknown stands for all codes that begin with it
	remedy  map[string]string  // what to do about it
}

const (
	remedyMigrate = "call sqlstore.Migrate, or run what sqlstore.MigrationSQL returns"
	remedyFull    = "the disk is full: make room; sessions can be read meanwhile"
	remedyWrite   = "the database is read-only: connect to the primary, or give the user and the file write permission"
	remedyGrant   = "grant the database user SELECT, INSERT, UPDATE and DELETE on the tables; sqlstore.Migrate, where it has something to do, also needs to create and alter them"
	remedyNoDB    = "the database does not exist: CREATE DATABASE it, or correct the DSN"
	remedyLogin   = "check the user and the password in the DSN"
	remedyPooler  = "behind a pooler that shares connections between clients, say default_query_exec_mode=exec in the DSN of pgx"
	remedySetting = "check the settings in the DSN"
	remedyConns   = "the server has no free connection: lower SetMaxOpenConns or raise its limit"
)

func sqliteEngine() *engine {
	return &engine{
		name: "SQLite",
		words: map[string]string{
			"least": "MIN", "greatest": "MAX", "forUpdate": "", "ifNew": `ON CONFLICT ("hash") DO NOTHING`,
			"bytes": "BLOB", "key": "BLOB", "int": "INTEGER", "text": "TEXT", "subject": "TEXT", "tail": " STRICT",
			"notNull": ` WHERE "subject" IS NOT NULL`,
			"mark":    `ON CONFLICT ("subject") DO UPDATE SET "revoked"=MAX("revoked", ?)`,
			"ifNone":  `ON CONFLICT ("name") DO NOTHING`,
			// A migration is done as a whole or not at all, so no IF NOT EXISTS is missed.
			"createIndex": "CREATE INDEX IF NOT EXISTS", "addColumn": "ADD COLUMN",
		},
		keepStatements: true,
		checkConn:      checkSQLite,
		oneWriter:      true,
		briefReads:     true, // a reader in WAL mode waits for a recovery only, and that by busy_timeout
		begin:          "BEGIN IMMEDIATE",
		purge:          `DELETE FROM {sessions} WHERE rowid IN (SELECT rowid FROM {sessions} WHERE "expires"<=? ORDER BY "expires" LIMIT ?)`,
		purgeMarks:     `DELETE FROM {revoked} WHERE rowid IN (SELECT rowid FROM {revoked} WHERE "revoked"<=? ORDER BY "revoked" LIMIT ?)`,
		purgeBatch:     25,
		code:           sqliteCode,
		primary:        true,
		again:          []string{"5", "6", "15"}, // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL (a race for the lock)
		unknown:        []string{"10"},           // SQLITE_IOERR: the last sync may be what failed
		remedy: map[string]string{
			"8":  remedyWrite,
			"13": remedyFull,
			"14": "the file cannot be opened: check the path, the permissions of the folder and that it exists",
			"26": "the file is not an SQLite database",
		},
	}
}

func postgresEngine() *engine {
	return &engine{
		name: "PostgreSQL",
		words: map[string]string{
			"least": "LEAST", "greatest": "GREATEST", "forUpdate": " FOR UPDATE", "ifNew": `ON CONFLICT ("hash") DO NOTHING`,
			"bytes": "bytea", "key": "bytea", "int": "bigint", "text": "text", "subject": `text COLLATE "C"`, "tail": "",
			"notNull":     ` WHERE "subject" IS NOT NULL`,
			"mark":        `ON CONFLICT ("subject") DO UPDATE SET "revoked"=GREATEST({revoked}."revoked", ?)`,
			"ifNone":      `ON CONFLICT ("name") DO NOTHING`,
			"createIndex": "CREATE INDEX IF NOT EXISTS", "addColumn": "ADD COLUMN IF NOT EXISTS",
		},
		dollars: true,
		schemas: true,
		begin:   "BEGIN",
		// No SKIP LOCKED: a row that is being changed is waited for, so that "fewer
		// than the limit" means that none are left. The deadline is compared again with
		// the row as it is when its lock is free.
		purge:         `DELETE FROM {sessions} WHERE "hash"=ANY(ARRAY(SELECT "hash" FROM {sessions} WHERE "expires"<=? ORDER BY "expires" LIMIT ?)) AND "expires"<=?`,
		purgeMarks:    `DELETE FROM {revoked} WHERE "subject"=ANY(ARRAY(SELECT "subject" FROM {revoked} WHERE "revoked"<=? ORDER BY "revoked" LIMIT ?)) AND "revoked"<=?`,
		purgeTwice:    true,
		purgeBatch:    500,
		migrationLock: `SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`,
		code:          postgresCode,
		again:         []string{"40001", "40P01"},
		// Lost connections, shutdown, internal and I/O errors, "completion unknown".
		unknown: []string{"08", "57P01", "57P02", "57P05", "58", "XX", "40003"},
		classes: true,
		remedy: map[string]string{
			"42P01": remedyMigrate, "42703": remedyMigrate, "3F000": "the schema does not exist: CREATE SCHEMA it, or correct Options.Schema",
			"3D000": remedyNoDB, "53100": remedyFull, "25006": remedyWrite, "42501": remedyGrant,
			"28P01": remedyLogin, "28000": remedyLogin, "53300": remedyConns,
			"57P03": "the server is starting or stopping: wait",
			// What a pooler gives to one client, another one prepared, or did not.
			"26000": remedyPooler, "42P05": remedyPooler, "42704": remedySetting,
		},
	}
}

func mysqlEngine() *engine {
	return &engine{
		name: "MySQL",
		words: map[string]string{
			"least": "LEAST", "greatest": "GREATEST", "forUpdate": " FOR UPDATE", "ifNew": "",
			// Bytes, not text: most collations of text take 'a', 'A' and 'a ' for one.
			"bytes": "MEDIUMBLOB", "key": "BINARY(32)", "int": "BIGINT", "text": "VARBINARY(64)", "subject": "VARBINARY(255)",
			"tail":    " ENGINE=InnoDB",
			"notNull": "",
			"mark":    `ON DUPLICATE KEY UPDATE "revoked"=GREATEST("revoked", ?)`,
			"ifNone":  `ON DUPLICATE KEY UPDATE "value"="value"`,
			// MySQL has no IF NOT EXISTS for these (MariaDB has): see alreadyDone.
			"createIndex": "CREATE INDEX", "addColumn": "ADD COLUMN",
		},
		backticks:      true,
		schemas:        true,
		byteSubject:    true,
		keepStatements: true,
		checkConn:      checkMySQL,
		begin:          "START TRANSACTION",
		duplicate:      "1062",
		purge:          `DELETE FROM {sessions} WHERE "expires"<=? ORDER BY "expires" LIMIT ?`,
		purgeMarks:     `DELETE FROM {revoked} WHERE "revoked"<=? ORDER BY "revoked" LIMIT ?`,
		purgeBatch:     50,
		migrationLock:  `SELECT GET_LOCK(?, 1)`,
		migrationOpen:  `SELECT RELEASE_LOCK(?)`,
		ddlCommits:     true,
		alreadyDone:    []string{"1060", "1061"}, // the column, the index exists
		code:           mysqlCode,
		again:          []string{"1213", "1205", "1020"},
		// Network errors seen by the server, shutdown, killed, an error during COMMIT, and
		// what proxies say when they have lost the server.
		unknown: []string{"1053", "1158", "1159", "1160", "1161", "1180", "1927", "3169", "1105", "2006", "2013"},
		remedy: map[string]string{
			"1146": remedyMigrate, "1054": remedyMigrate, "1049": remedyNoDB + " or Options.Schema", "1046": "name the database in the DSN, or in Options.Schema",
			"1021": remedyFull, "1114": remedyFull, "3": remedyFull, "1290": remedyWrite, "1792": remedyWrite, "1836": remedyWrite,
			"1142": remedyGrant, "1044": remedyGrant, "1045": remedyLogin, "1040": remedyConns, "1203": remedyConns, "1226": remedyConns,
			"1193": remedySetting,
			"1461": "the server holds too many prepared statements: lower SetMaxOpenConns or raise max_prepared_stmt_count",
		},
	}
}
