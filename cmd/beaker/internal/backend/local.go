package backend

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/memstore"
)

var errNothingAfterTheColon = errors.New("takes nothing after the colon")

func openMemory(_ context.Context, r request, cfg *beaker.Config) (*Backend, error) {
	if r.arg != "" {
		return nil, errNothingAfterTheColon
	}
	s, err := memstore.New(nil)
	if err != nil {
		return nil, err
	}
	cfg.Store = s
	return &Backend{"memory", []func() error{s.Close}}, nil
}

func openFile(_ context.Context, r request, cfg *beaker.Config) (*Backend, error) {
	if r.arg == "" {
		return nil, errors.New("which folder? say file:DIR, for example file:beaker-data/sessions")
	}
	s, err := filestore.Open(r.arg, nil)
	if err != nil {
		return nil, err
	}
	cfg.Store = s
	return &Backend{r.arg, []func() error{s.Close}}, nil
}

// openCookie keeps the sessions in their cookies. What a cookie cannot do is to end
// where it was copied to, so logouts are remembered here.
func openCookie(_ context.Context, r request, cfg *beaker.Config) (*Backend, error) {
	if r.arg != "" {
		return nil, errNothingAfterTheColon
	}
	dir := filepath.Join(r.data, "revoked")
	s, err := filestore.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	cfg.Sealed = &beaker.Sealed{Revoker: s}
	return &Backend{"their cookies, logouts in " + dir, []func() error{s.Close}}, nil
}
