//go:build linux

package endtoend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
	"github.com/seed12c5fab1/beaker/bench/internal/peer"
	"github.com/seed12c5fab1/beaker/bench/internal/servers"
)

// ServeEnv holds, in the environment of a server process, what it serves: Order as JSON.
const ServeEnv = "BENCH_SERVE"

// Order tells a server process what to serve.
type Order struct {
	Store, Name string
	Addresses   map[string]string // of database servers
	Prefix      string            // of names in them
}

// Null is the name of the handler without any session.
const Null = "null"

// Serve is a server process: it prints its address, and serves until its standard
// input ends.
func Serve(ctx context.Context, order string, find func(store, name string) *contest.Contender) (err error) {
	var o Order
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // whoever started this has ended, or says so
		cancel()
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	if o.Store == "fiber" {
		app := peer.FiberApp(false)
		go func() { <-ctx.Done(); _ = l.Close() }() // it is the end of the process
		return ended(ctx, app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathNull, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(contest.OK)) })
	mux.HandleFunc("GET "+pathHeaders, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Vary", "Cookie")
		_, _ = w.Write([]byte(contest.UID))
	})
	if o.Name != Null {
		env, err := servers.New(o.Prefix)
		if err != nil {
			return err
		}
		env.Given = o.Addresses
		defer func() { err = errors.Join(err, env.Close()) }()
		p, err := find(o.Store, o.Name).Open(ctx, env)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		s, err := contest.SiteOf(p)
		if err != nil {
			return err
		}
		mux.Handle("GET "+pathRead, s.Read)
		mux.Handle("GET "+pathIncrement, s.Increment)
		mux.Handle("GET "+pathCreate, s.Create)
		mux.Handle("GET "+pathNumber, s.Number)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { <-ctx.Done(); _ = server.Close() }() // it is the end of the process
	return ended(ctx, server.Serve(l))
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil // it was told to end, and said so
}
