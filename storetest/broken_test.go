package storetest

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// broken is the reference store with some methods replaced; those that are nil are the
// reference's.
type broken struct {
	*reference
	create func(context.Context, *beaker.Record) error
	load   func(context.Context, beaker.RecordKey) (*beaker.Record, error)
	apply  applyFunc
	remove func(context.Context, beaker.RecordKey) error
	list   func(context.Context, beaker.ListQuery) ([]*beaker.Record, string, error)
	purge  func(context.Context, beaker.Millis, int) (int, error)
	revoke func(context.Context, string, beaker.Millis, ...beaker.RecordKey) (int, error)
	end    func() error
	watch  func(context.Context, func(beaker.RecordKey)) error
}

type applyFunc func(context.Context, beaker.RecordKey, *beaker.Change) (beaker.Version, error)

var (
	_ beaker.Store          = (*broken)(nil)
	_ beaker.Lister         = (*broken)(nil)
	_ beaker.Purger         = (*broken)(nil)
	_ beaker.SubjectRevoker = (*broken)(nil)
	_ io.Closer             = (*broken)(nil)
)

func (b *broken) Create(ctx context.Context, rec *beaker.Record) error {
	if b.create != nil {
		return b.create(ctx, rec)
	}
	return b.reference.Create(ctx, rec)
}

func (b *broken) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if b.load != nil {
		return b.load(ctx, key)
	}
	return b.reference.Load(ctx, key)
}

func (b *broken) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if b.apply != nil {
		return b.apply(ctx, key, ch)
	}
	return b.reference.Apply(ctx, key, ch)
}

func (b *broken) Delete(ctx context.Context, key beaker.RecordKey) error {
	if b.remove != nil {
		return b.remove(ctx, key)
	}
	return b.reference.Delete(ctx, key)
}

func (b *broken) List(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.reference.List(ctx, q)
}

func (b *broken) Purge(ctx context.Context, now beaker.Millis, limit int) (int, error) {
	if b.purge != nil {
		return b.purge(ctx, now, limit)
	}
	return b.reference.Purge(ctx, now, limit)
}

func (b *broken) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
	if b.revoke != nil {
		return b.revoke(ctx, subject, at, except...)
	}
	return b.reference.RevokeSubject(ctx, subject, at, except...)
}

func (b *broken) Watch(ctx context.Context, ended func(beaker.RecordKey)) error {
	if b.watch != nil {
		return b.watch(ctx, ended)
	}
	return b.reference.Watch(ctx, ended)
}

func (b *broken) Close() error {
	if b.end != nil {
		return b.end()
	}
	return b.reference.Close()
}

// defect is one way to break a store, and the checks that must notice.
type defect struct {
	name  string
	with  func(b *broken)
	fails []string // names of checks, or "promise: check"
}

func defects() []defect {
	return slices.Concat(recordDefects(), applyDefects(), baseDefects(), proofDefects(), deadlineDefects(),
		deleteDefects(), raceDefects(), memoryDefects(), methodDefects(), listDefects(), revokeDefects(), purgeDefects())
}

// TestEachDefectIsFound breaks the reference store in one way at a time. Each check that
// is named with the defect must fail. The others are not run: a store that waits in its
// weak moment for another call is slow where none comes.
func TestEachDefectIsFound(t *testing.T) {
	for _, d := range defects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			const rounds = 3
			// What many writers do at once is the scheduler's: a check of that may pass by luck
			// on a machine with much to do. It does not pass four times.
			missing := d.fails
			for goes := 4; goes > 0 && len(missing) > 0; goes-- {
				_, failed := examine(t, false, rounds, only(storePromises(), missing), func() (a, b beaker.Store) {
					s := &broken{reference: newReference()}
					d.with(s)
					return s, s
				})
				missing = slices.DeleteFunc(slices.Clone(missing), failed.has)
			}
			for _, name := range missing {
				t.Errorf("the check %q did not notice", name)
			}
			if len(d.fails) == 0 {
				t.Errorf("the defect names no check")
			}
		})
	}
}

// TestEveryCheckFindsSomething keeps a check from being there for nothing: each must be
// named by a defect.
func TestEveryCheckFindsSomething(t *testing.T) {
	for _, p := range storePromises() {
		for _, c := range p.checks {
			found := slices.ContainsFunc(defects(), func(d defect) bool {
				return slices.ContainsFunc(d.fails, func(n string) bool { return isNamed(n, p.name, c.name) })
			})
			if !found {
				t.Errorf("no defect is found by the check %q of %q", c.name, p.name)
			}
		}
	}
	for _, d := range defects() {
		for _, n := range d.fails {
			if len(only(storePromises(), []string{n})) != 1 {
				t.Errorf("%s: %q must name one check", d.name, n)
			}
		}
	}
}

func isNamed(name, promise, check string) bool {
	return name == check || name == promise+": "+check
}

func (o outcomes) has(name string) bool {
	for id := range o {
		if isNamed(name, id.promise, id.check) {
			return true
		}
	}
	return false
}

func (o outcomes) String() string {
	if len(o) == 0 {
		return "none"
	}
	var b strings.Builder
	for id, messages := range o {
		said, _, _ := strings.Cut(messages, "\n")
		_, _ = fmt.Fprintf(&b, "\n  %s: %s (%s)", id.promise, id.check, said)
	}
	return b.String()
}

// only returns the promises with nothing but the named checks.
func only(promises []promise, names []string) []promise {
	var some []promise
	for _, p := range promises {
		all := p.checks
		p.checks = nil
		for _, c := range all {
			if slices.ContainsFunc(names, func(n string) bool { return isNamed(n, p.name, c.name) }) {
				p.checks = append(p.checks, c)
			}
		}
		if len(p.checks) > 0 {
			some = append(some, p)
		}
	}
	return some
}

// changing returns an Apply that does another change than it was asked to.
func (r *reference) changing(edit func(rec *beaker.Record, ch *beaker.Change)) applyFunc {
	return r.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
		other := *ch
		edit(rec, &other)
		return beaker.Merge(rec, &other)
	})
}

// making returns an Apply that stores another record than it should.
func (r *reference) making(edit func(old *beaker.Record, ch *beaker.Change, m *beaker.Meta)) applyFunc {
	return r.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
		out, err := beaker.Merge(rec, ch)
		if err != nil {
			return nil, err
		}
		return remade(out, func(m *beaker.Meta) { edit(rec, ch, m) }), nil
	})
}

// merging returns an Apply that is right except for how it merges.
func (r *reference) merging(merge func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error)) applyFunc {
	return func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
		if err := r.lock(ctx); err != nil {
			return 0, err
		}
		defer r.mu.Unlock()
		rec := r.recs[key]
		if rec == nil {
			return 0, beaker.ErrNotFound
		}
		out, err := merge(rec, ch)
		if err != nil {
			return 0, err
		}
		if ch.Subject != nil && r.revoked(*ch.Subject, ch.Began) {
			delete(r.recs, key)
			return 0, beaker.ErrRevoked
		}
		r.recs[key] = out
		return out.Version(), nil
	}
}

// keeping replaces Create and Apply by ones that store another record than they should.
func (b *broken) keeping(edit func(m *beaker.Meta)) {
	b.keepingRecord(func(rec *beaker.Record) *beaker.Record { return remade(rec, edit) })
}

func (b *broken) keepingRecord(edit func(*beaker.Record) *beaker.Record) {
	b.create = func(ctx context.Context, rec *beaker.Record) error { return b.reference.Create(ctx, edit(rec)) }
	b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
		out, err := beaker.Merge(rec, ch)
		if err != nil {
			return nil, err
		}
		return edit(out), nil
	})
}

// remade returns the record with other fields.
func remade(rec *beaker.Record, edit func(m *beaker.Meta)) *beaker.Record {
	m := rec.Meta()
	edit(&m)
	out, err := beaker.RestoreRecord(m, rec.AppendValues(nil))
	if err != nil {
		panic(err)
	}
	return out
}

// revalued returns the record with other values. edit may drop a value.
func revalued(rec *beaker.Record, edit func(name, data string) (string, string, bool)) *beaker.Record {
	byName := map[string]string{}
	for name, data := range rec.Values() {
		if name, data, ok := edit(name, data); ok {
			byName[name] = data
		}
	}
	var values []beaker.Value
	for name, data := range byName {
		values = append(values, beaker.Value{Name: name, Data: []byte(data)})
	}
	out, err := beaker.NewRecord(rec.Meta(), values)
	if err != nil {
		panic(err)
	}
	return out
}

// meeting is a store's weak moment: who comes there waits for another to come too, for
// a while. It makes the outcome of a race certain.
type meeting struct{ waiting atomic.Int32 }

const patientSpins = 20_000

func (m *meeting) meet() {
	if m.waiting.CompareAndSwap(1, 2) {
		return
	}
	if !m.waiting.CompareAndSwap(0, 1) {
		return
	}
	for range patientSpins {
		if m.waiting.Load() == 2 {
			break
		}
		runtime.Gosched()
	}
	m.waiting.Store(0)
}

// until waits for a while until a counter is beyond what it was.
func until(c *atomic.Int64, was int64) {
	for i := 0; i < patientSpins && c.Load() == was; i++ {
		runtime.Gosched()
	}
}
