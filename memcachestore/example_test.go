//go:build linux

package memcachestore_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/memcachestore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

var visits = beaker.NewKey[int]("visits")

// Sessions in two memcached servers.
func Example() {
	ctx := context.Background()
	servers, err := exampleServers() // host:port each, from the environment, say
	if err != nil {
		log.Fatal(err)
	}

	//docs:begin open
	store, err := memcachestore.Open(servers, &memcachestore.Options{Generation: "1"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.Ping(ctx); err != nil { // if all servers should be there at the start
		log.Fatal(err)
	}
	//docs:end open

	secrets, err := beaker.ParseSecrets(beaker.NewSecret()) // SecretsFromFile, in earnest
	if err != nil {
		log.Fatal(err)
	}
	//docs:begin manager
	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		log.Fatal(err)
	}
	//docs:end manager
	defer sessions.Close()

	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		n, _ := visits.Get(s)
		visits.Set(s, n+1)
		fmt.Fprintf(w, "visit %d", n+1)
	})
	browser := sessiontest.NewBrowser(sessions.Wrap(hello), "https://example.com")
	for range 2 {
		fmt.Println(browser.Get("/").Body)
	}
	// Output:
	// visit 1
	// visit 2
}

// A client of the application's own, here for servers that want TLS.
func ExampleNew() {
	ctx := context.Background()
	servers, roots, err := exampleTLSServers() // roots are the authorities to trust
	if err != nil {
		log.Fatal(err)
	}

	//docs:begin new
	list := new(memcache.ServerList)
	if err := list.SetServers(servers...); err != nil {
		log.Fatal(err)
	}
	client := memcache.NewFromSelector(list)
	client.Timeout = time.Second
	client.MaxIdleConns = 64
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots}}
	client.DialContext = dialer.DialContext
	store, err := memcachestore.New(client, &memcachestore.Options{Generation: "1"})
	if err != nil {
		log.Fatal(err)
	}
	//docs:end new
	defer store.Close()
	fmt.Println(store.Ping(ctx))
	// Output:
	// <nil>
}

var running []*engines.Memcached

func exampleServers() ([]string, error) {
	var addrs []string
	for range 2 {
		m, err := engines.StartMemcached(context.Background())
		if err != nil {
			return nil, err
		}
		running = append(running, m)
		addrs = append(addrs, m.Addr)
	}
	return addrs, nil
}

// exampleTLSServers starts a server, and before it what speaks TLS for it.
func exampleTLSServers() (servers []string, roots *x509.CertPool, err error) {
	plain, err := exampleServers()
	if err != nil {
		return nil, nil, err
	}
	web := httptest.NewTLSServer(nil) // for its certificate, which is good for 127.0.0.1
	defer web.Close()
	roots = x509.NewCertPool()
	roots.AddCert(web.Certificate())
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		return nil, nil, err
	}
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", plain[0])
				if err != nil {
					return
				}
				defer server.Close()
				go func() { _, _ = io.Copy(server, client) }() // both end with the store's connections
				_, _ = io.Copy(client, server)
			}()
		}
	}()
	return []string{ln.Addr().String()}, roots, nil
}

func TestMain(m *testing.M) {
	code := leaks.Watch(m).Run()
	for _, server := range running {
		_ = server.Close() // the tests are done
	}
	os.Exit(code)
}
