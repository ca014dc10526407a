//go:build linux

package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Database is an SQL server with an empty database of its own.
type Database struct {
	*Process
	DSN string // as the driver reads it that DatabaseOptions.Ready is given
}

// utc is so that a test that prints a time is the same everywhere.
var utc = []string{"TZ=UTC"}

// DatabaseOptions say how an SQL server is run.
type DatabaseOptions struct {
	// Ready connects to a DSN, by the caller's driver, and asks for an answer: this
	// package has no drivers.
	Ready func(ctx context.Context, dsn string) error
	// Hasty servers do not sync commits to the disk, which is most of what a test waits
	// for. They survive being killed, but not the machine. What is measured is measured
	// without.
	Hasty bool
	// MaxFile is how many bytes a file of the server may have; zero: as many as the disk
	// holds. A write that goes past it is cut short, as on a full disk.
	MaxFile int64
	// Args are more arguments of the server.
	Args []string
}

// startDatabase makes an empty database in a new folder and starts its server. Both are
// given the folder; without it, the database is made anew.
func startDatabase(ctx context.Context, dsn string, o DatabaseOptions, spec, install Spec) (*Database, error) {
	spec.Args = slices.Concat(spec.Args, o.Args)
	if o.MaxFile > 0 {
		const block = 512 // is what ulimit counts in
		spec.Args = slices.Concat([]string{"/bin/sh", "-c", `ulimit -f "$0"; exec "$@"`, fmt.Sprint(o.MaxFile / block)}, spec.Args)
	}
	spec.Ready = func(ctx context.Context) error { return o.Ready(ctx, dsn) }
	err := Run(install)
	if err == nil {
		var p *Process
		if p, err = Start(ctx, spec); err == nil {
			return &Database{p, dsn}, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(spec.Dir))
}

// Remove ends the server and removes its folder.
func (d *Database) Remove() error {
	d.Close()
	return os.RemoveAll(d.spec.Dir)
}
