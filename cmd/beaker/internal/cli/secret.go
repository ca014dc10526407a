package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed12c5fab1/beaker"
)

func secret() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Print a fresh secret",
		Long: `Print a fresh secret for Config.Secrets: an id, a colon and 32 random bytes.

Keep it where your other secrets are, the same on every node. In a file, nobody but
its owner may read it:

  (umask 077; beaker secret > secrets)`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), beaker.NewSecret())
			return err // a secret that was written in part must not look like one
		},
	}
}
