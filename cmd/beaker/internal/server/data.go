package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed12c5fab1/beaker"
)

// openData makes the data folder and the secrets in it where they are missing, and
// reads the secrets.
func openData(dir string) (*beaker.Secrets, error) {
	if dir == "" {
		return nil, errors.New("data folder: which one? --data wants a name")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, explainData(err)
	}
	path := filepath.Join(dir, "secrets")
	s, err := beaker.OpenSecrets(path)
	if _, there := os.Lstat(path); err != nil && there != nil {
		return nil, explainData(err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w\nor remove it, and the next start makes new secrets; that signs everybody out", err)
	}
	return s, nil
}
