//go:build linux

package engines

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
)

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
	install := Spec{Dir: dir, Account: account, Args: []string{
		initdb, "-D", dir + "/data", "-U", "beaker", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions",
	}}
	spec := Spec{Dir: dir, Account: account, Args: []string{
		server, "-D", dir + "/data", "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
	}}
	if o.Hasty {
		spec.Args = append(spec.Args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	spec.Stop = syscall.SIGINT // SIGTERM waits until all clients have left
	dsn := fmt.Sprintf("postgres://beaker@127.0.0.1:%d/postgres?sslmode=disable", port)
	return startDatabase(ctx, dsn, o, spec, install)
}
