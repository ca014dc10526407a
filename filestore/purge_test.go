package filestore_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

func TestPurgeRemovesWhatIsExpiredAndNothingElse(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir(), nil)
	const sessions = 60
	expired := func(i int) bool { return i%3 == 0 }
	for i := range sessions {
		m := metaOf(i)
		m.Touched = now - 1000
		m.Idle = 1001 * time.Millisecond // until now+1
		switch {
		case expired(i) && i%2 == 0:
			m.Idle = time.Second // until now
		case expired(i):
			m.Absolute = now
		}
		create(t, s, m)
	}
	var counts []int
	for {
		n, err := s.Purge(ctx, now, 6)
		if err != nil {
			t.Fatal(err)
		}
		if counts = append(counts, n); n < 6 {
			break
		}
	}
	if !slices.Equal(counts, []int{6, 6, 6, 2}) {
		t.Errorf("removed in batches of %v", counts)
	}
	for i := range sessions {
		if _, err := s.Load(ctx, keyOf(i)); errors.Is(err, beaker.ErrNotFound) != expired(i) {
			t.Errorf("session %d: %v", i, err)
		}
	}
	if n, err := s.Purge(ctx, now, 0); n != 0 || err != nil {
		t.Errorf("Purge of none: %d, %v", n, err)
	}
}

// runsOut is a context whose deadline comes after it was asked some times.
type runsOut struct {
	context.Context
	left int
}

func (c *runsOut) Err() error {
	if c.left--; c.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// So many sessions that no call has the time to read all of them: the calls go on from
// each other, and revocations and what is left of old entries do not wait for them.
func TestPurgeGetsOnInPiecesOfTime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, &filestore.Options{NoSync: true})
	marks := func() int {
		found, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(slices.DeleteFunc(found, func(name string) bool { return !strings.HasSuffix(name, ".revoked") }))
	}
	const sessions = 300
	expired := 0
	for i := range sessions {
		m := metaOf(i)
		if i%10 == 0 {
			m.Touched, m.Idle = now-1000, time.Second
			expired++
		}
		create(t, s, m)
	}
	if _, err := s.RevokeSubject(t.Context(), "long ago", now.Add(-48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if marks() != 1 {
		t.Fatalf("%d revocations are noted", marks())
	}
	removed, calls := 0, 0
	for ; removed < expired && calls < 100; calls++ {
		n, err := s.Purge(&runsOut{context.Background(), 40}, now, 1000)
		if err != nil {
			t.Fatalf("call %d: %v", calls, err)
		}
		if removed += n; calls == 0 && marks() != 0 {
			t.Error("the revocation of two days ago waits for a call that reads everything")
		}
	}
	if removed != expired || calls < 5 {
		t.Errorf("%d of %d removed in %d calls", removed, expired, calls)
	}
	if _, err := s.Purge(&runsOut{context.Background(), 1}, now, 1000); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that gets nowhere: %v", err)
	}
}

// A position from an earlier call must not hide what expired behind it.
func TestPurgeMissesNothingBehindItsPosition(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir(), &filestore.Options{NoSync: true})
	first := beaker.RecordKey{0, 1}
	last := beaker.RecordKey{255, 1}
	for round := range 5 {
		for i, key := range []beaker.RecordKey{first, last, {byte(round * 50), 2}} {
			m := metaOf(i)
			m.Key = key
			create(t, s, m)
		}
		later := now.Add(time.Hour)
		for want := 3; want >= 0; want-- {
			if n, err := s.Purge(ctx, later, 1); n != min(want, 1) || err != nil {
				t.Fatalf("round %d, %d left: %d, %v", round, want, n, err)
			}
		}
	}

	m := metaOf(1)
	for i, key := range []beaker.RecordKey{last, first} {
		m.Key = key
		create(t, s, m)
		if n, err := s.Purge(ctx, now.Add(time.Hour), 1+i); n != 1 || err != nil {
			t.Errorf("Purge %d: %d, %v", i, n, err)
		}
	}
}

// FS-4: a writer that was killed leaves a temporary file, in a folder or the index.
func TestPurgeRemovesTemporaryFiles(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	create(t, s, metaFor(1, "alice"))
	if _, err := s.RevokeSubject(ctx, "bob", now); err != nil {
		t.Fatal(err)
	}
	k, h := keyOf(1).String()[:2], hashOf("bob")[:2]
	for _, d := range []string{k, "00", filepath.Join("subjects", h), filepath.Join("subjects", "ff")} {
		writeFile(t, filepath.Join(dir, d, ".tmp-XYZ"), []byte("half of a reco"))
	}
	if n, err := s.Purge(ctx, now, 10); n != 0 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
	for _, f := range tree(t, dir) {
		if strings.Contains(f, ".tmp-") {
			t.Errorf("still there: %s", f)
		}
	}
	if _, err := s.Load(ctx, keyOf(1)); err != nil {
		t.Error(err)
	}
}

func TestListPagesThroughAllRecords(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir(), &filestore.Options{NoSync: true})
	const sessions = 300
	var all, alice []string
	for i := range sessions {
		m := metaFor(i, "bob")
		if i%4 == 0 {
			m = metaFor(i, "alice")
			alice = append(alice, m.Key.String())
		}
		if i%3 == 0 { // some folders hold several
			m.Key[0] = 7
			if i%4 == 0 {
				alice[len(alice)-1] = m.Key.String()
			}
		}
		create(t, s, m)
		all = append(all, m.Key.String())
	}
	slices.Sort(all)
	slices.Sort(alice)
	for _, c := range []struct {
		subject string
		limit   int
		want    []string
	}{{"", 0, all}, {"", 1, all}, {"", 7, all}, {"", 1000, all}, {"alice", 0, alice}, {"alice", 1, alice}, {"alice", 10, alice}, {"carol", 10, nil}} {
		var got []string
		q := beaker.ListQuery{Subject: c.subject, Limit: c.limit}
		for range sessions + 2 {
			page, next, err := s.List(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			if c.limit > 0 && len(page) > c.limit {
				t.Fatalf("a page of %d, limit %d", len(page), c.limit)
			}
			for _, rec := range page {
				got = append(got, rec.Key().String())
			}
			if q.Cursor = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("subject %q, limit %d: %d records, want %d", c.subject, c.limit, len(got), len(c.want))
		}
	}
}
