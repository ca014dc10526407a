package memstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// An account that signs in over and over does not lock everybody else out.
func TestACrowdMakesRoomForOthers(t *testing.T) {
	const limit, crowd = 1000, 16
	s := open(t, &memstore.Options{MaxEntries: limit})
	for n := range limit / 4 {
		create(t, s, record(t, n, fmt.Sprint("user ", n%50), start, 100)) // five each
	}
	for n := range 10 * limit {
		create(t, s, record(t, limit+n, "mallory", start.Add(time.Duration(n)), 100))
	}
	for n := range limit / 4 {
		create(t, s, record(t, 20*limit+n, fmt.Sprint("late ", n), start, 100))
	}
	for n := range limit / 4 {
		if !has(t, s, n) || !has(t, s, 20*limit+n) {
			t.Fatalf("session %d has lost its place to the crowd", n)
		}
	}
	// Until it is none any more. Which of others are found is chance, so the last of the
	// crowd may stay.
	left := 0
	var err error
	for n := range limit {
		if err = s.Create(t.Context(), record(t, 30*limit+n, fmt.Sprint("more ", n), start, 100)); err != nil {
			break
		}
	}
	for n := range 10 * limit {
		if has(t, s, limit+n) {
			left++
		}
	}
	if !errors.Is(err, beaker.ErrStoreFull) || left < crowd {
		t.Errorf("the crowd has %d sessions left, want at least %d: %v", left, crowd, err)
	}
	check(t, s)
}

// What nobody may lose stays: sessions of many, and revocations, which have a subject each.
func TestAFullStoreWithoutACrowdRefuses(t *testing.T) {
	const limit, crowd = 160, 16
	s := open(t, &memstore.Options{MaxEntries: limit})
	for n := range limit {
		create(t, s, record(t, n, fmt.Sprint("user ", n/crowd), start, 100))
	}
	for _, subject := range []string{"", "user 1", "another"} {
		if err := s.Create(t.Context(), record(t, limit, subject, start, 100)); !errors.Is(err, beaker.ErrStoreFull) {
			t.Errorf("Create for %q: %v", subject, err)
		}
	}
	for n := range limit {
		if !has(t, s, n) {
			t.Errorf("session %d has gone", n)
		}
	}
	check(t, s)
}
