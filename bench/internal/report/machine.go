package report

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine says what this runs on.
func Machine() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %s/%s, %d processors (%s), load %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model, Load())
}

// Load is what else the machine does: how many processes want to run, on average over
// the last one, five and fifteen minutes.
func Load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	f := strings.Fields(string(b))
	return strings.Join(f[:min(3, len(f))], " ")
}
