package sessiontest

import (
	"context"
	"errors"
	"io"

	"github.com/seed12c5fab1/beaker"
)

// NewFaultStore returns a store that does what inner does until faults says otherwise.
// It has the same optional abilities as inner ([beaker.Lister], [beaker.Purger],
// [beaker.SubjectRevoker], [io.Closer]) and no others, so that type assertions tell
// the truth; that is why it is two values and not one. A store that has them all may be
// a [beaker.Watcher] too; of one that has only some, that is left out, and what watches
// looks from time to time.
func NewFaultStore(inner beaker.Store) (store beaker.Store, faults *Faults) {
	faults = &Faults{counts: map[Op]int{}}
	s := &faultStore{inner, faults}
	lister, canList := inner.(beaker.Lister)
	purger, canPurge := inner.(beaker.Purger)
	revoker, canRevoke := inner.(beaker.SubjectRevoker)
	closer, canClose := inner.(io.Closer)
	l, p, r, c := lists{lister, faults}, purges{purger, faults}, revokes{revoker, faults}, closes{closer}
	type can struct{ list, purge, revoke, close bool }
	if watcher, ok := inner.(beaker.Watcher); ok && canList && canPurge && canRevoke && canClose {
		return &struct {
			*faultStore
			lists
			purges
			revokes
			closes
			watches
		}{s, l, p, r, c, watches{watcher}}, faults
	}
	switch (can{canList, canPurge, canRevoke, canClose}) {
	case can{true, true, true, true}:
		return &struct {
			*faultStore
			lists
			purges
			revokes
			closes
		}{s, l, p, r, c}, faults
	case can{true, true, true, false}:
		return &struct {
			*faultStore
			lists
			purges
			revokes
		}{s, l, p, r}, faults
	case can{true, true, false, true}:
		return &struct {
			*faultStore
			lists
			purges
			closes
		}{s, l, p, c}, faults
	case can{true, true, false, false}:
		return &struct {
			*faultStore
			lists
			purges
		}{s, l, p}, faults
	case can{true, false, true, true}:
		return &struct {
			*faultStore
			lists
			revokes
			closes
		}{s, l, r, c}, faults
	case can{true, false, true, false}:
		return &struct {
			*faultStore
			lists
			revokes
		}{s, l, r}, faults
	case can{true, false, false, true}:
		return &struct {
			*faultStore
			lists
			closes
		}{s, l, c}, faults
	case can{true, false, false, false}:
		return &struct {
			*faultStore
			lists
		}{s, l}, faults
	case can{false, true, true, true}:
		return &struct {
			*faultStore
			purges
			revokes
			closes
		}{s, p, r, c}, faults
	case can{false, true, true, false}:
		return &struct {
			*faultStore
			purges
			revokes
		}{s, p, r}, faults
	case can{false, true, false, true}:
		return &struct {
			*faultStore
			purges
			closes
		}{s, p, c}, faults
	case can{false, true, false, false}:
		return &struct {
			*faultStore
			purges
		}{s, p}, faults
	case can{false, false, true, true}:
		return &struct {
			*faultStore
			revokes
			closes
		}{s, r, c}, faults
	case can{false, false, true, false}:
		return &struct {
			*faultStore
			revokes
		}{s, r}, faults
	case can{false, false, false, true}:
		return &struct {
			*faultStore
			closes
		}{s, c}, faults
	}
	return s, faults
}

// faultStore has the methods that every store has; each ability is a type of its own.
type faultStore struct {
	inner  beaker.Store
	faults *Faults
}

var (
	_ beaker.Store          = (*faultStore)(nil)
	_ beaker.Lister         = lists{}
	_ beaker.Purger         = purges{}
	_ beaker.SubjectRevoker = revokes{}
)

func (s *faultStore) Create(ctx context.Context, rec *beaker.Record) error {
	return s.faults.run(ctx, Call{Op: OpCreate, Key: rec.Key()}, func(ctx context.Context) error {
		return s.inner.Create(ctx, rec)
	})
}

func (s *faultStore) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	var rec *beaker.Record
	err := s.faults.run(ctx, Call{Op: OpLoad, Key: key}, func(ctx context.Context) (err error) {
		rec, err = s.inner.Load(ctx, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rec, nil
}

func (s *faultStore) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	var v beaker.Version
	err := s.faults.run(ctx, Call{Op: OpApply, Key: key, Change: ch}, func(ctx context.Context) (err error) {
		v, err = s.inner.Apply(ctx, key, ch)
		return err
	})
	if err != nil {
		return 0, err
	}
	return v, nil
}

func (s *faultStore) Delete(ctx context.Context, key beaker.RecordKey) error {
	return s.faults.run(ctx, Call{Op: OpDelete, Key: key}, func(ctx context.Context) error {
		return s.inner.Delete(ctx, key)
	})
}

type lists struct {
	inner  beaker.Lister
	faults *Faults
}

func (s lists) List(ctx context.Context, q beaker.ListQuery) (page []*beaker.Record, next string, err error) {
	err = s.faults.run(ctx, Call{Op: OpList}, func(ctx context.Context) (err error) {
		page, next, err = s.inner.List(ctx, q)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

type purges struct {
	inner  beaker.Purger
	faults *Faults
}

func (s purges) Purge(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
	err = s.faults.run(ctx, Call{Op: OpPurge}, func(ctx context.Context) (err error) {
		n, err = s.inner.Purge(ctx, now, limit)
		return err
	})
	return told(n, err), err
}

type revokes struct {
	inner  beaker.SubjectRevoker
	faults *Faults
}

func (s revokes) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (n int, err error) {
	err = s.faults.run(ctx, Call{Op: OpRevoke}, func(ctx context.Context) (err error) {
		n, err = s.inner.RevokeSubject(ctx, subject, at, except...)
		return err
	})
	return told(n, err), err
}

// told is n, unless it went lost with the answer.
func told(n int, err error) int {
	if errors.Is(err, errLost) {
		return 0
	}
	return n
}

// closes has no faults: a test closes its store at its end.
// watches lets messages through: that they may be lost, a test shows with a store that
// is none.
type watches struct{ inner beaker.Watcher }

func (w watches) Watch(ctx context.Context, ended func(beaker.RecordKey)) error {
	return w.inner.Watch(ctx, ended)
}

type closes struct{ inner io.Closer }

func (s closes) Close() error { return s.inner.Close() }
