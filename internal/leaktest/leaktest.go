// Package leaktest uses package leaks on a store: whatever kind of session is driven over
// it, nothing that opens one is in what it keeps, and no value, proof or bearer value is
// in what it says.
package leaktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

const origin = "https://app.example"

// run is one call of Store.
type run struct {
	t     leaks.TB
	store beaker.Store
	clock *sessiontest.Clock
	// private holds what a store may keep and must not say: values and proofs.
	private leaks.Scanner
	said    []any // events and errors
}

// Store signs in, rotates, revokes and signs out over an empty store, with sessions that
// are stored in it and with sealed ones whose revocations are, and looks for leaks in
// dump, in the responses, in the events and in the store's errors. Dump returns all that
// the engine keeps, in whatever form. Store closes the store in the end, to see what it
// says then. The package's TestMain must call leaks.Watch.
func Store(t leaks.TB, store beaker.Store, dump func() ([]byte, error)) {
	t.Helper()
	if err := drive(t, store, dump); err != nil {
		t.Errorf("leaktest: %v", err)
	}
}

func drive(t leaks.TB, store beaker.Store, dump func() ([]byte, error)) error {
	t.Helper()
	r := &run{t: t, store: store, clock: sessiontest.NewClock(time.Time{})}
	before := leaks.Values()
	live, err := r.stored()
	if err != nil {
		return fmt.Errorf("stored sessions: %w", err)
	}
	if err := r.sealed(false); err != nil {
		return fmt.Errorf("sealed sessions: %w", err)
	}
	if err := r.sealed(true); err != nil {
		return fmt.Errorf("signed sessions: %w", err)
	}
	if n := leaks.Values() - before; n < 20 {
		return fmt.Errorf("only %d bearer values were learned: TestMain must call leaks.Watch", n)
	}
	kept, err := dump()
	if err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	leaks.Check(t, "what the store keeps", kept)
	// A dump of something else would have no leaks either.
	var keys leaks.Scanner
	keys.Remember("the key of a session", live[:])
	var seen finding
	if keys.Check(&seen, "", kept); seen == 0 {
		return fmt.Errorf("the dump of %d bytes does not hold the live session %v: it shows nothing", len(kept), live)
	}
	r.fail()
	for _, said := range r.said {
		leaks.Printed(t, "what was said", said)
		r.private.Printed(t, "what was said", said)
	}
	return nil
}

type finding int

func (f *finding) Helper()               {}
func (f *finding) Errorf(string, ...any) { *f++ }

// value is what nobody may read but the store.
type value struct{ Canary []byte }

var canary = beaker.NewKey[value]("canary")

func (r *run) newValue() value {
	v := value{make([]byte, 32)}
	_, _ = rand.Read(v.Canary) // never fails
	r.private.Remember("a value", v.Canary)
	return v
}

func (r *run) manager(change func(*beaker.Config)) (*beaker.Manager, error) {
	text := beaker.NewSecret()
	secrets, err := beaker.ParseSecrets(text)
	if err != nil {
		return nil, err
	}
	if _, key, _ := strings.Cut(text, ":"); !leaks.RememberText("a key", key) {
		return nil, errors.New("the key is not what it was expected to be")
	}
	cfg := beaker.Config{
		Secrets: secrets, App: rand.Text(), Now: r.clock.Now, PurgeInterval: -1, StoreTimeout: time.Minute,
		Observer: beaker.ObserverFunc(func(_ context.Context, e beaker.Event) {
			r.said = append(r.said, e)
			for err := e.Err; err != nil; err = errors.Unwrap(err) {
				r.said = append(r.said, err)
			}
		}),
	}
	change(&cfg)
	return beaker.New(cfg)
}

// step is what one request does.
type step func(ctx context.Context, s *beaker.Session) error

// visitor is a browser and what its next request does.
type visitor struct {
	r       *run
	browser *sessiontest.Browser
	next    step
	err     error
}

func (r *run) visitor(m *beaker.Manager) *visitor {
	v := &visitor{r: r}
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s, err := m.Get(req.Context())
		if err == nil {
			err = v.next(req.Context(), s)
		}
		if err != nil {
			v.err = err
			m.Error(w, req, err)
			return
		}
		fmt.Fprintln(w, s.Handle(), s.Subject(), s.IsNew())
	}))
	v.browser = sessiontest.NewBrowser(leaks.Handler(r.t, h), origin).UseClock(r.clock)
	return v
}

// visits makes one request after the other.
func (v *visitor) visits(steps ...step) error {
	for i, s := range steps {
		v.next = s
		if resp := v.browser.Get("/"); v.err != nil || resp.Status != http.StatusOK {
			return fmt.Errorf("request %d: status %d, %w", i+1, resp.Status, v.err)
		}
		v.r.clock.Advance(2 * time.Minute) // longer than a touch interval, and than a request is in flight
	}
	return nil
}

// ended tells what a request finds whose session has ended.
func ended(_ context.Context, s *beaker.Session) error {
	if s.Subject() != "" {
		return errors.New("the session goes on")
	}
	return nil
}

// stored leaves one session alive and returns its key.
func (r *run) stored() (live beaker.RecordKey, err error) {
	m, err := r.manager(func(c *beaker.Config) { c.Store = r.store })
	if err != nil {
		return live, err
	}
	defer m.Close()
	begin := func(_ context.Context, s *beaker.Session) error { canary.Set(s, r.newValue()); return nil }
	signIn := func(_ context.Context, s *beaker.Session) error { return s.SetSubject("user 1") }
	change := func(ctx context.Context, s *beaker.Session) error {
		s.AddFlash(r.newValue())
		return m.Update(ctx, func(s *beaker.Session) error { canary.Set(s, r.newValue()); return nil })
	}
	a, b, other := r.visitor(m), r.visitor(m), r.visitor(m)
	err = a.visits(begin, signIn, change,
		func(_ context.Context, s *beaker.Session) error { return s.Regenerate() },
		func(_ context.Context, s *beaker.Session) error {
			s.Flashes()
			a := s.CookieAttributes()
			a.Expires = beaker.ExpiresWithSession
			return s.SetCookieAttributes(a)
		},
		func(ctx context.Context, s *beaker.Session) error { return s.Invalidate(ctx) },
		begin, signIn,
		func(ctx context.Context, s *beaker.Session) error { return s.Destroy(ctx) },
		ended, begin, signIn,
	)
	if err == nil {
		err = other.visits(begin, signIn)
	}
	if err == nil {
		err = b.visits(begin, signIn, func(ctx context.Context, s *beaker.Session) error {
			live = beaker.RecordKey(s.Handle())
			_, err := m.RevokeAll(ctx, "user 1", s.Handle())
			if errors.Is(err, errors.ErrUnsupported) {
				return nil
			}
			return err
		}, change)
	}
	if err != nil {
		return live, err
	}
	for info, err := range m.List(context.Background(), "user 1") {
		if errors.Is(err, errors.ErrUnsupported) {
			break
		}
		if err != nil {
			return live, err
		}
		r.said = append(r.said, info)
	}
	rec, err := r.store.Load(context.Background(), live)
	if err != nil {
		return live, err
	}
	meta := rec.Meta()
	r.private.Remember("a proof", meta.Proof[:])
	r.private.Remember("a replaced proof", meta.PrevProof[:])
	r.said = append(r.said, rec, m)
	return live, nil
}

func (r *run) sealed(signOnly bool) error {
	m, err := r.manager(func(c *beaker.Config) {
		c.Sealed = &beaker.Sealed{Revoker: r.store, SignOnly: signOnly}
	})
	if err != nil {
		return err
	}
	defer m.Close()
	begin := func(_ context.Context, s *beaker.Session) error { canary.Set(s, r.newValue()); return nil }
	signIn := func(_ context.Context, s *beaker.Session) error { return s.SetSubject("user 1") }
	a, b := r.visitor(m), r.visitor(m)
	err = a.visits(begin, signIn)
	if err == nil {
		err = b.visits(begin, signIn,
			func(_ context.Context, s *beaker.Session) error { return s.Regenerate() },
			func(ctx context.Context, s *beaker.Session) error {
				_, err := m.RevokeAll(ctx, "user 1", s.Handle())
				return err
			},
			func(_ context.Context, s *beaker.Session) error { return s.Regenerate() },
			func(ctx context.Context, s *beaker.Session) error { return s.Destroy(ctx) },
			ended)
	}
	if err == nil {
		err = a.visits(ended)
	}
	return err
}

// fail makes the store's methods fail and keeps what they say.
func (r *run) fail() {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	r.operations(done)
	r.operations(context.Background()) // what was stored already, and what never was
	if c, ok := r.store.(io.Closer); ok {
		if err := c.Close(); err != nil {
			r.t.Errorf("close: %v", err)
		}
	}
	r.operations(context.Background())
}

func (r *run) operations(ctx context.Context) {
	var key beaker.RecordKey
	var proof beaker.Proof
	_, _ = rand.Read(key[:]) // never fails
	_, _ = rand.Read(proof[:])
	r.private.Remember("a proof", proof[:])
	now := beaker.MillisOf(r.clock.Now())
	values := []beaker.Value{{Name: "canary", Data: r.newValue().Canary}}
	rec, err := beaker.NewRecord(beaker.Meta{
		Key: key, Proof: proof, Version: 1, Created: now, Touched: now, Idle: time.Hour, Absolute: now.Add(time.Hour),
	}, values)
	if err != nil {
		r.t.Errorf("%v", err)
		return
	}
	ch := &beaker.Change{Now: now, Proof: proof, Base: rec, Set: values}
	for range 2 { // the second time the record is there
		err = r.store.Create(ctx, rec)
		r.said = append(r.said, err)
	}
	_, err = r.store.Load(ctx, key)
	r.said = append(r.said, err)
	_, err = r.store.Apply(ctx, key, ch)
	r.said = append(r.said, err)
	wrong := *ch
	wrong.Proof[0] ^= 1
	r.private.Remember("a proof", wrong.Proof[:])
	_, err = r.store.Apply(ctx, key, &wrong)
	r.said = append(r.said, err, r.store.Delete(ctx, key))
	_, err = r.store.Apply(ctx, key, ch)
	r.said = append(r.said, err, ch)
	if l, ok := r.store.(beaker.Lister); ok {
		_, _, err = l.List(ctx, beaker.ListQuery{Subject: "user 1"})
		r.said = append(r.said, err)
	}
	if s, ok := r.store.(beaker.SubjectRevoker); ok {
		_, err = s.RevokeSubject(ctx, "user 2", now)
		r.said = append(r.said, err)
	}
}
