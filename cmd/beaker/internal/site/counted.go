package site

import (
	"context"

	"github.com/seed12c5fab1/beaker"
)

// count returns a store that adds each call to the tally in its context. It can what
// the other one can. A store that knows subjects lists by them and revokes by them;
// purging is no part of any request and passes by.
func count(s beaker.Store) beaker.Store {
	c := counted{s}
	bySubject, knowsSubjects := s.(subjectIndex)
	purger, purges := s.(beaker.Purger)
	switch {
	case knowsSubjects && purges:
		return struct {
			counted
			countedIndex
			beaker.Purger
		}{c, countedIndex{bySubject}, purger}
	case knowsSubjects:
		return struct {
			counted
			countedIndex
		}{c, countedIndex{bySubject}}
	case purges:
		return struct {
			counted
			beaker.Purger
		}{c, purger}
	}
	return c
}

type subjectIndex interface {
	beaker.Lister
	beaker.SubjectRevoker
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

type countedIndex struct{ index subjectIndex }

func (c countedIndex) List(ctx context.Context, q beaker.ListQuery) (recs []*beaker.Record, next string, err error) {
	recs, err = measured(ctx, "list", func() (recs []*beaker.Record, err error) {
		recs, next, err = c.index.List(ctx, q)
		return recs, err
	})
	return recs, next, err
}

func (c countedIndex) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
	return measured(ctx, "revoke", func() (int, error) { return c.index.RevokeSubject(ctx, subject, at, except...) })
}
