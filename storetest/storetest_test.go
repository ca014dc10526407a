package storetest

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
)

func TestReferencePasses(t *testing.T) {
	rep := Run(t, func(*testing.T) beaker.Store { return newReference() })
	for _, row := range rep.Rows {
		if row.Status != Kept {
			t.Errorf("%s: %s", row.Promise, row.Status)
		}
	}
	t.Log("\n" + rep.Text())
}

func TestReferenceNodesPass(t *testing.T) {
	rep := RunNodes(t, func(*testing.T) (a, b beaker.Store) {
		data := newShared()
		return &reference{shared: data}, &reference{shared: data}
	})
	for _, row := range rep.Rows {
		if row.Status != Kept {
			t.Errorf("%s: %s", row.Promise, row.Status)
		}
	}
	t.Log("\n" + rep.Text())
}
