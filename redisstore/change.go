package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/seed12c5fab1/beaker"
)

var (
	errDuplicate = errors.New("redisstore: apply: two values of one name")
	errTimes     = errors.New("redisstore: apply: time out of range")
)

// newProbe returns a record for checkChange: it takes every change that is possible.
func newProbe() (*beaker.Record, error) {
	rec, err := beaker.NewRecord(beaker.Meta{
		Key: beaker.RecordKey{1}, Proof: beaker.Proof{1}, Version: 1, Idle: beaker.NoLimit, Absolute: beaker.Millis(maxMillis),
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	return rec, nil
}

// checkChange finds what no record can have, so that a script never meets it.
func (s *Store) checkChange(ch *beaker.Change) error {
	for _, t := range [...]beaker.Millis{ch.Now, ch.Touch, ch.AuthenticatedAt} {
		if t < 0 || int64(t) > maxMillis {
			return errTimes
		}
	}
	if len(ch.Set) > 1 {
		if err := checkNames(ch.Set); err != nil {
			return err
		}
	}
	if ch.Idle == 0 && ch.Absolute == 0 && ch.Subject == nil && ch.Cookie == nil && ch.Rotate == nil {
		return nil
	}
	// What beaker says of the rest, it says itself.
	_, err := beaker.Merge(s.probe, &beaker.Change{
		AnyProof: true, Idle: ch.Idle, Absolute: ch.Absolute, Subject: ch.Subject, AuthenticatedAt: ch.AuthenticatedAt,
		Cookie: ch.Cookie, Rotate: ch.Rotate,
	})
	return err
}

func checkNames(set []beaker.Value) error {
	const few = 8
	if len(set) <= few { // without a map
		for i := range set {
			for j := range set[:i] {
				if set[i].Name == set[j].Name {
					return errDuplicate
				}
			}
		}
		return nil
	}
	seen := make(map[string]struct{}, len(set))
	for i := range set {
		seen[set[i].Name] = struct{}{}
	}
	if len(seen) < len(set) {
		return errDuplicate
	}
	return nil
}

// argsOf appends a change as apply.lua reads it. Names and data are copied: rueidis may
// still have to send them when the context has ended, and then they are the caller's
// again.
func argsOf(args []string, ch *beaker.Change, raised string) []string {
	args = append(args, "", "")
	if !ch.AnyProof {
		args[1] = string(ch.Proof[:])
	}
	option := func(letter, data string) { args = append(args, letter, data) }
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	if ch.Idle != 0 {
		option("i", number(int64(ch.Idle/time.Millisecond)))
	}
	if ch.Absolute != 0 {
		option("x", number(int64(ch.Absolute)))
		if raised != "" {
			option("k", raised)
		}
	}
	if ch.Subject != nil {
		option("s", subjectField(ch.AuthenticatedAt, *ch.Subject))
	}
	if ch.Cookie != nil {
		b, _ := ch.Cookie.MarshalBinary() // checkChange has looked
		option("c", string(b))
	}
	if r := ch.Rotate; r != nil {
		option("p", string(r.Next[:]))
		option("u", number(min(int64(ch.Now.Add(max(r.Grace, 0))), maxMillis)))
	}
	options := (len(args) - 2) / 2
	for _, name := range ch.Remove {
		args = append(args, valuePrefix+name)
	}
	for i := range ch.Set {
		args = append(args, valuePrefix+ch.Set[i].Name, string(ch.Set[i].Data))
	}

	var buf [160]byte
	b := buf[:0]
	for _, n := range [...]int64{
		int64(ch.Now), int64(ch.IfVersion), int64(ch.Touch), bit(ch.ChangesData()),
		int64(max(ch.Limits.MaxBytes, 0)), int64(max(ch.Limits.MaxKeys, 0)), bit(ch.Clear), int64(options), int64(len(ch.Remove)),
	} {
		b = append(strconv.AppendInt(b, n, 10), ' ')
	}
	args[0] = string(b[:len(b)-1])
	return args
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
