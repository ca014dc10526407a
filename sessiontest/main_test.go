package sessiontest_test

import (
	"os"
	"testing"

	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// No log of these tests holds what opens a session.
func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }
