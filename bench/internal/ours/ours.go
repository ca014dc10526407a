// Package ours is this library as a contender, on each of its stores.
package ours

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

var (
	uid  = beaker.NewKey[string](contest.KeyUID)
	n    = beaker.NewKey[int](contest.KeyN)
	data = beaker.NewKey[string](contest.KeyData)
)

// Site is an application on a store, or with sealed sessions, in the default
// configuration.
func Site(cfg beaker.Config) (*contest.Site, error) {
	var clock atomic.Int64
	slow := cfg
	slow.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
	slow.TouchInterval = time.Millisecond // and not a minute, or sessions would soon reach their end
	m, err := manager(cfg)
	if err != nil {
		return nil, err
	}
	s := handlers(m)
	ms, err := manager(slow)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	s.Slow = handlers(ms)
	s.Slow.Pass = func() { clock.Add(int64(slow.TouchInterval)) }
	s.Close = func() error { return errors.Join(m.Close(), ms.Close()) }
	return s, nil
}

func manager(cfg beaker.Config) (*beaker.Manager, error) {
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		return nil, err
	}
	cfg.Secrets = secrets
	return beaker.New(cfg)
}

func handlers(m *beaker.Manager) *contest.Site {
	// with is a handler that has the session.
	with := func(f func(w http.ResponseWriter, s *beaker.Session)) http.Handler {
		return m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := m.Get(r.Context())
			if err != nil {
				m.Error(w, r, err)
				return
			}
			f(w, s)
		}))
	}
	answer := func(w http.ResponseWriter, text string) { _, _ = io.WriteString(w, text) } // the client may be gone
	create := func(more []string, signedIn bool) http.Handler {
		return with(func(w http.ResponseWriter, s *beaker.Session) {
			if signedIn {
				uid.Set(s, contest.UID)
			}
			n.Set(s, contest.First)
			data.Set(s, contest.Data)
			for _, k := range more {
				s.Set(k, contest.MoreValue)
			}
			answer(w, contest.OK)
		})
	}
	return &contest.Site{
		Untouched: m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, contest.OK) })),
		Read: with(func(w http.ResponseWriter, s *beaker.Session) {
			v, _ := uid.Get(s)
			answer(w, v)
		}),
		Number: with(func(w http.ResponseWriter, s *beaker.Session) {
			v, _ := n.Get(s)
			answer(w, strconv.Itoa(v))
		}),
		Increment: with(func(w http.ResponseWriter, s *beaker.Session) {
			v, _ := n.Get(s)
			n.Set(s, v+1)
			answer(w, contest.OK)
		}),
		Create:      create(nil, true),
		CreateLarge: create(contest.More, true),
		Anonymous:   create(nil, false),
		SignIn: with(func(w http.ResponseWriter, s *beaker.Session) {
			if err := s.SetSubject(contest.UID); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			uid.Set(s, contest.UID)
			answer(w, contest.OK)
		}),
	}
}

// counted counts the calls of a store.
type counted struct {
	beaker.Store
	calls *atomic.Int64
}

func (c counted) Create(ctx context.Context, rec *beaker.Record) error {
	c.calls.Add(1)
	return c.Store.Create(ctx, rec)
}

func (c counted) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	c.calls.Add(1)
	return c.Store.Load(ctx, key)
}

func (c counted) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	c.calls.Add(1)
	return c.Store.Apply(ctx, key, ch)
}

func (c counted) Delete(ctx context.Context, key beaker.RecordKey) error {
	c.calls.Add(1)
	return c.Store.Delete(ctx, key)
}
