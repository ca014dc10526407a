// Beaker runs a demonstration of the session library, and makes secrets for it.
package main

import (
	"os"

	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/cli"
)

func main() { os.Exit(cli.Main()) }
