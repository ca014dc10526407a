// Command life lives the life of a store once, for a test that runs it where only
// approved cryptography may be used: GODEBUG=fips140=only. It is a program of its own
// because the proxy that the other tests use may not be started there.
//
// Its arguments are the URLs of servers.
package main

import (
	"context"
	"crypto/fips140"
	"crypto/rc4" //nolint:gosec // to see that it is refused
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

func main() {
	err := errors.New("this process may use what is not approved: nothing would be shown")
	if fips140.Enabled() && refused() {
		err = run(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "life:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, "lived")
}

// refused reports whether this process is kept from what is not approved.
func refused() bool {
	_, err := rc4.NewCipher([]byte("0123456789abcdef")) //nolint:gosec // see above
	return err != nil
}

func run(urls []string) error {
	for _, url := range urls {
		for _, cache := range []bool{false, true} {
			s, err := redisstore.Open(context.Background(), url, &redisstore.Options{Cache: cache})
			if err == nil {
				err = errors.Join(live(context.Background(), s), s.Close())
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// live does everything that a store does, once.
func live(ctx context.Context, s *redisstore.Store) error {
	now := beaker.MillisOf(time.Now()) //nolint:forbidigo // Redis drops keys by its own clock
	m := beaker.Meta{
		Key: beaker.RecordKey{1}, Proof: beaker.Proof{2}, Version: 1, Created: now, Touched: now, Idle: time.Hour, Absolute: now.Add(time.Hour),
	}
	rec, err := beaker.NewRecord(m, []beaker.Value{{Name: "k", Data: []byte("v")}})
	if err != nil {
		return err
	}
	fred := "fred"
	steps := []struct {
		name string
		do   func() error
	}{
		{"Create", func() error { return s.Create(ctx, rec) }},
		{"Load", func() error { _, err := s.Load(ctx, m.Key); return err }},
		{"Apply", func() error {
			_, err := s.Apply(ctx, m.Key, &beaker.Change{
				Now: now, Began: now, Proof: m.Proof, Subject: &fred, AuthenticatedAt: now, Rotate: &beaker.Rotation{Next: beaker.Proof{3}},
				Set: []beaker.Value{{Name: "k", Data: []byte("w")}},
			})
			return err
		}},
		{"List", func() error {
			page, _, err := s.List(ctx, beaker.ListQuery{Subject: fred})
			if err == nil && len(page) != 1 {
				err = fmt.Errorf("%d sessions", len(page))
			}
			return err
		}},
		{"Purge", func() error { _, err := s.Purge(ctx, now, 10); return err }},
		{"RevokeSubject", func() error {
			n, err := s.RevokeSubject(ctx, fred, now, m.Key)
			if err == nil && n != 0 {
				err = fmt.Errorf("%d sessions", n)
			}
			return err
		}},
		{"Delete", func() error { return s.Delete(ctx, m.Key) }},
		{"Load after Delete", func() error {
			if _, err := s.Load(ctx, m.Key); !errors.Is(err, beaker.ErrNotFound) {
				return fmt.Errorf("got %w", errors.Join(err, errors.ErrUnsupported))
			}
			return nil
		}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}
