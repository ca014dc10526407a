package guide

import (
	"context"
	"expvar"
	"log/slog"

	"github.com/seed12c5fab1/beaker"
)

func logEverything(cfg *beaker.Config, logger *slog.Logger) {
	//docs:begin slog
	cfg.Observer = beaker.SlogObserver(logger)
	//docs:end slog
}

//docs:begin metrics

// metrics counts events by name, and refused cookies by reason. No handle and no
// subject: each would be a series of its own, and one of them is personal data.
type metrics struct{ events, refused expvar.Map }

func (m *metrics) Observe(_ context.Context, e beaker.Event) {
	m.events.Add(string(e.Name), 1)
	if e.Reason != "" {
		m.refused.Add(string(e.Reason), 1)
	}
}

//docs:end metrics

//docs:begin audit

// audit says who did what to whose session, for as long as the law wants it.
func audit(trail *slog.Logger) beaker.Observer {
	return beaker.ObserverFunc(func(ctx context.Context, e beaker.Event) {
		switch e.Name {
		case beaker.EventAuthenticate, beaker.EventDestroy, beaker.EventRevoke, beaker.EventStaleProof:
			trail.LogAttrs(ctx, slog.LevelInfo, string(e.Name),
				slog.String("subject", e.Subject), slog.Any("handle", e.Handle), slog.Int("count", e.Count))
		}
	})
}

//docs:end audit

func observeAll(cfg *beaker.Config, logger, trail *slog.Logger) *metrics {
	m := &metrics{}
	//docs:begin all
	cfg.Observer = beaker.Observers(beaker.SlogObserver(logger), m, audit(trail))
	//docs:end all
	return m
}

func secretsInUse(secrets *beaker.Secrets) map[string]uint64 {
	opened := map[string]uint64{}
	//docs:begin usage
	for _, u := range secrets.Usage() {
		opened[u.ID] = u.Opened // when it no longer grows on any node, the secret can go
	}
	//docs:end usage
	return opened
}
