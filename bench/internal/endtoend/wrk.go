//go:build linux

package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// wrkScript makes wrk print what it found as JSON.
const wrkScript = `
done = function(summary, latency, requests)
  io.write(string.format('\nRESULT {"requests":%d,"micros":%d,"errors":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`

// wrk drives a server with one thread and 16 connections.
type wrk struct{ program, script string }

func newWrk(dir string) (*wrk, error) {
	program, err := exec.LookPath("wrk")
	if err != nil {
		return nil, &contest.MissingError{What: "wrk", Err: fmt.Errorf("install Debian's package wrk: %w", err)}
	}
	script := filepath.Join(dir, "result.lua")
	return &wrk{program, script}, os.WriteFile(script, []byte(wrkScript), 0o600)
}

func (w *wrk) run(ctx context.Context, p *process, path string, d time.Duration) (Load, error) {
	seconds := max(1, int(d/time.Second)) // wrk takes no less
	before, err := p.processor()
	if err != nil {
		return Load{}, err
	}
	args := []string{"-t1", "-c16", "-d" + strconv.Itoa(seconds) + "s", "-s", w.script}
	if p.cookie != "" {
		args = append(args, "-H", "Cookie: "+p.cookie)
	}
	cmd := exec.CommandContext(ctx, w.program, append(args, p.url+path)...) //nolint:gosec // our own arguments
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Load{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	after, err := p.processor()
	if err != nil {
		return Load{}, err
	}
	_, text, _ := bytes.Cut(out, []byte("RESULT "))
	var r struct{ Requests, Micros, Errors, P50, P99 int64 }
	if err := json.Unmarshal(text, &r); err != nil {
		return Load{}, fmt.Errorf("wrk says %.300q: %w", out, err)
	}
	if r.Errors != 0 || r.Requests == 0 {
		return Load{}, fmt.Errorf("%s: %d errors in %d requests: %s", path, r.Errors, r.Requests, out)
	}
	return Load{
		Rate: float64(r.Requests) / (float64(r.Micros) / 1e6), CPU: (after - before) / time.Duration(r.Requests),
		P50: time.Duration(r.P50) * time.Microsecond, P99: time.Duration(r.P99) * time.Microsecond,
	}, nil
}
