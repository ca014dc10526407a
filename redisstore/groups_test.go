//go:build linux

package redisstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// works sees that a store which Open made does what each request does.
func works(t *testing.T, url string) {
	t.Helper()
	s, err := redisstore.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	m := newMeta()
	m.Subject, m.AuthenticatedAt = "user "+m.Key.String(), epoch // who was never revoked
	rec := created(t, s, m, "k", "v")
	ch := changeOf(rec)
	ch.Set = values("k", "w")
	if v, err := s.Apply(t.Context(), m.Key, ch); v != 2 || err != nil {
		t.Errorf("%s: Apply: %d, %v", url, v, err)
	}
	for _, q := range []beaker.ListQuery{{}, {Subject: m.Subject}} {
		if got := all(t, s, q); len(got) != 1 || got[0].Version() != 2 {
			t.Errorf("%s: List %+v: %d sessions", url, q, len(got))
		}
	}
	if n, err := s.RevokeSubject(t.Context(), m.Subject, epoch); n != 1 || err != nil {
		t.Errorf("%s: RevokeSubject: %d, %v", url, n, err)
	}
}

func free(t *testing.T) string {
	t.Helper()
	port, err := engines.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func TestOpenFindsTheMasterBySentinels(t *testing.T) {
	group, err := engines.StartRedisSentinel(t.Context(), time.Minute)
	if err != nil {
		t.Fatalf("the tests need redis-server: %v", err)
	}
	defer func() { _ = group.Close() }()
	addrs := group.Addrs()
	works(t, "redis://"+addrs[0]+"/2?master_set="+group.Name)
	// The first of them is away.
	works(t, "redis://"+free(t)+"?master_set="+group.Name+"&addr="+strings.Join(addrs, "&addr="))
	if _, err := redisstore.Open(t.Context(), "redis://"+addrs[0]+"?master_set=another", nil); err == nil || !strings.Contains(err.Error(), "redisstore: ") {
		t.Errorf("a master of another name: %v", err)
	}
}

func TestOpenRecognisesACluster(t *testing.T) {
	cluster, err := engines.StartRedisCluster(t.Context(), time.Minute)
	if err != nil {
		t.Fatalf("the tests need redis-server: %v", err)
	}
	defer func() { _ = cluster.Close() }()
	works(t, "redis://"+cluster.Nodes[1].Addr)
	works(t, "redis://"+cluster.Replica(0).Addr)
	works(t, "redis://"+free(t)+"?addr="+cluster.Nodes[0].Addr+"&addr="+cluster.Nodes[1].Addr)
}

func TestOpenSpeaksTLS(t *testing.T) {
	node := ownServer(t)
	dir := t.TempDir()
	certificate(t, dir)
	addr := free(t)
	_, port, _ := strings.Cut(addr, ":")
	if _, err := node.Do(t.Context(), "CONFIG", "SET", "tls-cert-file", filepath.Join(dir, "cert"), "tls-key-file", filepath.Join(dir, "key"),
		"tls-auth-clients", "no", "tls-port", port); err != nil {
		t.Fatal(err)
	}
	works(t, "rediss://"+addr+"?skip_verify=true")
	works(t, "valkeys://"+addr+"?skip_verify=true")
	if _, err := redisstore.Open(t.Context(), "rediss://"+addr, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
}

// certificate writes one that its own key has signed, and that key.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: cert}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
