package filestore_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

// now is the time of all tests that do not compare with the system's clock.
const now = beaker.Millis(1_800_000_000_000)

func keyOf(n int) beaker.RecordKey {
	return beaker.RecordKey(sha256.Sum256(fmt.Appendf(nil, "key %d", n)))
}

func proofOf(n int) beaker.Proof {
	return beaker.Proof(sha256.Sum256(fmt.Appendf(nil, "proof %d", n)))
}

// metaOf is session n: anonymous, used now, half an hour idle, twelve hours in all.
func metaOf(n int) beaker.Meta {
	return beaker.Meta{
		Key: keyOf(n), Proof: proofOf(n), Version: 1, Created: now, Touched: now,
		Idle: 30 * time.Minute, Absolute: now.Add(12 * time.Hour),
	}
}

func metaFor(n int, subject string) beaker.Meta {
	m := metaOf(n)
	m.Subject, m.AuthenticatedAt = subject, now
	return m
}

func record(t testing.TB, m beaker.Meta, values ...beaker.Value) *beaker.Record {
	t.Helper()
	rec, err := beaker.NewRecord(m, values)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func value(name, data string) beaker.Value { return beaker.Value{Name: name, Data: []byte(data)} }

func open(t testing.TB, dir string, opts *filestore.Options) *filestore.Store {
	t.Helper()
	s, err := filestore.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func create(t testing.TB, s beaker.Store, m beaker.Meta, values ...beaker.Value) *beaker.Record {
	t.Helper()
	rec := record(t, m, values...)
	if err := s.Create(context.Background(), rec); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return rec
}

// path is where the record lies, spelled out once more: the layout is documented.
func path(dir string, key beaker.RecordKey) string {
	h := hex.EncodeToString(key[:])
	return filepath.Join(dir, h[:2], h)
}

// tree lists the files below dir, with slashes.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func below(files []string, prefix string) (n int) {
	for _, f := range files {
		if strings.HasPrefix(f, prefix) {
			n++
		}
	}
	return n
}

func hashOf(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return hex.EncodeToString(sum[:])
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
