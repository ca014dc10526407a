package cli

import (
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/backend"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/server"
)

func demo() *cobra.Command {
	var opts server.Options
	var verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a small site that shows what sessions do",
		Long: `Run a small site that shows what sessions do: signing in, a cart, messages, a list
of your devices, and for each request what the library did for it. The same is there
as JSON for curl. Unless --store says otherwise, everything is kept in one folder,
which is made if it is not there; remove the folder and it was never here.

It ends on Ctrl-C and on SIGTERM. Who is signed in then still is after the next start,
except with --store memory.`,
		Example: `  beaker demo
  beaker demo --addr localhost:0 --store memory
  PGPASSWORD=... beaker demo --store postgres://beaker@localhost/beaker
  curl -sc jar -b jar http://localhost:8080/api/session`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if opts.Store == "" {
				opts.Store = "sqlite:" + filepath.Join(opts.Data, "sessions.db")
			}
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			opts.Log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			opts.Out = c.OutOrStdout()
			return server.Run(c.Context(), opts)
		},
	}
	f := c.Flags()
	f.SortFlags = false // the most wanted first
	f.StringVar(&opts.Addr, "addr", "localhost:8080", "`host:port` to listen on; port 0 takes any free one")
	f.StringVar(&opts.Data, "data", "beaker-data", "`folder` for the secrets and the sessions")
	f.StringVar(&opts.Store, "store", "", "`where` sessions are kept (default \"sqlite:DATA/sessions.db\"):\n"+backend.Forms())
	f.StringArrayVar(&opts.InsecureHosts, "insecure-host", nil, "`host` on which the cookie may go without Secure: for Safari, or\na test from another machine; never one that the internet can reach")
	f.BoolVarP(&verbose, "verbose", "v", false, "log every load and save too")
	return c
}
