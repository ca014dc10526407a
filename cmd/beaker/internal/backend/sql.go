package backend

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

const (
	// startLimit is how long a database may take to answer at the start. A server
	// behind a firewall that drops packets never does.
	startLimit = 10 * time.Second
	maxConns   = 10
	// maxIdle is shorter than what servers, and what is between, allow a connection
	// that nobody uses.
	maxIdle = time.Minute
)

// openSQL makes the tables and the store, and closes db if that fails.
func openSQL(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, place string, cfg *beaker.Config) (*Backend, error) {
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	db.SetConnMaxIdleTime(maxIdle)
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	err := sqlstore.Migrate(limited, db, dialect, nil)
	var s *sqlstore.Store
	if err == nil {
		s, err = sqlstore.New(limited, db, dialect, nil)
	}
	if err != nil {
		return nil, errors.Join(noAnswer(ctx, err), db.Close())
	}
	cfg.Store = s
	return &Backend{place, []func() error{s.Close, db.Close}}, nil
}

// checkURL returns an error if a URL cannot be in the form that is wanted. It never
// says what is wrong with it: where a password has characters that should have been
// escaped, parts of it are in the wrong place, and in the parser's message.
func checkURL(arg, form string) error {
	rest, ok := strings.CutPrefix(arg, "//")
	if !ok {
		return badURL(form)
	}
	// An @ after the host is nearly always the end of a password that has a slash in
	// it, and one more before the host is part of a password. What comes before the slash,
	// or after that @, would be taken for the host, and be shown.
	if strings.Count(rest, "@") > 1 {
		return badURL(form)
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 && strings.Contains(rest[i:], "@") {
		return badURL(form)
	}
	return nil
}

func badURL(form string) error {
	return fmt.Errorf("this URL is not understood; the form is\n  %s\nand all but letters and digits in the password is written as %%XX: %%40 for @, %%2F for /", form)
}
