// Package model_test compares sessions with a model of them, in random sequences of
// requests: a plain map, and the rules about who may see it and until when.
package model_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// TestMain keeps the number of sequences small; BEAKER_SOAK multiplies it, and
// -rapid.checks sets it.
func TestMain(m *testing.M) {
	const checks = 150
	soak := 1
	if text := os.Getenv("BEAKER_SOAK"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "BEAKER_SOAK is %q: give a number from 1\n", text)
			os.Exit(2)
		}
		soak = n
	}
	for name, value := range map[string]string{"rapid.checks": strconv.Itoa(checks * soak), "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	goleak.VerifyTestMain(leaks.Watch(m))
}
