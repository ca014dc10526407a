package backend

import (
	"context"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

const postgresForm = "postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full"

// openPostgres leaves what the URL does not say to pgx, which asks the environment
// (PGHOST, PGPASSWORD...) and ~/.pgpass: there a password is safer than in a command
// line, which everybody on the machine can read.
func openPostgres(ctx context.Context, r request, cfg *beaker.Config) (*Backend, error) {
	c, place, err := postgresConfig(r)
	if err != nil {
		return nil, err
	}
	return openSQL(ctx, stdlib.OpenDB(*c), sqlstore.PostgreSQL, place, cfg)
}

func postgresConfig(r request) (c *pgx.ConnConfig, place string, err error) {
	if err := checkURL(r.arg, postgresForm); err != nil {
		return nil, "", err
	}
	c, err = pgx.ParseConfig(r.spec)
	if err != nil {
		return nil, "", badURL(postgresForm)
	}
	place = "PostgreSQL at " + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	if c.Database != "" {
		place += ", database " + c.Database
	}
	return c, place, nil
}
