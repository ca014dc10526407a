package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// The index of a subject is in another slot than its sessions, so nothing is done to
// both in one step. A session is written first, then its entry, and then the sign-in is
// acknowledged; it is deleted first, and its entry afterwards. So an entry without a
// session is dead for good, and anybody may remove it; and a session without an entry is
// one whose secret nobody was sent.

// keepMarks is how long it is remembered that a subject was revoked. It bounds how
// long a request may take to sign somebody in with what was valid when it began.
const keepMarks = 24 * time.Hour

var keepMarksMillis = strconv.FormatInt(keepMarks.Milliseconds(), 10)

// signedIn is what a sign-in does last, when its session is stored: it adds it to the
// subject's index, unless the subject was revoked since the sign-in began, and ends it
// then.
//
// A revocation makes its mark first and reads the index in the same step. So either the
// mark is seen here, or the session is found there.
func (s *Store) signedIn(ctx context.Context, key *beaker.RecordKey, subject string, began, now, absolute beaker.Millis) error {
	ok, err := s.enter(ctx, key, subject, now, absolute, strconv.FormatInt(int64(began), 10))
	if err != nil {
		// The session is there, but perhaps it must not be. Nobody has its secret yet.
		return uncertain(err)
	}
	if ok {
		return nil
	}
	if err := s.delete(ctx, key); err != nil {
		return uncertain(err)
	}
	return beaker.ErrRevoked
}

// raise sees that an index keeps a session until a later absolute deadline. That comes
// before the session has it: an entry that goes too late does no harm.
func (s *Store) raise(ctx context.Context, key *beaker.RecordKey, subject string, ch *beaker.Change) error {
	_, err := s.enter(ctx, key, subject, ch.Now, ch.Absolute, "")
	return err
}

func (s *Store) enter(ctx context.Context, key *beaker.RecordKey, subject string, now, absolute beaker.Millis, began string) (ok bool, err error) {
	msg, err := s.run(ctx, &call{
		script: &s.indexScript, key: s.indexKey(subject), wait: true,
		args: []string{strconv.FormatInt(int64(now), 10), string(key[:]), strconv.FormatInt(int64(absolute), 10), began, keepMarksMillis},
	})
	if err != nil {
		return false, err
	}
	n, err := msg.ToInt64()
	if err != nil {
		return false, s.failed(ctx, s.indexScript.op, err)
	}
	return n == 1, nil
}

// forget removes entries of sessions that are gone. If that fails they are removed by
// the next who meets them.
func (s *Store) forget(ctx context.Context, index string, members ...string) {
	if len(members) > 0 {
		_ = s.do(ctx, s.client, s.client.B().Zrem().Key(index).Member(members...).Build()).err // see above
	}
}

// forgetOne is forget for a session whose subject is as in its hash.
func (s *Store) forgetOne(ctx context.Context, field, member string) {
	if _, subject, ok := cutNumber(field, maxMillis); ok && len(subject) > 1 {
		s.forget(ctx, s.indexKey(subject[1:]), member)
	}
}
