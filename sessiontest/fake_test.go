package sessiontest_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeT is a testing.TB whose failures are looked at and do not fail the test.
type fakeT struct {
	testing.TB // for the methods that no test may implement

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (t *fakeT) Helper() {}

func (t *fakeT) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

func (t *fakeT) Errorf(format string, args ...any) { t.Error(fmt.Sprintf(format, args...)) }

func (t *fakeT) Error(args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprint(args...))
}

func (t *fakeT) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// done is the end of the test: it runs the cleanups and returns what failed.
func (t *fakeT) done() []string {
	t.mu.Lock()
	cleanups := slices.Clone(t.cleanups)
	t.cleanups = nil
	t.mu.Unlock()
	for _, f := range slices.Backward(cleanups) {
		f()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.failures)
}

// run runs f as a test and returns what failed.
func (t *fakeT) run(f func()) []string {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f()
	}()
	<-ended
	return t.done()
}

func wantFailure(t *testing.T, failures []string, part string) {
	t.Helper()
	if len(failures) != 1 || !strings.Contains(failures[0], part) {
		t.Errorf("failures = %q, want one that contains %q", failures, part)
	}
}
