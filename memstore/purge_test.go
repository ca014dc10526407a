package memstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

func TestPurgeIsBoundedAndComplete(t *testing.T) {
	const expired, live, limit = 5000, 3000, 700
	s := open(t, nil)
	for n := range expired {
		create(t, s, record(t, n, []string{"", "u"}[n%2], start, 10))
	}
	now := start.Add(idle)
	for n := range live {
		create(t, s, record(t, expired+n, []string{"", "u"}[n%2], start+1, 10))
	}
	total := 0
	for {
		n, err := s.Purge(t.Context(), now, limit)
		if err != nil {
			t.Fatal(err)
		}
		if n > limit {
			t.Fatalf("removed %d, at most %d were asked for", n, limit)
		}
		total += n
		check(t, s)
		if n < limit {
			break
		}
	}
	if total != expired {
		t.Errorf("removed %d, want %d: fewer than the limit means that none are left", total, expired)
	}
	for n := range expired + live {
		if want := n >= expired; has(t, s, n) != want {
			t.Fatalf("session %d is there: %v", n, !want)
		}
	}
	if n, err := s.Purge(t.Context(), now, limit); n != 0 || err != nil {
		t.Errorf("once more: %d, %v", n, err)
	}
	for _, limit := range []int{0, -1} {
		if n, err := s.Purge(t.Context(), now.Add(time.Hour), limit); n != 0 || err != nil || s.Stats().Sessions != live {
			t.Errorf("limit %d: %d, %v", limit, n, err)
		}
	}
}

// ST-4: what was touched in time stays, also when it was due at first.
func TestPurgeJudgesTheRecordAsItIsNow(t *testing.T) {
	s := open(t, nil)
	for n := range 1000 {
		create(t, s, record(t, n, "", start, 10))
	}
	later := start.Add(20 * time.Minute)
	for n := 0; n < 1000; n += 3 {
		if _, err := s.Apply(t.Context(), key(n), &beaker.Change{Now: later, Proof: proof(n), Touch: later}); err != nil {
			t.Fatal(err)
		}
	}
	// And the other way round: made shorter.
	for n := 1; n < 1000; n += 3 {
		if _, err := s.Apply(t.Context(), key(n), &beaker.Change{Now: later, Proof: proof(n), Touch: later, Idle: 5 * time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	check(t, s)
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{25*time.Minute - 1e6, 0}, {25 * time.Minute, 333}, {30 * time.Minute, 333}, {50*time.Minute - 1e6, 0}, {50 * time.Minute, 334}} {
		if n, err := s.Purge(t.Context(), start.Add(tt.after), 10_000); err != nil || n != tt.want {
			t.Errorf("%v after: %d, %v; want %d", tt.after, n, err, tt.want)
		}
		check(t, s)
	}
}

func TestPurgeGivesMemoryBack(t *testing.T) {
	s := open(t, nil)
	for n := range 100_000 {
		create(t, s, record(t, n, "", start, 0))
	}
	if _, err := s.Purge(t.Context(), start.Add(idle), 100_000); err != nil {
		t.Fatal(err)
	}
	if got := memstore.Held(s); got > 100*memstore.Shards(s) {
		t.Errorf("an empty store keeps room for %d entries in %d shards", got, memstore.Shards(s))
	}
}

// A Purge does not wait for shards in which nothing has expired.
func TestPurgeVisitsOnlyShardsWithExpiredSessions(t *testing.T) {
	s := open(t, nil)
	create(t, s, record(t, 0, "", start, 0))
	other := 1
	for memstore.SameShard(s, key(0), key(other)) {
		other++
	}
	create(t, s, recordFor(t, other, "", start, time.Minute, 0))
	_, _, free := memstore.HoldShardOf(s, key(0))
	defer free()
	if n, err := s.Purge(t.Context(), start.Add(time.Minute), 10); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := s.Load(t.Context(), key(other)); !errors.Is(err, beaker.ErrNotFound) {
		t.Fatal(err)
	}
}
