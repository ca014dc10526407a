package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

// An application hands the store to beaker.New and closes it after the manager.
func ExampleOpen() {
	tmp, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(tmp)

	store, err := filestore.Open(filepath.Join(tmp, "sessions"), nil)
	if err != nil {
		panic(err) // it says what is wrong with the directory and what to do
	}
	defer store.Close()

	_, err = store.Load(context.Background(), beaker.RecordKey{1})
	fmt.Println(errors.Is(err, beaker.ErrNotFound))
	// Output: true
}
