package contest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// Crowd is many sessions of one site, used by several processors at once (S5). Each
// worker has sessions of its own, so that what it adds up can be checked.
type Crowd struct {
	site    *Site
	cookies []string
	added   []int
}

// NewCrowd opens sessions on a site.
func NewCrowd(p Player, sessions int) (*Crowd, error) {
	site, err := SiteOf(p)
	if err != nil {
		return nil, err
	}
	c := &Crowd{site: site, cookies: make([]string, sessions), added: make([]int, sessions)}
	client := NewClient()
	for i := range c.cookies {
		client.Cookie = ""
		if err := client.Begin(c.site.Create); err != nil {
			return nil, err
		}
		c.cookies[i] = client.Cookie
	}
	return c, nil
}

// Run does n requests of a scenario, Read or Increment, on procs processors with a
// goroutine for each, and returns the time of one.
func (c *Crowd) Run(s Scenario, procs, n int) (nanos float64, err error) {
	handler, want := c.site.Read, UID
	if s == Increment {
		handler, want = c.site.Increment, OK
	}
	was := runtime.GOMAXPROCS(procs)
	defer runtime.GOMAXPROCS(was)
	runtime.GC()
	errs := make([]error, procs)
	var wg sync.WaitGroup
	began := time.Now()
	for w := range procs {
		wg.Go(func() { errs[w] = c.work(handler, want, s == Increment, w, procs, n/procs) })
	}
	wg.Wait()
	took := time.Since(began)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(took) / float64(n/procs*procs), nil
}

func (c *Crowd) work(handler http.Handler, want string, adds bool, worker, workers, n int) error {
	// Its part of the sessions, in an order that caches cannot guess.
	own := len(c.cookies) / workers
	order := rand.New(rand.NewPCG(uint64(worker), uint64(n))) //nolint:gosec // an order, not a secret
	client := NewClient()
	for i := range n {
		k := worker*own + order.IntN(own)
		client.Cookie = c.cookies[k]
		if err := client.Do(handler); err != nil {
			return err
		}
		if string(client.body) != want {
			return fmt.Errorf("request %d of %d: the answer is %.100q, want %q", i+1, n, client.body, want)
		}
		if adds {
			c.added[k]++
		}
	}
	return nil
}

// Verify looks at some of the sessions.
func (c *Crowd) Verify() error {
	client := NewClient()
	for i := 0; i < len(c.cookies); i += max(1, len(c.cookies)/500) {
		client.Cookie = c.cookies[i]
		if err := client.Do(c.site.Number); err != nil {
			return err
		}
		if want := strconv.Itoa(First + c.added[i]); client.Body() != want {
			return fmt.Errorf("%d increments of session %d made %q of %d", c.added[i], i, client.Body(), First)
		}
	}
	return nil
}

// Heap returns what a session takes of this process's memory, all told, when a site
// holds many of them.
func Heap(p Player, sessions int) (bytes float64, err error) {
	site, err := SiteOf(p)
	if err != nil {
		return 0, err
	}
	client := NewClient()
	if err := client.Begin(site.Create); err != nil { // whatever is made at first
		return 0, err
	}
	before := live()
	for range sessions {
		client.Cookie = ""
		if err := client.Begin(site.Create); err != nil {
			return 0, err
		}
	}
	after := live()
	if err := client.Do(site.Read); err != nil {
		return 0, err
	}
	if client.Body() != UID {
		return 0, fmt.Errorf("the last session holds %q", client.Body())
	}
	runtime.KeepAlive(p)
	return float64(after-before) / float64(sessions), nil
}

// live returns the bytes of the heap that are in use.
func live() int64 {
	runtime.GC()
	runtime.GC() // what had finalizers is gone after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
