//go:build linux

package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/field"
	"github.com/seed12c5fab1/beaker/memstore"
)

// keys measures what one read and one write cost in sessions of 1 to 256 keys.
func (r *report) keys() error {
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		return err
	}
	store, err := memstore.New(nil)
	if err != nil {
		return err
	}
	m, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		return err
	}
	defer m.Close()
	with := func(f func(s *beaker.Session)) http.Handler {
		return m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			s, err := m.Get(req.Context())
			if err != nil {
				m.Error(w, req, err)
				return
			}
			f(s)
			_, _ = io.WriteString(w, contest.OK) // the client may be gone
		}))
	}
	for _, n := range []int{1, 4, 16, 64, 256} {
		name := func(i int) string { return fmt.Sprintf("key-%03d", i) }
		client := contest.NewClient()
		if err := client.Begin(with(func(s *beaker.Session) {
			for i := range n {
				s.Set(name(i), contest.UID)
			}
		})); err != nil {
			return err
		}
		last := beaker.NewKey[string](name(n - 1))
		wrong := 0
		read, err := r.mean(client, with(func(s *beaker.Session) {
			if v, ok := last.Get(s); !ok || v != contest.UID {
				wrong++
			}
		}))
		if err != nil {
			return err
		}
		if wrong > 0 {
			return fmt.Errorf("%d times the session of %d keys did not hold what was set", wrong, n)
		}
		write, err := r.mean(client, with(func(s *beaker.Session) { last.Set(s, contest.UID) }))
		if err != nil {
			return err
		}
		r.line("   %3d keys: reading one %v, writing one %v", n, read, write)
	}
	return nil
}

// mean is the mean time of a request, the least of five.
func (r *report) mean(client *contest.Client, h http.Handler) (time.Duration, error) {
	least := time.Duration(0)
	for range 5 {
		began, n := time.Now(), 0
		for time.Since(began) < r.sizes.Slice {
			for range 100 {
				if err := client.Do(h); err != nil {
					return 0, err
				}
			}
			n += 100
		}
		if took := time.Since(began) / time.Duration(n); least == 0 || took < least {
			least = took
		}
	}
	return least, nil
}

// concurrency measures how many reads a second are done by 1 to 64 goroutines, each
// with a session of its own.
func (r *report) concurrency() error {
	for _, who := range [][2]string{
		{"memory", "floor in a middleware"},
		{"memory", "beaker"},
		{"memory", "scs"},
		{"redis", "floor"},
		{"redis", "beaker"},
		{"redis", "scs"},
		{"postgresql", "floor"},
		{"postgresql", "beaker"},
		{"postgresql", "scs"},
	} {
		c := field.Find(who[0], who[1])
		if c == nil {
			return fmt.Errorf("there is no %s %s", who[0], who[1])
		}
		text, err := r.crowd(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.ID(), err)
		}
		r.line("   %-30s %s", c.ID(), text)
	}
	return nil
}

func (r *report) crowd(c *contest.Contender) (text string, err error) {
	p, err := c.Open(r.ctx, r.env)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	site, err := contest.SiteOf(p)
	if err != nil {
		return "", err
	}
	for _, n := range []int{1, 4, 16, 64} {
		clients := make([]*contest.Client, n)
		for i := range clients {
			clients[i] = contest.NewClient()
			if err := clients[i].Begin(site.Create); err != nil {
				return "", err
			}
		}
		best := 0.0
		for range 3 {
			rate, err := r.rate(clients, site.Read)
			if err != nil {
				return "", err
			}
			best = max(best, rate)
		}
		text += fmt.Sprintf("%3d at once: %7.0f/s   ", n, best)
	}
	return text, nil
}

func (r *report) rate(clients []*contest.Client, h http.Handler) (float64, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.sizes.Slice)
	defer cancel()
	counts, errs := make([]int, len(clients)), make([]error, len(clients))
	var wg sync.WaitGroup
	began := time.Now()
	for i, c := range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				if errs[i] = c.Do(h); errs[i] == nil && c.Body() != contest.UID {
					errs[i] = fmt.Errorf("the answer is %.100q", c.Body())
				}
				if errs[i] != nil {
					return
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / took.Seconds(), errors.Join(errs...)
}
