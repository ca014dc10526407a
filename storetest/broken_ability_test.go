package storetest

import (
	"context"
	"strconv"
	"strings"

	"github.com/seed12c5fab1/beaker"
)

func listDefects() []defect {
	return []defect{
		{name: "calls an empty listing an error", with: func(b *broken) {
			b.list = func(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
				page, next, err := b.reference.List(ctx, q)
				if err == nil && len(page) == 0 {
					err = beaker.ErrNotFound
				}
				return page, next, err
			}
		}, fails: []string{"an empty store lists nothing"}},
		{name: "skips a record between pages", with: func(b *broken) {
			b.list = func(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
				page, next, err := b.reference.List(ctx, q)
				if next == "" || err != nil {
					return page, next, err
				}
				first, _, err := b.reference.List(ctx, beaker.ListQuery{Subject: q.Subject, Cursor: next, Limit: 1})
				if err != nil || len(first) == 0 {
					return page, "", err
				}
				return page, first[0].Key().String(), nil
			}
		}, fails: []string{
			"a quiet store lists every record once, in pages of any size",
			"a subject's listing holds its sessions and no others, in pages of any size",
		}},
		{name: "ignores the limit", with: func(b *broken) {
			b.list = func(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
				q.Limit = 1000
				return b.reference.List(ctx, q)
			}
		}, fails: []string{"a quiet store lists every record once, in pages of any size"}},
		{name: "lists records as they were created", with: func(b *broken) {
			var created []*beaker.Record
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				err := b.reference.Create(ctx, rec)
				if err == nil {
					created = append(created, rec)
				}
				return err
			}
			b.listing(func(q beaker.ListQuery) (some []*beaker.Record) {
				for _, rec := range created {
					if q.Subject == "" || rec.Subject() == q.Subject {
						some = append(some, rec)
					}
				}
				return some
			})
		}, fails: []string{
			"a listing shows changes and leaves out what was deleted", "it follows sign-in, change of subject, sign-out and Delete",
			"it shows a session as it is after changes of any kind", "what was purged is not listed",
		}},
		{name: "counts to find its place", with: func(b *broken) {
			b.list = func(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
				from := 0
				if q.Cursor != "" {
					n, err := strconv.Atoi(q.Cursor)
					if err != nil {
						return nil, "", err
					}
					from = n
				}
				all, _, err := b.reference.List(ctx, beaker.ListQuery{Subject: q.Subject, Limit: 10_000})
				if err != nil || from < 0 || from >= len(all) {
					return nil, "", err
				}
				limit := 10
				if q.Limit > 0 {
					limit = q.Limit
				}
				to := min(len(all), from+limit)
				if to == len(all) {
					return all[from:to], "", nil
				}
				return all[from:to], strconv.Itoa(to), nil
			}
		}, fails: []string{"records that are there all the time are listed whatever happens to others"}},
		{name: "trusts the cursor to be its own", with: func(b *broken) {
			b.list = func(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
				if q.Cursor != "" {
					_ = q.Cursor[63]
				}
				return b.reference.List(ctx, q)
			}
		}, fails: []string{"a cursor that List never gave does no harm"}},
		{name: "takes a subject for a prefix", with: func(b *broken) {
			b.listing(func(q beaker.ListQuery) []*beaker.Record {
				return b.where(func(rec *beaker.Record) bool { return strings.HasPrefix(rec.Subject(), q.Subject) })
			})
		}, fails: []string{
			"a subject's listing holds its sessions and no others, in pages of any size",
			"Lists a subject's sessions: subjects are compared byte for byte",
		}},
		{name: "compares subjects without case", with: func(b *broken) {
			b.listing(func(q beaker.ListQuery) []*beaker.Record {
				return b.where(func(rec *beaker.Record) bool { return q.Subject == "" || strings.EqualFold(rec.Subject(), q.Subject) })
			})
		}, fails: []string{"Lists a subject's sessions: subjects are compared byte for byte"}},
		{name: "lets the cursor say whose sessions are listed", with: func(b *broken) {
			b.list = func(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
				if subject, cursor, ok := strings.Cut(q.Cursor, " "); ok {
					q.Subject, q.Cursor = subject, cursor
				}
				page, next, err := b.reference.List(ctx, q)
				if next != "" {
					next = q.Subject + " " + next
				}
				return page, next, err
			}
		}, fails: []string{"a cursor of one subject's listing opens no other's"}},
		{name: "keeps purged records in its index", with: func(b *broken) {
			gone := map[beaker.RecordKey]*beaker.Record{}
			b.purge = func(ctx context.Context, now beaker.Millis, limit int) (int, error) {
				b.mu.Lock()
				for key, rec := range b.recs {
					if rec.Expired(now) {
						gone[key] = rec
					}
				}
				b.mu.Unlock()
				return b.reference.Purge(ctx, now, limit)
			}
			b.listing(func(q beaker.ListQuery) []*beaker.Record {
				some := b.where(func(rec *beaker.Record) bool { return q.Subject == "" || rec.Subject() == q.Subject })
				for _, rec := range gone {
					some = append(some, rec)
				}
				return some
			})
		}, fails: []string{"what was purged is not listed"}},
	}
}

// revoking replaces RevokeSubject by one that means other sessions.
func (b *broken) revoking(meant func(rec *beaker.Record, subject string) bool) {
	b.revoke = func(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (n int, err error) {
		if n, err = b.reference.RevokeSubject(ctx, subject, at, except...); err != nil {
			return 0, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, rec := range b.where(func(rec *beaker.Record) bool { return meant(rec, subject) }) {
			delete(b.recs, rec.Key())
			n++
		}
		return n, nil
	}
}

// marking replaces the rule by which RevokeSubject marks a subject.
func (b *broken) marking(mark func(old, at beaker.Millis) beaker.Millis) {
	b.revoke = func(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
		b.mu.Lock()
		old := b.mark[subject]
		b.mu.Unlock()
		n, err := b.reference.RevokeSubject(ctx, subject, at, except...)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.mark[subject] = mark(old, at)
		return n, err
	}
}

func revokeDefects() []defect {
	return []defect{
		{name: "compares revoked subjects without case", with: func(b *broken) {
			b.revoking(func(rec *beaker.Record, subject string) bool { return strings.EqualFold(rec.Subject(), subject) })
		}, fails: []string{"Revokes a subject: subjects are compared byte for byte"}},
		{name: "revokes all subjects of a prefix", with: func(b *broken) {
			b.revoking(func(rec *beaker.Record, subject string) bool { return strings.HasPrefix(rec.Subject(), subject) })
		}, fails: []string{"all sessions of the subject end, and are counted"}},
		{name: "forgets who is excepted", with: func(b *broken) {
			b.revoking(func(rec *beaker.Record, subject string) bool { return rec.Subject() == subject })
		}, fails: []string{"the sessions that are named stay"}},
		{name: "counts all that it looked at", with: func(b *broken) {
			b.revoke = func(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
				n, err := b.reference.RevokeSubject(ctx, subject, at, except...)
				return n + len(except), err
			}
		}, fails: []string{"the sessions that are named stay"}},
		{name: "revokes whoever was the subject once", with: func(b *broken) {
			once := map[beaker.RecordKey]string{}
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				once[rec.Key()] = rec.Subject()
				return b.reference.Create(ctx, rec)
			}
			b.revoking(func(rec *beaker.Record, subject string) bool { return once[rec.Key()] == subject })
		}, fails: []string{"who has left the subject is not meant"}},
		{name: "revokes a page of sessions", with: func(b *broken) {
			b.revoke = func(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
				b.mu.Lock()
				mine := b.where(func(rec *beaker.Record) bool { return rec.Subject() == subject })
				b.mu.Unlock()
				for _, rec := range mine[min(len(mine), 200):] {
					except = append(except, rec.Key())
				}
				return b.reference.RevokeSubject(ctx, subject, at, except...)
			}
		}, fails: []string{"more sessions than fit a page all end"}},
		{name: "leaves no mark", with: func(b *broken) {
			b.marking(func(_, _ beaker.Millis) beaker.Millis { return -1 })
		}, fails: []string{
			"a sign-in that began before the revocation is ErrRevoked, and its session is deleted",
			"a new record of such a sign-in is ErrRevoked and not stored",
		}},
		{name: "marks the millisecond before", with: func(b *broken) {
			b.marking(func(_, at beaker.Millis) beaker.Millis { return at - 1 })
		}, fails: []string{
			"a sign-in that began before the revocation is ErrRevoked, and its session is deleted",
			"a new record of such a sign-in is ErrRevoked and not stored",
		}},
		{name: "marks the millisecond after", with: func(b *broken) {
			b.marking(func(_, at beaker.Millis) beaker.Millis { return at + 1 })
		}, fails: []string{"a sign-in that began later succeeds, and its session stays"}},
		{name: "marks the last revocation", with: func(b *broken) {
			b.marking(func(_, at beaker.Millis) beaker.Millis { return at })
		}, fails: []string{"an older revocation does not take back a newer one"}},
		{name: "marks the first revocation", with: func(b *broken) {
			b.marking(func(old, at beaker.Millis) beaker.Millis {
				if old != 0 {
					return old
				}
				return at
			})
		}, fails: []string{"a newer revocation takes the place of an older one"}},
		{name: "marks everybody", with: func(b *broken) {
			b.revoke = func(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
				n, err := b.reference.RevokeSubject(ctx, subject, at, except...)
				b.mu.Lock()
				defer b.mu.Unlock()
				b.mark["user-2"], b.mark["user-10"] = at, at
				return n, err
			}
		}, fails: []string{"other subjects, anonymous sessions and changes that sign nobody in are not refused"}},
		{name: "refuses a sign-in and leaves its session", with: func(b *broken) {
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				if ch.Subject != nil {
					b.mu.Lock()
					late := b.revoked(*ch.Subject, ch.Began)
					b.mu.Unlock()
					if late {
						return 0, beaker.ErrRevoked
					}
				}
				return b.reference.Apply(ctx, key, ch)
			}
		}, fails: []string{"a sign-in that began before the revocation is ErrRevoked, and its session is deleted"}},
		{name: "deletes the session of a sign-in before it looks at the proof", with: func(b *broken) {
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				if ch.Subject != nil {
					b.mu.Lock()
					if b.revoked(*ch.Subject, ch.Began) {
						delete(b.recs, key)
						b.mu.Unlock()
						return 0, beaker.ErrRevoked
					}
					b.mu.Unlock()
				}
				return b.reference.Apply(ctx, key, ch)
			}
		}, fails: []string{"who has no right to a session cannot end it by signing in as a revoked subject"}},
		{name: "deletes first and marks then", with: func(b *broken) {
			g := new(gap)
			b.revoke = func(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (n int, err error) {
				g.slow(func() {
					n, err = b.reference.RevokeSubject(ctx, subject, at, except...)
					b.mu.Lock()
					delete(b.mark, subject)
					b.mu.Unlock()
				}, func() {
					b.mu.Lock()
					b.mark[subject] = at
					b.mu.Unlock()
				})
				return n, err
			}
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (v beaker.Version, err error) {
				g.quick(func() { v, err = b.reference.Apply(ctx, key, ch) })
				return v, err
			}
			b.create = func(ctx context.Context, rec *beaker.Record) (err error) {
				if rec.Subject() == "" {
					return b.reference.Create(ctx, rec)
				}
				g.quick(func() { err = b.reference.Create(ctx, rec) })
				return err
			}
		}, fails: []string{
			"a racing sign-in by Apply does not survive the revocation",
			"a racing sign-in by Create does not survive the revocation",
		}},
	}
}
