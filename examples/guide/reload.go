package guide

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed12c5fab1/beaker"
)

func reloadOnHangup(secrets *beaker.Secrets) chan os.Signal {
	//docs:begin hangup
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for range hangup {
			if err := secrets.Reload(); err != nil {
				slog.Error("the old secrets stay", "error", err)
			}
		}
	}()
	//docs:end hangup
	return hangup
}
