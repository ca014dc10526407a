// Package linear_test checks stores for linearizability: whatever overlapping calls
// return, there must be an order of them, one after the other, in which a plain record
// and Merge return the same.
package linear_test

import (
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed12c5fab1/beaker/internal/leaks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Watch(m)) }

// soak multiplies the number of histories: BEAKER_SOAK=100 is for a night.
func soak(t *testing.T) int {
	t.Helper()
	text := os.Getenv("BEAKER_SOAK")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("BEAKER_SOAK is %q: give a number from 1", text)
	}
	return n
}
