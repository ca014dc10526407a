// Package sqltest holds the tests of sqlstore with real databases. It is a module of
// its own, never released, because the drivers are third-party requirements. Its go
// line is that of modernc.org/sqlite.
//
// The tests start the servers themselves, on free ports and in temporary folders, and
// stop them by their process id. A server that cannot be started fails the tests that
// need it.
package sqltest
