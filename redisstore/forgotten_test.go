//go:build linux

package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// A server that has forgotten all scripts, as after SCRIPT FLUSH or a restart, is told them
// again by whichever call comes first, alone or among many, waiting for replicas or not.
func TestAServerThatForgotItsScripts(t *testing.T) {
	node := ownServer(t)
	for _, o := range []redisstore.Options{{}, {WaitReplicas: 1, WaitTimeout: time.Millisecond}} {
		s, err := redisstore.Open(t.Context(), "redis://"+node.Addr, &o)
		if err != nil {
			t.Fatal(err)
		}
		forgets := func() {
			t.Helper()
			for _, command := range [][]string{{"SCRIPT", "FLUSH"}, {"CONFIG", "RESETSTAT"}} {
				if _, err := node.Do(t.Context(), command...); err != nil {
					t.Fatal(err)
				}
			}
		}
		// There is no replica. That is the only thing that may be wrong.
		done := func(what string, err error) {
			t.Helper()
			if err != nil && (o.WaitReplicas == 0 || !errors.Is(err, beaker.ErrUncertain)) {
				t.Errorf("%+v: %s: %v", o, what, err)
			}
			if n, err := node.Info(t.Context(), "cmdstat_eval"); err != nil || n == "" {
				t.Errorf("%+v: %s: it was told nothing: %q, %v", o, what, n, err)
			}
		}
		m := newMeta()
		m.Subject, m.AuthenticatedAt = "fred", epoch
		signed, plain := newRecord(t, m, "k", "v"), newRecord(t, newMeta(), "k", "v")
		forgets()
		done("Create", s.Create(t.Context(), signed))
		forgets()
		done("Create of nobody's", s.Create(t.Context(), plain))
		forgets()
		ch := changeOf(plain)
		ch.Rotate = &beaker.Rotation{Next: unique("next")}
		_, err = s.Apply(t.Context(), plain.Key(), ch)
		done("Apply", err)
		if got, err := s.Load(t.Context(), plain.Key()); err != nil || got.Version() != 2 || got.Meta().Proof != ch.Rotate.Next {
			t.Errorf("%+v: after Apply: %v", o, err)
		}
		forgets()
		n, err := s.RevokeSubject(t.Context(), "fred", epoch+1000)
		done("RevokeSubject", err)
		if n != 1 {
			t.Errorf("%+v: RevokeSubject has ended %d sessions, want 1", o, n)
		}
		forgets()
		done("Delete", s.Delete(t.Context(), plain.Key()))
		short := newMeta()
		short.Idle = time.Second
		created(t, s, short)
		forgets()
		n, err = s.Purge(t.Context(), epoch+5000, 10)
		done("Purge", err)
		if n != 1 {
			t.Errorf("%+v: Purge has removed %d sessions, want 1", o, n)
		}
		for _, key := range []beaker.RecordKey{m.Key, plain.Key(), short.Key} {
			if _, err := s.Load(t.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
				t.Errorf("%+v: Load: %v, want ErrNotFound", o, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := node.Do(t.Context(), "FLUSHALL"); err != nil {
			t.Fatal(err)
		}
	}
}
