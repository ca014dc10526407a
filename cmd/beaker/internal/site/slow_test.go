package site_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/internal/bubble"
)

// gate makes slow requests wait until the test lets them go on. By then they have
// loaded the session: the wait comes after that.
type gate struct {
	arrived chan time.Duration
	open    chan struct{}
}

func newGate() *gate { return &gate{make(chan time.Duration), make(chan struct{})} }

func (g *gate) wait(ctx context.Context, d time.Duration) error {
	g.arrived <- d
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reached waits until a slow request waits, and fails the test if none does.
func (g *gate) reached(t *testing.T) time.Duration {
	t.Helper()
	select {
	case d := <-g.arrived:
		return d
	case <-time.After(30 * time.Second):
		t.Fatal("no slow request waits")
		return 0
	}
}

func TestSlowRequestsThatOverlapOnDifferentKeysBothSurvive(t *testing.T) {
	g := newGate()
	b := newSite(t, g.wait).browser(t)
	b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	done := make(chan int, 2)
	for _, key := range []string{"a", "b"} {
		go func() { done <- b.other().do(http.MethodPost, "/api/slow/"+key+"?ms=3000", `"`+key+`"`).StatusCode }()
	}
	for range 2 {
		if d := g.reached(t); d != 3*time.Second {
			t.Errorf("it waits %v", d)
		}
	}
	b.must(http.MethodPut, "/api/values/c", `"c"`) // both have loaded before this
	close(g.open)
	for range 2 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	v := b.session()
	for _, key := range []string{"a", "b", "c"} {
		if string(v.Values[key]) != `"`+key+`"` {
			t.Errorf("%s is lost: %s", key, v.Values)
		}
	}
}

func TestLogoutDuringASlowWriteWins(t *testing.T) {
	g := newGate()
	b := newSite(t, g.wait).browser(t)
	b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	slow := b.other()
	done := make(chan *http.Response, 1)
	go func() { done <- slow.do(http.MethodPost, "/api/slow/k?ms=3000", "1") }()
	g.reached(t)
	copied := b.other()
	b.must(http.MethodPost, "/api/logout", "")
	close(g.open)
	resp := <-done
	if got := text(t, resp); resp.StatusCode != http.StatusConflict || !strings.Contains(got, `"error"`) || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("status %d, %v: %s", resp.StatusCode, resp.Header, got)
	}
	if v := copied.session(); !*v.New || len(v.Values) != 0 {
		t.Errorf("the session is back: %+v", v)
	}
}

func TestSlowReadShowsWhatWasThereWhenItLoaded(t *testing.T) {
	g := newGate()
	b := newSite(t, g.wait).browser(t)
	b.must(http.MethodPut, "/api/values/k", "1")
	done := make(chan *http.Response, 1)
	go func() { done <- b.other().do(http.MethodGet, "/api/slow?ms=10000", "") }()
	g.reached(t)
	b.must(http.MethodPut, "/api/values/k", "2")
	close(g.open)
	v := decode[view](t, text(t, <-done))
	if string(v.Values["k"]) != "1" || !v.Request.Loaded {
		t.Errorf("got %+v", v)
	}
}

func TestClientThatLeavesASlowWriteWritesNothing(t *testing.T) {
	g := newGate()
	f := newSite(t, g.wait)
	b := f.browser(t)
	b.must(http.MethodPut, "/api/values/k", "1")
	ctx, leave := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.other().send(b.request(http.MethodPost, "/api/slow/k?ms=3000", "2").WithContext(ctx))
	}()
	g.reached(t)
	leave()
	<-done // without opening the gate
	if v := b.session(); string(v.Values["k"]) != "1" {
		t.Errorf("got %+v", v)
	}
	if strings.Contains(f.log.String(), "level=ERROR") {
		t.Errorf("a client that leaves is an error in the log: %s", f.log.String())
	}
}

// The real wait, in a bubble where time passes at once and exactly.
func TestWaitLastsAsLongAsAskedOrUntilTheClientLeaves(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		b := newSite(t, nil).browser(t)
		b.must(http.MethodPut, "/api/values/k", "1")

		began := time.Now()
		b.must(http.MethodPost, "/api/slow/k?ms=7000", "2")
		if d := time.Since(began); d != 7*time.Second {
			t.Errorf("it waited %v of virtual time", d)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began = time.Now()
		b.send(b.request(http.MethodPost, "/api/slow/k?ms=10000", "3").WithContext(ctx))
		if d := time.Since(began); d != time.Second {
			t.Errorf("after the client was gone it waited until %v", d)
		}
		if v := b.session(); string(v.Values["k"]) != "2" {
			t.Errorf("got %+v", v)
		}
	})
}
