package storetest

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// recorder is a test whose failure is looked at instead of reported.
type recorder struct {
	ctx    context.Context // it stands in for *testing.T, which holds one
	name   string
	parent *recorder

	mu       sync.Mutex
	failed   bool
	messages []string
	cleanups []func()
}

var _ tb = (*recorder)(nil)

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
	r.mu.Unlock()
	for p := r; p != nil; p = p.parent {
		p.mu.Lock()
		p.failed = true
		p.mu.Unlock()
	}
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// sub runs f in a goroutine of its own, so that Fatalf ends f alone; a panic is a
// failure like any other.
func (r *recorder) sub(name string, f func(tb)) *recorder {
	child := &recorder{ctx: r.ctx, name: name, parent: r}
	protected := func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				if p := recover(); p != nil {
					child.Errorf("panic: %v\n%s", p, debug.Stack())
				}
			}()
			f()
		}()
		<-done
	}
	protected(func() { f(child) })
	for _, f := range slices.Backward(child.cleanups) {
		protected(f)
	}
	return child
}

// outcomes are what the failed checks said.
type outcomes map[checkID]string

type checkID struct{ promise, check string }

// examine runs promises on stores and returns the report's rows and what failed.
func examine(t *testing.T, nodes bool, rounds int, promises []promise, open func() (a, b beaker.Store)) ([]Row, outcomes) {
	t.Helper()
	failed := outcomes{}
	var path []string
	s := &suite{
		nodes:    nodes,
		rounds:   rounds,
		patience: 20 * time.Millisecond,
		open: func(t tb) (a, b beaker.Store) {
			a, b = open()
			closeAfter(t, a)
			if nodes {
				closeAfter(t, b)
			}
			return a, b
		},
	}
	s.sub = func(parent tb, name string, f func(tb)) {
		path = append(path, name)
		child := parent.(*recorder).sub(name, f)
		if len(child.messages) > 0 {
			failed[checkID{path[0], path[len(path)-1]}] = strings.Join(child.messages, "\n")
		}
		path = path[:len(path)-1]
	}
	root := &recorder{ctx: t.Context()}
	var rows []Row
	run := root.sub("suite", func(t tb) { rows = s.run(t, promises) })
	for _, m := range run.messages {
		t.Errorf("outside of any check: %s", m)
	}
	return rows, failed
}
