package beaker

import (
	"cmp"
	"context"
	"slices"
)

// limitSubject ends the subject's sessions that Config.MaxPerSubject leaves no room for.
// The mutex is held, and the sign-in is stored.
//
// No store has to do anything for it. Of sign-ins that overlap each lists the sessions
// when its own is stored, so the last to list sees all of them; and all agree on the order,
// so that what one of them ends, none of them would keep: a session that is behind n
// others in a part of the list is so in the whole.
//
// If it fails, the sign-in stands, an event tells, and the next one tries again: a visitor
// who has shown the right password is not the one to turn away.
func (s *Session) limitSubject(ctx context.Context, subject string) {
	most := s.m.cfg.MaxPerSubject
	if most == 0 || subject == "" {
		return
	}
	fails := func(err error) {
		s.observe(ctx, Event{Name: EventStoreError, Subject: subject, Detail: "limit", Err: err})
	}
	all, err := s.m.listSubject(ctx, subject)
	if err != nil {
		fails(err)
		return
	}
	slices.SortFunc(all, func(a, b *Record) int {
		return cmp.Or(cmp.Compare(b.authAt, a.authAt), cmp.Compare(b.created, a.created), slices.Compare(a.key[:], b.key[:]))
	})
	for _, rec := range all[min(most, len(all)):] {
		if s.m.remove(ctx, s.m.store, rec.key, s.observe) != nil {
			return // which was an event
		}
		s.observe(ctx, Event{Name: EventRevoke, Handle: Handle(rec.key), Subject: subject, Count: 1, Detail: "more sessions than Config.MaxPerSubject"})
	}
}

// listSubject returns the living sessions of a subject. It goes on when the client is gone.
func (m *Manager) listSubject(ctx context.Context, subject string) (all []*Record, err error) {
	seen := map[RecordKey]bool{}
	for q := (ListQuery{Subject: subject}); ; {
		op := new(opContext).detach(ctx, m.cfg.StoreTimeout)
		page, next, err := m.lister.List(op, q)
		op.stop()
		if err != nil {
			return nil, err
		}
		now := m.now()
		for _, rec := range page {
			if rec.subject == subject && !rec.Expired(now) && !seen[rec.key] {
				seen[rec.key] = true
				all = append(all, rec)
			}
		}
		if next == "" {
			return all, nil
		}
		q.Cursor = next
	}
}
