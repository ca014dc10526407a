//go:build linux

package engines

import (
	"context"
	"fmt"
	"strconv"
)

// MariaDB starts a MariaDB server, from Debian's package mariadb-server. The DSN is as
// github.com/go-sql-driver/mysql reads it, without parameters, and its user may do
// everything.
func MariaDB(ctx context.Context, o DatabaseOptions) (*Database, error) {
	const account = "mysql"
	installer, err := Program("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	server, err := Program("mariadbd")
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
	install := Spec{Dir: dir, Account: account, Env: utc, Args: append([]string{
		installer, "--no-defaults", "--datadir=" + dir + "/data", "--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve",
	}, o.Args...)} // those that say what files there are count when they are made
	spec := Spec{Dir: dir, Account: account, Env: utc, Args: []string{
		server, "--no-defaults", "--datadir=" + dir + "/data", "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1",
		"--socket=" + dir + "/socket", "--pid-file=" + dir + "/pid", "--skip-name-resolve", "--max-connections=200",
		"--innodb-buffer-pool-size=64M", "--lc-messages-dir=/usr/share/mysql",
	}}
	if o.Hasty {
		spec.Args = append(spec.Args, "--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0")
	}
	dsn := fmt.Sprintf("root@tcp(127.0.0.1:%d)/mysql", port)
	return startDatabase(ctx, dsn, o, spec, install)
}
