// Package sqlstore keeps sessions in a table of an SQL database: SQLite, PostgreSQL,
// MariaDB or MySQL, through database/sql and a driver that the application chooses.
//
//	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN("data/sessions.db"))
//	...
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	...
//	sessions, err := sqlstore.New(ctx, db, sqlstore.SQLite, nil)
//
// It keeps every promise of [beaker.Store], also between processes. Each session is
// one row: all of it in one blob, and again as a column what is compared or is worth a
// query. All times are milliseconds since 1970 in UTC and come from the caller.
//
// # How a change is made
//
// A change is one UPDATE that names the version it was made on. If another change
// came first, it matches no row, and the change is merged into the row as it is now:
// in turn with the others of this process, and, if other processes win twice more,
// under a row lock. No transaction or connection is held between calls.
//
// # When a statement fails
//
// What the engine asks to repeat (a deadlock, a serialization failure, a locked
// database) is repeated until the context ends. If the connection breaks, or the
// context ends, when a change may already have been sent, the error is
// [beaker.ErrUncertain]: the change may have been made. Everything else was not done.
//
// Errors of drivers are told apart without importing any: by the method SQLState
// (PostgreSQL), by the method Code (SQLite) and by the number that the texts of
// MySQL's errors begin with. [Options.ErrorCode] teaches the store another driver.
package sqlstore
