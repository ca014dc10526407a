package browsertest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
)

// watch collects what a browser complains of: exceptions, errors and warnings in the
// console, violations of the Content-Security-Policy, refused cookies, and whatever
// else its developer tools list as an issue. What no test expects fails the test.
type watch struct {
	mu       sync.Mutex
	problems []string
	ignored  bool
	expected map[string]int
	more     chan struct{} // has room for one: something was added
}

func newWatch() *watch { return &watch{expected: map[string]int{}, more: make(chan struct{}, 1)} }

// expect says that the browser will complain once with this text.
func (w *watch) expect(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected[text]++
}

// status is how it complains of an answer that is an error.
func status(code int) string { return fmt.Sprintf("responded with a status of %d", code) }

func (w *watch) event(ev any) {
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		w.add("exception", e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		w.add("console."+string(e.Type), e.Args)
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelVerbose && e.Entry.Level != log.EntryLevelInfo {
			w.add("log", e.Entry)
		}
	case *audits.EventIssueAdded:
		w.add("issue", e.Issue)
	}
}

func (w *watch) add(kind string, v any) {
	text := fmt.Sprintf("%+v", v)
	if b, err := json.Marshal(v); err == nil {
		text = string(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, kind+": "+text)
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// forget drops what was collected.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = nil
}

// ignore makes nothing of it a failure.
func (w *watch) ignore() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ignored = true
}

// wait returns what was collected, once something with text is among it.
func (w *watch) wait(t *testing.T, text string) []string {
	t.Helper()
	late := time.After(patience / 6) // the page has done it already
	for {
		w.mu.Lock()
		all := slices.Clone(w.problems)
		w.mu.Unlock()
		if strings.Contains(strings.Join(all, "\n"), text) {
			return all
		}
		select {
		case <-w.more:
		case <-late:
			return all
		}
	}
}

// report fails the test for what was not expected.
func (w *watch) report(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ignored {
		return
	}
next:
	for _, p := range w.problems {
		for text, n := range w.expected {
			if n > 0 && strings.Contains(p, text) {
				w.expected[text]--
				continue next
			}
		}
		t.Errorf("the browser complains: %s", p)
	}
}
