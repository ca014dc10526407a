package filestore_test

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) beaker.Store { return open(t, t.TempDir(), nil) }).Store = "filestore"
}

// Two stores on one directory have descriptors of their own, as two processes have.
// What keeps them apart are the locks, so nothing needs to reach the disk.
func TestNodesOnOneDirectoryKeepTheContract(t *testing.T) {
	storetest.RunNodes(t, func(t *testing.T) (a, b beaker.Store) {
		dir, opts := t.TempDir(), &filestore.Options{NoSync: true}
		return open(t, dir, opts), open(t, dir, opts)
	}).Store = "filestore"
}
