package backend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

const redisForm = "redis://USER:PASSWORD@HOST:PORT/DATABASE"

func openRedis(ctx context.Context, r request, cfg *beaker.Config) (*Backend, error) {
	u, place, err := redisURL(r)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s, err := redisstore.Open(limited, u, nil)
	if err != nil {
		return nil, noAnswer(ctx, err)
	}
	cfg.Store = s
	return &Backend{place, []func() error{s.Close}}, nil
}

// redisURL leaves a password that the URL does not have to the environment, as the
// command redis-cli does.
func redisURL(r request) (text, place string, err error) {
	if err := checkURL(r.arg, redisForm); err != nil {
		return "", "", err
	}
	u, err := url.Parse(r.spec)
	if err != nil || u.Host == "" {
		return "", "", badURL(redisForm)
	}
	if _, ok := u.User.Password(); !ok && os.Getenv("REDISCLI_AUTH") != "" {
		u.User = url.UserPassword(u.User.Username(), os.Getenv("REDISCLI_AUTH"))
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "6379"
	}
	place = "Redis at " + net.JoinHostPort(host, port)
	if db := strings.Trim(u.Path, "/"); db != "" {
		place += ", database " + db
	}
	return u.String(), place, nil
}

// noAnswer explains a start that the limit has ended, and not the caller.
func noAnswer(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w\nno answer within %v: check that the server runs, and that the address is its own", err, startLimit)
	}
	return err
}
