// Package server runs the demonstration: it opens the data folder, the secrets and
// the store, serves the site, and closes everything again.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/backend"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/site"
)

// Options say what to run. All but InsecureHosts are required.
type Options struct {
	Addr          string       // host:port to listen on
	Data          string       // the folder for the secrets; made if it is not there
	Store         string       // as backend.Open reads it
	InsecureHosts []string     // for beaker.Cookie
	Out           io.Writer    // is told the URL
	Log           *slog.Logger // everything else
}

const (
	// A handler may wait as long as site.MaxWait; every time limit but that of the
	// headers has to be longer, that for reading too: when it is over, net/http takes
	// the client for gone, even if the handler has read all there was.
	readLimit     = site.MaxWait + 20*time.Second
	writeLimit    = site.MaxWait + 20*time.Second
	headerLimit   = 5 * time.Second
	idleLimit     = time.Minute
	shutdownLimit = site.MaxWait + 5*time.Second

	maxHeaderBytes = 32 << 10
)

// Run serves until ctx ends, and then waits for the requests under way. It returns
// nil if everything could be closed in order.
func Run(ctx context.Context, opts Options) (err error) {
	// First, because it fails most often, and then nothing has been made on the disk.
	// Connections wait until all is open.
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", opts.Addr)
	if err != nil {
		return explainListen(opts.Addr, err)
	}
	defer ln.Close() // when it served, it is closed already
	secrets, err := openData(opts.Data)
	if err != nil {
		return err
	}
	cfg := beaker.Config{Secrets: secrets, Cookie: beaker.Cookie{InsecureHosts: opts.InsecureHosts}}
	store, err := backend.Open(ctx, opts.Store, opts.Data, &cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	handler, err := site.New(site.Config{Sessions: cfg, Log: opts.Log})
	if err != nil {
		return explainConfig(err)
	}
	defer func() { err = errors.Join(err, handler.Close()) }()

	if _, err := fmt.Fprintf(opts.Out, "%s\nsessions are kept in %s, secrets in %s; Ctrl-C ends\n", urlOf(opts.Addr, ln), store.Place(), opts.Data); err != nil {
		return err
	}
	return serve(ctx, ln, handler, opts.Log)
}

func serve(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerLimit,
		ReadTimeout:       readLimit,
		WriteTimeout:      writeLimit,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return err // it never returns nil
	case <-ctx.Done():
	}
	log.Info("ending: waiting for requests under way")
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	if err := srv.Shutdown(patience); err != nil {
		return errors.Join(fmt.Errorf("some requests did not end: %w", err), srv.Close())
	}
	return nil
}

// urlOf returns what to type into a browser. For this machine that is localhost, by
// name: it is where every browser but Safari takes the Secure cookie over plain HTTP.
func urlOf(addr string, ln net.Listener) string {
	host, _, _ := net.SplitHostPort(addr) // Listen has accepted it
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
