package backend

import (
	"context"
	"database/sql"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

const mysqlForm = "mysql://USER:PASSWORD@HOST:PORT/DATABASE?tls=true"

func openMySQL(ctx context.Context, r request, cfg *beaker.Config) (*Backend, error) {
	c, place, err := mysqlConfig(r)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, badURL(mysqlForm)
	}
	return openSQL(ctx, sql.OpenDB(connector), sqlstore.MySQL, place, cfg)
}

// mysqlConfig reads a URL, as for all other servers. The driver's own form differs
// from one, user:password@tcp(host:port)/database, and is not taken.
func mysqlConfig(r request) (c *mysql.Config, place string, err error) {
	if err := checkURL(r.arg, mysqlForm); err != nil {
		return nil, "", err
	}
	u, err := url.Parse(r.spec)
	if err != nil || u.Fragment != "" {
		return nil, "", badURL(mysqlForm)
	}
	// The options are the driver's own, so the driver reads them.
	c, err = mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return nil, "", badURL(mysqlForm)
	}
	c.User = u.User.Username()
	if password, ok := u.User.Password(); ok {
		c.Passwd = password
	} else {
		c.Passwd = os.Getenv("MYSQL_PWD") // as the command mysql does
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = "localhost"
	}
	if port == "" {
		port = "3306"
	}
	c.Net, c.Addr = "tcp", net.JoinHostPort(host, port)
	if c.DBName = strings.TrimPrefix(u.Path, "/"); c.DBName == "" {
		return nil, "", badURL(mysqlForm)
	}
	// What it would write to standard error it also returns.
	c.Logger = &mysql.NopLogger{}
	return c, "MySQL at " + c.Addr + ", database " + c.DBName, nil
}
