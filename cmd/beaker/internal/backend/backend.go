// Package backend turns what --store says into a store.
package backend

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/memstore"
)

// kind is one way to keep sessions.
type kind struct {
	scheme string // before the first colon
	form   string // what to type
	about  string
	// open puts the store into cfg, and returns what to close at the end. It is given
	// the whole configuration because not every way to keep sessions is a Store.
	open func(arg string, cfg *beaker.Config) (io.Closer, error)
}

// kinds is the only place that knows which there are.
func kinds() []kind {
	return []kind{
		{"memory", "memory", "in this process: gone when it ends", openMemory},
		{"file", "file:DIR", "one file each, in a folder", openFile},
	}
}

// Open makes the store that spec names the one of cfg. The closer closes it.
func Open(spec string, cfg *beaker.Config) (io.Closer, error) {
	scheme, arg, _ := strings.Cut(spec, ":")
	for _, k := range kinds() {
		if k.scheme != scheme {
			continue
		}
		c, err := k.open(arg, cfg)
		if err != nil {
			return nil, fmt.Errorf("store %s: %w", k.scheme, err) // not spec, which may hold a password
		}
		return c, nil
	}
	return nil, fmt.Errorf("unknown store %q: use one of\n%s", scheme, Forms())
}

// Forms lists what can be asked for, a line each.
func Forms() string {
	lines := make([]string, 0, len(kinds()))
	for _, k := range kinds() {
		lines = append(lines, fmt.Sprintf("  %-10s %s", k.form, k.about))
	}
	return strings.Join(lines, "\n")
}

func openMemory(arg string, cfg *beaker.Config) (io.Closer, error) {
	if arg != "" {
		return nil, errors.New("takes nothing after the colon")
	}
	s, err := memstore.New(nil)
	if err != nil {
		return nil, err
	}
	cfg.Store = s
	return s, nil
}

func openFile(dir string, cfg *beaker.Config) (io.Closer, error) {
	if dir == "" {
		return nil, errors.New("which folder? say file:DIR, for example file:beaker-data/sessions")
	}
	s, err := filestore.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	cfg.Store = s
	return s, nil
}
