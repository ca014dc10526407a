package guide

import (
	"context"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func cookiesLeaked(secrets *beaker.Secrets, leak time.Time) {
	//docs:begin leaked
	secrets.RejectIssuedBefore(leak) // on every node, and again after a restart
	//docs:end leaked
}

func endAll(ctx context.Context, sessions *beaker.Manager) (ended int, err error) {
	//docs:begin all
	for info, err := range sessions.ListAll(ctx) {
		if err != nil {
			return ended, err
		}
		if err := sessions.Revoke(ctx, info.Handle()); err == nil {
			ended++
		}
	}
	//docs:end all
	return ended, nil
}
