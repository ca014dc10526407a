//go:build linux

package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// PostgreSQLPassword is asked for: tests look for it where it must not be.
const PostgreSQLPassword = "n0t-in-any-log" //nolint:gosec // of servers that live for one test

// PostgreSQL starts a PostgreSQL server, from Debian's package postgresql. The DSN is
// a URL, as pgx and lib/pq read it, and its user may do everything.
func PostgreSQL(ctx context.Context, o DatabaseOptions) (*Database, error) {
	const account = "postgres" // it refuses root
	initdb, err := Program("initdb")
	if err != nil {
		return nil, err
	}
	server, err := Program("postgres")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := NewDir(account)
	if err != nil {
		return nil, err
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(PostgreSQLPassword+"\n"), 0o644); err != nil { // the account must read it
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// With md5 a connection costs next to nothing, and tests make thousands.
	install := Spec{Dir: dir, Account: account, Env: utc, Args: []string{
		initdb, "-D", dir + "/data", "-U", "beaker", "-A", "md5", "--pwfile=" + password, "-E", "UTF8", "--no-sync", "--no-instructions",
	}}
	spec := Spec{Dir: dir, Account: account, Env: utc, Args: []string{
		server, "-D", dir + "/data", "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
	}}
	if o.Hasty {
		spec.Args = append(spec.Args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	spec.Stop = syscall.SIGINT // SIGTERM waits until all clients have left
	dsn := fmt.Sprintf("postgres://beaker:%s@127.0.0.1:%d/postgres?sslmode=disable", PostgreSQLPassword, port)
	return startDatabase(ctx, dsn, o, spec, install)
}
