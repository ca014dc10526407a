package redisstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// batch bounds how many commands are sent at once: nobody else's command is served
// between those that a node has got in one piece.
const batch = 256

// RevokeSubject implements [beaker.SubjectRevoker]. It takes one round trip, and
// two more for every 256 sessions. That a subject was revoked is remembered for 24
// hours.
//
// If it fails, the mark may have been made, and some of the sessions may have been
// ended. It may be repeated. If all that is missing are replicas (see
// Options.WaitReplicas), all is done on the master, and counted.
func (s *Store) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if subject == "" || !validSubject(subject) {
		// Anonymous sessions are nobody's.
		return 0, beaker.ErrInvalidSubject
	}
	if at < 0 || int64(at) > maxMillis {
		return 0, errTimes
	}
	index := s.indexKey(subject)
	msg, err := s.run(ctx, &call{
		script: &s.markScript, key: index, args: []string{strconv.FormatInt(int64(at), 10), keepMarksMillis}, wait: true,
	})
	// Of what no replica has got, what matters most must not stay undone on the master too.
	// Once it is known that they are behind, nobody waits for them again.
	var behind error
	if done(&msg, err) {
		behind, err = err, nil
	}
	if err != nil {
		return 0, err
	}
	members, err := msg.AsStrSlice()
	if err != nil {
		return 0, s.failed(ctx, s.markScript.op, err)
	}
	members = slices.DeleteFunc(members, func(m string) bool {
		key, ok := memberKey(m)
		return !ok || slices.Contains(except, key)
	})
	for some := range slices.Chunk(members, batch) {
		ended, late, err := s.revoke(ctx, index, subject, some, behind == nil)
		n += ended
		if err != nil {
			return n, err
		}
		if behind == nil {
			behind = late
		}
	}
	return n, behind
}

// done reports whether a script was run, and replicas are all that is missing.
func done(msg *rueidis.RedisMessage, err error) bool {
	return errors.Is(err, beaker.ErrUncertain) && (msg.IsArray() || msg.IsInt64())
}

// revoke ends those sessions that are the subject's. Behind is the error of replicas that
// have not got it.
func (s *Store) revoke(ctx context.Context, index, subject string, members []string, wait bool) (n int, behind, err error) {
	calls := make([]call, len(members))
	for i, m := range members {
		key, _ := memberKey(m) // the caller has looked
		s.cache.doubt(&key)
		calls[i] = call{script: &s.revokeScript, key: s.sessionKey(&key), args: []string{subject}, wait: wait}
	}
	var gone []string
	for i, a := range s.runAll(ctx, calls) {
		code, aerr := int64(0), a.err
		if done(&a.msg, aerr) {
			behind, aerr = aerr, nil
		}
		if aerr == nil {
			if code, aerr = a.msg.ToInt64(); aerr != nil {
				aerr = s.failed(ctx, s.revokeScript.op, aerr)
			}
		}
		key, _ := memberKey(members[i])
		s.cache.doubt(&key)
		if aerr != nil {
			if err == nil {
				err = aerr
			}
			continue
		}
		if code == 1 {
			n++
		}
		if code != 2 {
			gone = append(gone, members[i])
		}
	}
	s.forget(ctx, index, gone...)
	return n, behind, err
}

// memberKey returns the key of the session that a member of an index is.
func memberKey(member string) (key beaker.RecordKey, ok bool) {
	return key, len(member) == copy(key[:], member) && len(member) == len(key)
}

// validSubject says what beaker says of subjects.
func validSubject(s string) bool {
	return len(s) <= 255 && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 })
}
