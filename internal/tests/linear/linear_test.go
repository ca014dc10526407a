package linear_test

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/memstore"
)

// checkStore makes histories on stores, which are values of one store.
func checkStore(t *testing.T, histories int, stores ...beaker.Store) {
	t.Helper()
	overlaps, calls := 0, 0
	for seed := range uint64(histories * soak(t)) {
		h := record(seed, stores)
		if err := h.check(); err != nil {
			t.Fatal(err)
		}
		overlaps += h.overlaps()
		calls += len(h.ops)
	}
	t.Logf("%d calls, %d pairs of them overlapping", calls, overlaps)
}

func TestMemstoreIsLinearizable(t *testing.T) {
	s, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	checkStore(t, 300, s)
}

func openFiles(t *testing.T, dir string) beaker.Store {
	t.Helper()
	s, err := filestore.Open(dir, &filestore.Options{NoSync: true}) // what a power failure leaves is not the question here
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestFilestoreIsLinearizable(t *testing.T) {
	checkStore(t, 60, openFiles(t, t.TempDir()))
}

// Two values stand for two processes: they share nothing but the directory.
func TestTwoFilestoresOnOneDirectoryAreLinearizable(t *testing.T) {
	dir := t.TempDir()
	checkStore(t, 60, openFiles(t, dir), openFiles(t, dir))
}
