package mapstore_test

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/examples/guide/mapstore"
	"github.com/seed12c5fab1/beaker/storetest"
)

//docs:begin test

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) beaker.Store { return mapstore.New() })
}

//docs:end test
