package guide

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

//docs:begin run

// run serves until ctx ends, and then lets requests finish.
func run(ctx context.Context, addr, data string, handler func(*beaker.Manager) http.Handler) error {
	secrets, err := beaker.OpenSecrets(filepath.Join(data, "secrets")) // made at the first start
	if err != nil {
		return err
	}
	store, err := filestore.Open(filepath.Join(data, "sessions"), nil)
	if err != nil {
		return err
	}
	defer store.Close()
	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		return err
	}
	server := &http.Server{Addr: addr, Handler: handler(sessions), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		_ = sessions.Close() // streams that watch their session end now
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped // then the store, which requests under way have used until now
}

//docs:end run
