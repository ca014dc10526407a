package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func recordDefects() []defect {
	return []defect{
		{name: "forgets when the proof was replaced", with: func(b *broken) {
			b.keeping(func(m *beaker.Meta) { m.RotatedAt = 0 })
		}, fails: []string{
			"every part of a new record comes back",
			"a rotation replaces the proof and keeps the old one as the previous",
		}},
		{name: "makes attributes where there are none", with: func(b *broken) {
			b.keeping(func(m *beaker.Meta) {
				if m.Cookie == nil {
					m.Cookie = new(beaker.CookieAttributes)
				}
			})
		}, fails: []string{"a record without any optional part comes back", "cookie attributes come back, and none is not the same as all at zero"}},
		{name: "keeps the version in 32 bits", with: func(b *broken) {
			b.keeping(func(m *beaker.Meta) { m.Version &= 1<<32 - 1 })
		}, fails: []string{"large numbers come back exactly"}},
		{name: "holds one record", with: func(b *broken) {
			var slot beaker.RecordKey
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				slot = rec.Key()
				return b.reference.Create(ctx, rec)
			}
			b.load = func(ctx context.Context, _ beaker.RecordKey) (*beaker.Record, error) {
				return b.reference.Load(ctx, slot)
			}
		}, fails: []string{"records do not mix", "Load of a key that was never stored is ErrNotFound"}},
		{name: "touches on Load", with: func(b *broken) {
			b.load = func(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
				rec, err := b.reference.Load(ctx, key)
				if err != nil {
					return nil, err
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				b.recs[key] = remade(rec, func(m *beaker.Meta) { m.Touched++ })
				return rec, nil
			}
		}, fails: []string{"Load does not write"}},
		{name: "overwrites on Create", with: func(b *broken) {
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				if err := b.reference.Delete(ctx, rec.Key()); err != nil {
					return err
				}
				return b.reference.Create(ctx, rec)
			}
		}, fails: []string{"a second Create under one key is ErrExists and changes nothing"}},
		{name: "creates over a record that its own clock calls expired", with: func(b *broken) {
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				if old, err := b.reference.Load(ctx, rec.Key()); err == nil && old.Expired(beaker.MillisOf(time.Now())) {
					if err := b.reference.Delete(ctx, rec.Key()); err != nil {
						return err
					}
				}
				return b.reference.Create(ctx, rec)
			}
		}, fails: []string{"an expired record is in the way of Create too"}},
		{name: "lower-cases names", with: func(b *broken) {
			b.keepingRecord(func(rec *beaker.Record) *beaker.Record {
				return revalued(rec, func(name, data string) (string, string, bool) { return strings.ToLower(name), data, true })
			})
		}, fails: []string{"names are told apart byte for byte"}},
		{name: "ends names at a NUL", with: func(b *broken) {
			b.keepingRecord(func(rec *beaker.Record) *beaker.Record {
				return revalued(rec, func(name, data string) (string, string, bool) {
					name, _, _ = strings.Cut(name, "\x00")
					return name, data, true
				})
			})
		}, fails: []string{"names are told apart byte for byte", "every part of a new record comes back"}},
		{name: "takes values for text", with: func(b *broken) {
			b.keepingRecord(func(rec *beaker.Record) *beaker.Record {
				return revalued(rec, func(name, data string) (string, string, bool) { return name, strings.ToValidUTF8(data, "?"), true })
			})
		}, fails: []string{"every byte of a value is kept"}},
		{name: "drops empty values", with: func(b *broken) {
			b.keepingRecord(func(rec *beaker.Record) *beaker.Record {
				return revalued(rec, func(name, data string) (string, string, bool) { return name, data, data != "" })
			})
		}, fails: []string{"every byte of a value is kept"}},
		{name: "cuts large values", with: func(b *broken) {
			b.keepingRecord(func(rec *beaker.Record) *beaker.Record {
				return revalued(rec, func(name, data string) (string, string, bool) { return name, data[:min(len(data), 32<<10)], true })
			})
		}, fails: []string{"a large value is kept"}},
		{name: "keeps 200 values", with: func(b *broken) {
			b.keepingRecord(func(rec *beaker.Record) *beaker.Record {
				n := 0
				return revalued(rec, func(name, data string) (string, string, bool) { n++; return name, data, n <= 200 })
			})
		}, fails: []string{"many values are kept"}},
		{name: "folds the case of subjects", with: func(b *broken) {
			b.keeping(func(m *beaker.Meta) { m.Subject = strings.ToLower(m.Subject) })
		}, fails: []string{"Hostile names and values are kept byte for byte: subjects are told apart byte for byte"}},
		{name: "folds the case of keys", with: func(b *broken) {
			fold := func(k beaker.RecordKey) beaker.RecordKey {
				for i, c := range k {
					if c >= 'A' && c <= 'Z' {
						k[i] += 'a' - 'A'
					}
				}
				return k
			}
			b.load = func(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
				return b.reference.Load(ctx, fold(key))
			}
			b.remove = func(ctx context.Context, key beaker.RecordKey) error { return b.reference.Delete(ctx, fold(key)) }
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				return b.reference.Apply(ctx, fold(key), ch)
			}
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				return b.reference.Create(ctx, remade(rec, func(m *beaker.Meta) { m.Key = fold(m.Key) }))
			}
		}, fails: []string{"keys are told apart byte for byte"}},
	}
}

func applyDefects() []defect {
	return []defect{
		{name: "ignores Remove", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) { ch.Remove = nil })
		}, fails: []string{"a change sets, replaces and removes values and leaves the others alone"}},
		{name: "replaces all values by those that are set", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) { ch.Clear = ch.Clear || len(ch.Set) > 0 })
		}, fails: []string{
			"a change sets, replaces and removes values and leaves the others alone",
			"two writes of different values both survive", "a write and a removal both happen",
		}},
		{name: "clears after it set", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) {
				if ch.Clear {
					ch.Set = nil
				}
			})
		}, fails: []string{"it clears, then removes, then sets", "a Clear takes all that was set before it and nothing after"}},
		{name: "returns the version that was", with: func(b *broken) {
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				v, err := b.reference.Apply(ctx, key, ch)
				if err == nil && ch.ChangesData() {
					v--
				}
				return v, err
			}
		}, fails: []string{"every change of data raises the version by one and returns it"}},
		{name: "counts values only as data", with: func(b *broken) {
			b.apply = b.making(func(old *beaker.Record, ch *beaker.Change, m *beaker.Meta) {
				if !ch.Clear && len(ch.Remove) == 0 && len(ch.Set) == 0 && m.Version > 1 {
					m.Version = old.Version()
				}
			})
		}, fails: []string{"every change of data raises the version by one and returns it", "a write and a new deadline both survive"}},
		{name: "raises the version with every Apply", with: func(b *broken) {
			b.apply = b.making(func(old *beaker.Record, _ *beaker.Change, m *beaker.Meta) { m.Version = old.Version() + 1 })
		}, fails: []string{
			"a change that asks for nothing changes nothing", "a touch raises the time of the last use and nothing else",
			"a touch that is not later than the last one is no write and no error", "touches do not make IfVersion fail",
			"a touch does not make a conditional write fail", "a rotation may be repeated and is done once",
		}},
		{name: "takes an empty subject for none given", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) {
				if ch.Subject != nil && *ch.Subject == "" {
					ch.Subject = nil
				}
			})
		}, fails: []string{"the subject is set, replaced and dropped"}},
		{name: "does not store subjects", with: func(b *broken) {
			b.apply = b.making(func(old *beaker.Record, _ *beaker.Change, m *beaker.Meta) { m.Subject = old.Subject() })
		}, fails: []string{"the subject is set, replaced and dropped", "a write and a new subject both survive"}},
		{name: "ignores cookie attributes", with: func(b *broken) {
			b.apply = b.making(func(old *beaker.Record, _ *beaker.Change, m *beaker.Meta) { m.Cookie = old.Meta().Cookie })
		}, fails: []string{"deadlines and cookie attributes are replaced, and stay"}},
		{name: "rounds durations up", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) {
				up := func(d time.Duration) time.Duration {
					return (d + time.Millisecond - 1) / time.Millisecond * time.Millisecond
				}
				ch.Idle = up(ch.Idle)
				if ch.Rotate != nil {
					ch.Rotate = &beaker.Rotation{Next: ch.Rotate.Next, Grace: up(ch.Rotate.Grace)}
				}
			})
		}, fails: []string{"times are cut to milliseconds"}},
		{name: "ignores IfVersion", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) { ch.IfVersion = 0 })
		}, fails: []string{
			"IfVersion applies to that version only", "of two conditional writes one is ErrConflict",
			"IfVersion is compared with the record's version and not with Base's", "a long history ends as Merge says",
		}},
		{name: "checks IfVersion for data only", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) {
				if len(ch.Set) == 0 {
					ch.IfVersion = 0
				}
			})
		}, fails: []string{"IfVersion applies to that version only"}},
		{name: "leaves out what is impossible and does the rest", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) {
				if ch.Idle < time.Millisecond {
					ch.Idle = 0
				}
				if ch.Rotate != nil && ch.Rotate.Next.IsZero() {
					ch.Rotate = nil
				}
			})
		}, fails: []string{"an impossible change is refused and changes nothing"}},
		{name: "forgets IfVersion where a rotation comes with it", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) {
				if ch.Rotate != nil {
					ch.IfVersion = 0
				}
			})
		}, fails: []string{"IfVersion applies to that version only"}},
		{name: "ignores limits", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) { ch.Limits = beaker.Limits{} })
		}, fails: []string{
			"too many bytes are ErrTooLarge and change nothing", "what the merged record holds counts, not the change alone",
			"too many keys are ErrTooLarge and change nothing",
		}},
		{name: "limits the change alone", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				free := *ch
				free.Limits = beaker.Limits{}
				n := 0
				for _, v := range ch.Set {
					n += len(v.Data)
				}
				if l := ch.Limits; l.MaxBytes > 0 && n > l.MaxBytes {
					return nil, beaker.ErrTooLarge
				}
				return beaker.Merge(rec, &free)
			})
		}, fails: []string{"what the merged record holds counts, not the change alone", "too many keys are ErrTooLarge and change nothing"}},
		{name: "adds the change to the record that was", with: func(b *broken) {
			b.apply = b.changing(func(rec *beaker.Record, ch *beaker.Change) {
				if ch.Limits.MaxKeys > 0 && len(ch.Set) > 0 {
					ch.Limits.MaxKeys = max(1, ch.Limits.MaxKeys-rec.Len())
				}
			})
		}, fails: []string{"a change that fits is applied"}},
		{name: "limits changes that shrink", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				out, err := beaker.Merge(rec, ch)
				if err == nil && ch.Limits.MaxKeys > 0 && out.Len() > ch.Limits.MaxKeys {
					return nil, beaker.ErrTooLarge
				}
				return out, err
			})
		}, fails: []string{"a change that only shrinks or touches is never too large"}},
		{name: "rotates first and writes then", with: func(b *broken) {
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				if ch.Rotate == nil {
					return b.reference.Apply(ctx, key, ch)
				}
				first, then := *ch, *ch
				first.Set, first.Remove, first.Clear, first.Subject = nil, nil, false, nil
				then.Rotate, then.Proof, then.IfVersion = nil, ch.Rotate.Next, 0
				if _, err := b.reference.Apply(ctx, key, &first); err != nil {
					return 0, err
				}
				return b.reference.Apply(ctx, key, &then)
			}
		}, fails: []string{"a refused rotation with data leaves the proof", "a rotation and what comes with it are one step"}},
	}
}

func baseDefects() []defect {
	type token struct{}
	return []defect{
		{name: "needs its own hint in a Base", with: func(b *broken) {
			b.load = func(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
				rec, err := b.reference.Load(ctx, key)
				if err != nil {
					return nil, err
				}
				return rec.WithHint(token{}), nil
			}
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) {
				if ch.Base != nil {
					_ = ch.Base.Hint().(token)
				}
			})
		}, fails: []string{"a change on the record as it is applies"}},
		{name: "merges into Base", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				if ch.Base != nil {
					rec = ch.Base
				}
				return beaker.Merge(rec, ch)
			})
		}, fails: []string{
			"a change on an older record is merged into the present one", "a change on an older record does not undo a touch",
			"a touch on an older record carries none of its data", "a Base that expired does not end a session that was touched",
			"a Base that is alive does not revive a session that expired", "the proof is compared with the record's and not with Base's",
			"IfVersion is compared with the record's version and not with Base's", "another session's record as Base leaks nothing into this one",
			"two writes on the same Base both survive", "two writes on an outdated Base both survive, and so does what came between",
			"of two racing rotations on one Base exactly one wins", "a touch and a write on one Base both happen",
			"a touch counts towards the idle timeout as it is, not as it was",
		}},
		{name: "merges into a Base of the same version", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				if ch.Base != nil && ch.Base.Key() == rec.Key() && ch.Base.Version() == rec.Version() {
					rec = ch.Base
				}
				return beaker.Merge(rec, ch)
			})
		}, fails: []string{"a change on an older record does not undo a touch", "a touch and a new idle timeout both count"}},
		{name: "merges into a Base of the same version without a look at its key", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				if ch.Base != nil && ch.Base.Version() == rec.Version() && ch.ChangesData() && ch.Base.Key() != rec.Key() {
					rec = ch.Base
				}
				return beaker.Merge(rec, ch)
			})
		}, fails: []string{"another session's record as Base leaks nothing into this one"}},
		{name: "checks the deadlines of Base", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				if ch.Base != nil && ch.Base.Expired(ch.Now) {
					return nil, beaker.ErrNotFound
				}
				return beaker.Merge(rec, ch)
			})
		}, fails: []string{"a Base that expired does not end a session that was touched"}},
		{name: "puts Base in the place of a missing record", with: func(b *broken) {
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				v, err := b.reference.Apply(ctx, key, ch)
				if errors.Is(err, beaker.ErrNotFound) && ch.Base != nil && b.reference.Create(ctx, ch.Base) == nil {
					return b.reference.Apply(ctx, key, ch)
				}
				return v, err
			}
		}, fails: []string{"a Base does not stand in for a record that is gone", "after Delete no change of any kind brings the record back"}},
	}
}

func memoryDefects() []defect {
	return []defect{
		{name: "keeps the caller's slices and merges later", with: func(b *broken) {
			pending := map[beaker.RecordKey][]beaker.Change{}
			b.load = func(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
				rec, err := b.reference.Load(ctx, key)
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, ch := range pending[key] {
					if out, err := beaker.Merge(rec, &ch); err == nil {
						rec = out
					}
				}
				return rec, err
			}
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				rec, err := b.Load(ctx, key)
				if err != nil {
					return 0, err
				}
				out, err := beaker.Merge(rec, ch)
				if err != nil {
					return 0, err
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				pending[key] = append(pending[key], *ch)
				return out.Version(), nil
			}
		}, fails: []string{"what the caller does to a Change afterwards changes nothing"}},
		{name: "sorts the caller's slices", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) {
				slices.SortFunc(ch.Set, func(a, b beaker.Value) int { return strings.Compare(a.Name, b.Name) })
			})
		}, fails: []string{"Apply leaves the Change as it is"}},
		{name: "changes records in place", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				out, err := beaker.Merge(rec, ch)
				if err != nil {
					return nil, err
				}
				*rec = *out
				return rec, nil
			})
		}, fails: []string{
			"the record given to Create stays as it is, for the caller too",
			"a loaded record does not change when the stored one does",
		}},
	}
}
