//go:build linux

package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// Who is to be out is out where that can be done, also while no replica is there to take
// it, and however many sessions there are. That a failover may undo it is said.
func TestARevocationEndsSessionsWhileReplicasAreAway(t *testing.T) {
	p := newPlace(t)
	with, s := p.store(t, redisstore.Options{}), p.store(t, redisstore.Options{WaitReplicas: 1, WaitTimeout: time.Millisecond})
	const sessions = 300 // more than are ended at once
	var recs []*beaker.Record
	for range sessions {
		m := newMeta()
		m.Subject, m.AuthenticatedAt = "fred", epoch
		recs = append(recs, created(t, with, m))
	}
	n, err := s.RevokeSubject(t.Context(), "fred", epoch+1000, recs[0].Key())
	if !errors.Is(err, beaker.ErrUncertain) || !strings.Contains(err.Error(), "fewer replicas") {
		t.Errorf("RevokeSubject: %v, want fewer replicas", err)
	}
	if n != sessions-1 {
		t.Errorf("it has ended %d sessions, want %d", n, sessions-1)
	}
	if left := all(t, with, beaker.ListQuery{Subject: "fred"}); len(left) != 1 || left[0].Key() != recs[0].Key() {
		t.Errorf("%d sessions are left, want the one that was spared", len(left))
	}
	late := newMeta()
	late.Subject, late.AuthenticatedAt = "fred", epoch+500
	if err := with.Create(t.Context(), newRecord(t, late)); !errors.Is(err, beaker.ErrRevoked) {
		t.Errorf("a sign-in that began before: %v, want ErrRevoked", err)
	}
}
