package guide

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestAStreamSavesWhereItIs(t *testing.T) {
	env := sessiontest.New(t)
	down := false
	var got error
	b := env.Browser(env.Sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := env.Sessions.Get(r.Context())
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusOK) // the headers are out
		if down {
			env.Faults.Down(nil)
		}
		if got = progress(r, s); got != nil {
			s.Revert() // or the end of the request would try once more
		}
		env.Faults.Up()
	})))
	env.SignIn(b, "alice")
	b.Get("/")
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if last, _ := s.Get("last-event"); got != nil || last != "17" {
			t.Errorf("%v, %v", got, last)
		}
		s.Delete("last-event")
	})
	down = true
	b.Get("/")
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if !errors.Is(got, sessiontest.ErrInjected) || s.Has("last-event") {
			t.Errorf("%v, %v", got, s.Keys())
		}
	})
}

func TestAShutdownEndsStreams(t *testing.T) {
	env := sessiontest.New(t)
	mux := http.NewServeMux()
	open, cause := make(chan bool), make(chan error, 1)
	mux.HandleFunc("/events", func(_ http.ResponseWriter, r *http.Request) {
		s, err := env.Sessions.Get(r.Context())
		if err != nil {
			t.Error(err)
		}
		ctx := s.Watch(r.Context())
		close(open)
		<-ctx.Done()
		cause <- context.Cause(ctx) // there is room for one
	})
	browser := env.Browser(nil)
	env.SignIn(browser, "alice")
	cookie, _ := browser.Cookie("__Host-session")

	server := serverOf(env.Sessions, mux)
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	req, err := http.NewRequest(http.MethodGet, "http://"+ln.Addr().String()+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie.Name+"="+cookie.Value)
	answered := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	<-open
	select {
	case err := <-cause:
		t.Fatalf("before the shutdown the stream ended with %v", err)
	default:
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-cause; !errors.Is(err, beaker.ErrClosed) {
		t.Errorf("the stream ended with %v", err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
