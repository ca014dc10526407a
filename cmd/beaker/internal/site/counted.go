package site

import (
	"context"

	"github.com/seed12c5fab1/beaker"
)

// count returns a store that adds each call to the tally in its context. It lists and
// revokes if the other one does. Purging is no part of any request and passes by; of
// sessions that end elsewhere the site wants to hear nothing.
func count(s beaker.Store) beaker.Store {
	c := counted{s}
	lister, lists := s.(beaker.Lister)
	revoker, revokes := s.(beaker.SubjectRevoker)
	switch {
	case lists && revokes:
		return struct {
			counted
			countedLister
			countedRevoker
		}{c, countedLister{lister}, countedRevoker{revoker}}
	case lists:
		return struct {
			counted
			countedLister
		}{c, countedLister{lister}}
	case revokes:
		return struct {
			counted
			countedRevoker
		}{c, countedRevoker{revoker}}
	}
	return c
}

type counted struct{ store beaker.Store }

type none = struct{}

func (c counted) Create(ctx context.Context, rec *beaker.Record) error {
	_, err := measured(ctx, "create", func() (none, error) { return none{}, c.store.Create(ctx, rec) })
	return err
}

func (c counted) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	return measured(ctx, "load", func() (*beaker.Record, error) { return c.store.Load(ctx, key) })
}

func (c counted) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	return measured(ctx, "apply", func() (beaker.Version, error) { return c.store.Apply(ctx, key, ch) })
}

func (c counted) Delete(ctx context.Context, key beaker.RecordKey) error {
	_, err := measured(ctx, "delete", func() (none, error) { return none{}, c.store.Delete(ctx, key) })
	return err
}

// Purge removes what the other store needs to have removed, which may be nothing.
func (c counted) Purge(ctx context.Context, now beaker.Millis, limit int) (int, error) {
	if p, ok := c.store.(beaker.Purger); ok {
		return p.Purge(ctx, now, limit)
	}
	return 0, nil
}

type countedLister struct{ lister beaker.Lister }

func (c countedLister) List(ctx context.Context, q beaker.ListQuery) (recs []*beaker.Record, next string, err error) {
	recs, err = measured(ctx, "list", func() (recs []*beaker.Record, err error) {
		recs, next, err = c.lister.List(ctx, q)
		return recs, err
	})
	return recs, next, err
}

type countedRevoker struct{ revoker beaker.SubjectRevoker }

func (c countedRevoker) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
	return measured(ctx, "revoke", func() (int, error) { return c.revoker.RevokeSubject(ctx, subject, at, except...) })
}
