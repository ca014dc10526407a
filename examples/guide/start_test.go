package guide

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestRunServesUntilItIsTold(t *testing.T) {
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close() // the next line takes the port again
	data := t.TempDir()
	counter := func(sessions *beaker.Manager) http.Handler {
		return sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := sessions.Get(r.Context())
			if err != nil {
				sessions.Error(w, r, err)
				return
			}
			n, _ := visits.Get(s)
			visits.Set(s, n+1)
			_, _ = w.Write([]byte{byte('0' + n)}) // the browser is here
		}))
	}
	b := sessiontest.NewBrowserVia(http.DefaultTransport, "http://localhost:"+addr[len("127.0.0.1:"):])
	for start, want := range []string{"01", "23"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, addr, data, counter) }()
		got := ""
		for len(got) < 2 && ctx.Err() == nil {
			select {
			case err := <-ended:
				t.Fatalf("start %d: %v", start+1, err)
			default:
			}
			if r := b.Get("/"); r.Status == http.StatusOK {
				got += r.Body
			}
		}
		cancel()
		if err := <-ended; err != nil || got != want {
			t.Errorf("start %d: %q, %v; want %q", start+1, got, err, want)
		}
	}
}
