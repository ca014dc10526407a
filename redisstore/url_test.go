package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// All addresses of a URL are asked, whether they have a port or not.
func TestAddressesOfAURL(t *testing.T) {
	for text, want := range map[string][]string{
		"redis://h":                           {"h:6379"},
		"redis://u:p@[::1]/2":                 {"[::1]:6379"},
		"redis://[::1]:7?addr=[::2]":          {"[::1]:7", "[::2]:6379"},
		"redis://a:7?addr=b&addr=c:8":         {"a:7", "b:6379", "c:8"},
		"rediss://a?master_set=m&addr=b":      {"a:6379", "b:6379"},
		"unix://u:p@/run/redis.sock?db=3":     {"/run/redis.sock"},
		"redis://a?addr=b.example&protocol=3": {"a:6379", "b.example:6379"},
	} {
		co, err := clientOption(text)
		if err != nil || !slices.Equal(co.InitAddress, want) {
			t.Errorf("%s: %q, %v; want %q", text, co.InitAddress, err, want)
		}
	}
}

// Over TLS each server shows who it is by the name that it is asked by. One that is known
// by its address only does so by the name in the URL.
func TestCertificatesAreOfTheNameThatIsAsked(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate: of example.com and 127.0.0.1
	defer server.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1)) // the handshake; nothing is said after it
			_ = c.Close()
		}
	}()
	defer func() { _ = l.Close(); <-done }()
	addr := l.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url, asked string
		wrong      string // what the error says
	}{
		{"rediss://" + addr, addr, ""},
		{"rediss://example.com", addr, ""},            // a node of a cluster, say
		{"rediss://127.0.0.2?addr=" + addr, addr, ""}, // each its own
		{"rediss://example.com?addr=localhost:" + port, "localhost:" + port, "localhost"},
		{"rediss://another.example", addr, "another.example"},
	} {
		co, err := clientOption(c.url)
		if err != nil {
			t.Fatal(err)
		}
		co.TLSConfig.RootCAs = x509.NewCertPool()
		co.TLSConfig.RootCAs.AddCert(server.Certificate())
		conn, err := co.DialCtxFn(t.Context(), c.asked, &co.Dialer, co.TLSConfig)
		switch {
		case err == nil:
			_ = conn.Close()
			if c.wrong != "" {
				t.Errorf("%s, asking %s: its certificate was taken", c.url, c.asked)
			}
		case c.wrong == "" || !strings.Contains(err.Error(), c.wrong):
			t.Errorf("%s, asking %s: %v", c.url, c.asked, err)
		}
	}
}
