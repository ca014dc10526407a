// Package backend turns what --store says into a place for sessions.
package backend

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed12c5fab1/beaker"
)

// Backend is a place for sessions that is open. It is made by Open.
type Backend struct {
	place string
	close []func() error // the first is closed first
}

// Place says where sessions are kept, for people. There is no password in it.
func (b *Backend) Place() string { return b.place }

// Close closes what Open has opened.
func (b *Backend) Close() error {
	var errs []error
	for _, c := range b.close {
		errs = append(errs, c())
	}
	b.close = nil
	return errors.Join(errs...)
}

// request is what was asked for.
type request struct {
	spec string // all of it
	arg  string // what is after the first colon
	data string // the data folder
}

// kind is one way to keep sessions.
type kind struct {
	schemes []string // what can be before the first colon
	form    string   // what to type
	about   string
	// open puts the store into the configuration. It is given all of that because not
	// every way to keep sessions is a Store.
	open func(context.Context, request, *beaker.Config) (*Backend, error)
}

// kinds is the only place that knows which there are.
func kinds() []kind {
	return []kind{
		{[]string{"sqlite"}, "sqlite:PATH", "in an SQLite file", openSQLite},
		{[]string{"file"}, "file:DIR", "one file each, in a folder", openFile},
		{[]string{"memory"}, "memory", "in this process: gone when it ends", openMemory},
		{[]string{"cookie"}, "cookie", "sealed in the cookie itself; logouts in DATA/revoked", openCookie},
		{[]string{"postgres", "postgresql"}, "postgres://...", "PostgreSQL, at USER:PASSWORD@HOST:PORT/DATABASE", openPostgres},
		{[]string{"mysql", "mariadb"}, "mysql://...", "MariaDB or MySQL, written in the same way", openMySQL},
		{[]string{"redis", "rediss"}, "redis://...", "Redis, at USER:PASSWORD@HOST:PORT/DATABASE; rediss:// over TLS", openRedis},
		{[]string{"memcached"}, "memcached://...", "memcached, at HOST:PORT,HOST:PORT?generation=1", openMemcached},
	}
}

// Open makes what spec names the store of cfg, or what stands for one. The folder data
// is there already; what has no place of its own is kept in it.
func Open(ctx context.Context, spec, data string, cfg *beaker.Config) (*Backend, error) {
	scheme, arg, _ := strings.Cut(spec, ":")
	for _, k := range kinds() {
		if !slices.Contains(k.schemes, scheme) {
			continue
		}
		b, err := k.open(ctx, request{spec, arg, data}, cfg)
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", scheme, err) // not spec, which may hold a password
		}
		return b, nil
	}
	return nil, fmt.Errorf("unknown store%s: use one of\n%s", quoted(scheme), Forms())
}

var word = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{0,15}$`)

// quoted returns what may be shown of a scheme that is not known: of a DSN in another
// form all may be before the first colon, password included.
func quoted(scheme string) string {
	if !word.MatchString(scheme) {
		return ""
	}
	return fmt.Sprintf(" %q", scheme)
}

// Forms lists what can be asked for, a line each.
func Forms() string {
	lines := make([]string, 0, len(kinds()))
	for _, k := range kinds() {
		lines = append(lines, fmt.Sprintf("  %-14s %s", k.form, k.about))
	}
	return strings.Join(lines, "\n")
}
