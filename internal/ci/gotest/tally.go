package gotest

// Tally counts tests over several runs. A test that ran in several ways counts
// once, and as passed only if it passed in each.
type Tally struct {
	passed map[[2]string]bool
}

// Add counts the tests of a run.
func (t *Tally) Add(r *Run) {
	if t.passed == nil {
		t.passed = map[[2]string]bool{}
	}
	for _, test := range r.Tests {
		k := [2]string{test.Package, test.Name}
		before, known := t.passed[k]
		t.passed[k] = test.Outcome == Passed && (before || !known)
	}
}

// Counts returns how many tests passed, and how many did not.
func (t *Tally) Counts() (passed, failed int) {
	for _, ok := range t.passed {
		if ok {
			passed++
		} else {
			failed++
		}
	}
	return passed, failed
}
