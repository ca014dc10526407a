package mapstore_test

import (
	"os"
	"testing"
)

// The table in README.md is of the stores that can be had; this one is an example.
func TestMain(m *testing.M) {
	if err := os.Unsetenv("BEAKER_GUARANTEES"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
