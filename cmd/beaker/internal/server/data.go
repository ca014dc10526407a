package server

import (
	"errors"
	"fmt"
	"io/fs"
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
	if err := makeSecrets(path); err != nil {
		return nil, explainData(err)
	}
	s, err := beaker.SecretsFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w\nor remove it, and the next start makes new secrets; that signs everybody out", err)
	}
	return s, nil
}

// makeSecrets writes the file if there is none.
func makeSecrets(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err // nil: it is there
	}
	return placeSecrets(path)
}

// placeSecrets gives the file its name when it is complete, and only if the name is
// free: of two processes that start at once, one wins and neither reads half a secret.
func placeSecrets(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secrets-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // what stays is readable by the owner only
	_, err = f.WriteString("# Signs the session cookies. Whoever has it can make them.\n" + beaker.NewSecret() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
