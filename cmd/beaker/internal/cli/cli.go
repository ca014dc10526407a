// Package cli is the beaker command: its arguments, its output and its exit status.
package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	// Cobra, because a command line is a promise for years: its first major version
	// is its only one, since 2013, and what most Go tools are built with will be
	// looked after. It brings two small packages. urfave/cli, the other candidate,
	// needs none, and is at its third incompatible API.
	"github.com/spf13/cobra"
)

// Main runs the command with the process's arguments and returns the exit status:
// 0, or 1 after an error, which it prints.
func Main() int {
	// SIGTERM is how service managers and containers ask; on Windows it never comes.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// From the first signal on, the next one has its usual effect: whoever presses
	// Ctrl-C twice does not want to wait.
	context.AfterFunc(ctx, stop)

	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "beaker",
		Short: "Sessions for Go's net/http: see them work, make their secrets",
		Long: `Beaker is a library of sessions for Go's net/http.
This command runs a demonstration of it and makes the secrets that it needs.`,
		SilenceErrors: true, // Main prints them, once
		SilenceUsage:  true, // a page of flags hides what went wrong
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w (see %q)", err, c.CommandPath()+" --help")
	})
	c.AddCommand(demo(), secret(), version())
	return c
}
