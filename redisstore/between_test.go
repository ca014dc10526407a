//go:build linux

package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// meddler is a client in whose trips a test can intervene.
type meddler struct {
	rueidis.Client
	trip   atomic.Int64
	before func(trip int64) // called before each trip, numbered from 1
	// copies, if set, answers from memory, as rueidis does until Redis's message arrives.
	copies func() (rueidis.RedisResult, bool)
	seen   func(rueidis.RedisResult)
}

func (m *meddler) meddle() {
	if n := m.trip.Add(1); m.before != nil {
		m.before(n)
	}
}

func (m *meddler) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	m.meddle()
	return m.Client.Do(ctx, cmd)
}

func (m *meddler) DoMulti(ctx context.Context, multi ...rueidis.Completed) []rueidis.RedisResult {
	m.meddle()
	return m.Client.DoMulti(ctx, multi...)
}

func (m *meddler) DoCache(ctx context.Context, cmd rueidis.Cacheable, ttl time.Duration) rueidis.RedisResult {
	if m.copies != nil {
		if r, ok := m.copies(); ok {
			return r
		}
	}
	r := m.Client.DoCache(ctx, cmd, ttl)
	if m.seen != nil {
		m.seen(r)
	}
	return r
}

// meddled returns a store whose trips a test can intervene in, and what it does that by.
func (p *place) meddled(t *testing.T, o redisstore.Options) (*redisstore.Store, *meddler) {
	t.Helper()
	m := &meddler{Client: p.client(t)}
	s := storeOn(t, m, o)
	m.trip.Store(0)
	return s, m
}

// whenTrip has f run before the trip of that number, counted from now.
func (m *meddler) whenTrip(n int64, f func()) {
	m.trip.Store(0)
	m.before = func(trip int64) {
		if trip == n {
			m.before = nil
			f()
		}
	}
}

// Wherever between the trips of a sign-in a revocation falls that it began before, its
// session does not live, and if a sign-in is acknowledged its session is in the index.
func TestARevocationBetweenTheTripsOfASignIn(t *testing.T) {
	p := newPlace(t)
	other := p.store(t, redisstore.Options{})
	for _, how := range []string{"Apply", "Create"} {
		for trip := int64(1); trip <= 3; trip++ {
			s, m := p.meddled(t, redisstore.Options{})
			subject := fmt.Sprintf("%s-%d", how, trip)
			meta := newMeta()
			signIn := func() error {
				meta.Subject, meta.AuthenticatedAt = subject, epoch
				return s.Create(t.Context(), newRecord(t, meta, "k", "v"))
			}
			if how == "Apply" {
				rec := created(t, s, meta, "k", "v")
				signIn = func() error {
					ch := changeOf(rec)
					ch.Began, ch.AuthenticatedAt, ch.Subject, ch.Rotate = epoch, epoch, &subject, &beaker.Rotation{Next: unique("next")}
					_, err := s.Apply(t.Context(), rec.Key(), ch)
					return err
				}
			}
			reached := trip == 3 // after both trips, there is nothing that would call it
			m.whenTrip(trip, func() {
				reached = true
				if _, err := other.RevokeSubject(t.Context(), subject, epoch); err != nil {
					t.Error(err)
				}
			})
			if err := signIn(); trip < 3 && !errors.Is(err, beaker.ErrRevoked) || trip == 3 && err != nil {
				t.Errorf("%s, revoked before trip %d: %v", how, trip, err)
			}
			if trip == 3 {
				if n, err := other.RevokeSubject(t.Context(), subject, epoch); n != 1 || err != nil {
					t.Errorf("%s: RevokeSubject afterwards: %d, %v", how, n, err)
				}
			}
			if !reached {
				t.Fatalf("%s takes fewer than %d trips", how, trip)
			}
			if rec, err := other.Load(t.Context(), meta.Key); !errors.Is(err, beaker.ErrNotFound) {
				t.Errorf("%s, revoked before trip %d: the session lives: %v, %v", how, trip, rec, err)
			}
		}
	}
}

// A session that is used between the look of a purge and its deletion stays.
func TestAPurgeLooksAgainBeforeItDeletes(t *testing.T) {
	p := newPlace(t)
	other := p.store(t, redisstore.Options{})
	for _, change := range []string{"touch", "deadline"} {
		s, m := p.meddled(t, redisstore.Options{})
		rec := created(t, s, newMeta(), "k", "v")
		end := rec.Expires()
		used := false
		m.whenTrip(3, func() { // SCAN, then HGET, then this
			used = true
			ch := changeOf(rec)
			ch.Now = end - 1
			if change == "touch" {
				ch.Touch = end - 1
			} else {
				ch.Idle = 5 * time.Hour
			}
			if _, err := other.Apply(t.Context(), rec.Key(), ch); err != nil {
				t.Error(err)
			}
		})
		n, err := s.Purge(t.Context(), end, 100)
		if n != 0 || err != nil || !used {
			t.Errorf("%s: Purge: %d, %v, and a session in use: %t", change, n, err, used)
		}
		if _, err := other.Load(t.Context(), rec.Key()); err != nil {
			t.Errorf("%s: Load after Purge: %v", change, err)
		}
		if err := other.Delete(t.Context(), rec.Key()); err != nil {
			t.Error(err)
		}
	}
}

// A copy that Redis has not taken back yet is not used for what this store has written,
// deleted, revoked or read newer, nor for what it was told of or failed to learn.
func TestNoCopyFromBeforeIsUsed(t *testing.T) {
	p := newPlace(t)
	other := p.store(t, redisstore.Options{})
	for what, act := range map[string]func(t *testing.T, s *redisstore.Store, m *meddler, rec *beaker.Record) (gone bool){
		"a change": func(t *testing.T, s *redisstore.Store, _ *meddler, rec *beaker.Record) bool {
			ch := changeOf(rec)
			ch.Set = values("k", "w")
			if _, err := s.Apply(t.Context(), rec.Key(), ch); err != nil {
				t.Error(err)
			}
			return false
		},
		"a touch": func(t *testing.T, s *redisstore.Store, _ *meddler, rec *beaker.Record) bool {
			ch := changeOf(rec)
			ch.Touch = ch.Now
			if _, err := s.Apply(t.Context(), rec.Key(), ch); err != nil {
				t.Error(err)
			}
			return false
		},
		"a conflict": func(t *testing.T, s *redisstore.Store, _ *meddler, rec *beaker.Record) bool {
			ch := changeOf(rec)
			ch.Set = values("k", "w")
			if _, err := other.Apply(t.Context(), rec.Key(), ch); err != nil {
				t.Error(err)
			}
			ch.IfVersion = rec.Version()
			if _, err := s.Apply(t.Context(), rec.Key(), ch); !errors.Is(err, beaker.ErrConflict) {
				t.Error(err)
			}
			return false
		},
		"a change that came too late": func(t *testing.T, s *redisstore.Store, _ *meddler, rec *beaker.Record) bool {
			if err := other.Delete(t.Context(), rec.Key()); err != nil {
				t.Error(err)
			}
			ch := changeOf(rec)
			ch.Set = values("k", "w")
			if _, err := s.Apply(t.Context(), rec.Key(), ch); !errors.Is(err, beaker.ErrNotFound) {
				t.Error(err)
			}
			return true
		},
		"Delete": func(t *testing.T, s *redisstore.Store, _ *meddler, rec *beaker.Record) bool {
			if err := s.Delete(t.Context(), rec.Key()); err != nil {
				t.Error(err)
			}
			return true
		},
		"RevokeSubject": func(t *testing.T, s *redisstore.Store, _ *meddler, rec *beaker.Record) bool {
			if n, err := s.RevokeSubject(t.Context(), rec.Subject(), epoch); n != 1 || err != nil {
				t.Error(n, err)
			}
			return true
		},
		"Purge": func(t *testing.T, s *redisstore.Store, _ *meddler, rec *beaker.Record) bool {
			if _, err := s.Purge(t.Context(), rec.Expires(), 1000); err != nil {
				t.Error(err)
			}
			return true
		},
		"a change whose answer was lost": func(t *testing.T, s *redisstore.Store, m *meddler, rec *beaker.Record) bool {
			ctx, cancel := context.WithCancel(t.Context())
			m.whenTrip(1, func() {
				ch := changeOf(rec)
				ch.Set = values("k", "w")
				if _, err := other.Apply(t.Context(), rec.Key(), ch); err != nil { // in its stead
					t.Error(err)
				}
				cancel()
			})
			ch := changeOf(rec)
			ch.Set = values("k", "w")
			if _, err := s.Apply(ctx, rec.Key(), ch); !errors.Is(err, beaker.ErrUncertain) {
				t.Error(err)
			}
			return false
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, m := p.meddled(t, redisstore.Options{Cache: true})
			var old rueidis.RedisResult
			m.seen = func(r rueidis.RedisResult) { old = r }
			meta := newMeta()
			meta.Subject, meta.AuthenticatedAt = "user "+what, epoch
			rec := created(t, other, meta, "k", "v")
			before, err := s.Load(t.Context(), rec.Key())
			if err != nil || old.Error() != nil {
				t.Fatal(err, old.Error())
			}
			gone := act(t, s, m, rec)
			used := 0
			m.copies = func() (rueidis.RedisResult, bool) { used++; return old, true }
			for range 3 { // also once it was read newer
				got, err := s.Load(t.Context(), rec.Key())
				switch {
				case gone && !errors.Is(err, beaker.ErrNotFound):
					t.Errorf("Load: %v, want ErrNotFound", err)
				case !gone && err != nil:
					t.Errorf("Load: %v", err)
				case !gone && got.Version() == before.Version() && got.Touched() == before.Touched():
					t.Errorf("Load returns what was there before")
				}
			}
			t.Logf("%d old copies were offered", used)
		})
	}
}

// Whoever is told that a session has ended looks, and must not be shown a copy.
func TestNoCopyIsUsedOfWhatWatchTellsOf(t *testing.T) {
	p := newPlace(t)
	other := p.store(t, redisstore.Options{})
	s, m := p.meddled(t, redisstore.Options{Cache: true})
	var old rueidis.RedisResult
	m.seen = func(r rueidis.RedisResult) { old = r }
	told := make(chan beaker.RecordKey, 16)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = s.Watch(ctx, func(key beaker.RecordKey) { told <- key }) }()
	for { // until the subscription is there
		rec := created(t, other, newMeta())
		m.copies = nil
		if _, err := s.Load(t.Context(), rec.Key()); err != nil {
			t.Fatal(err)
		}
		if err := other.Delete(t.Context(), rec.Key()); err != nil {
			t.Fatal(err)
		}
		select {
		case key := <-told:
			if key != rec.Key() {
				continue
			}
			m.copies = func() (rueidis.RedisResult, bool) { return old, true }
			if _, err := s.Load(t.Context(), rec.Key()); !errors.Is(err, beaker.ErrNotFound) {
				t.Errorf("Load after the news: %v, want ErrNotFound", err)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
