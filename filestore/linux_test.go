package filestore_test

import (
	"context"
	"os"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

// Not parallel, and no other test runs beside it: the descriptors are the process's.
func TestCloseGivesBackAllDescriptors(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	ctx, dir := context.Background(), t.TempDir()
	// The first store may open what the runtime keeps, such as its poller.
	for round := range 2 {
		before := count()
		s, err := filestore.Open(dir, &filestore.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			create(t, s, metaFor(1000*round+i, "alice"))
		}
		if _, err := s.RevokeSubject(ctx, "alice", now-1); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.List(ctx, beaker.ListQuery{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Purge(ctx, now, 10); err != nil {
			t.Fatal(err)
		}
		if held := count() - before; held < 100 || held > 257+2 {
			t.Errorf("an open store holds %d descriptors", held)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if after := count(); round > 0 && after != before {
			t.Errorf("%d descriptors before, %d after Close", before, after)
		}
	}
}
