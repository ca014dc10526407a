package beaker_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// The costs of one request over a bare handler, in process: a session of 3 values of
// about 200 bytes in memory, as most applications have.

var (
	benchUID  = beaker.NewKey[string]("uid")
	benchN    = beaker.NewKey[int]("n")
	benchData = strings.Repeat("x", 140)
)

func fillBench(s *beaker.Session, keys int) {
	benchUID.Set(s, "5f0c9a3e-7d0b-4b53-9d0a-0c6bb8b6f7de")
	benchN.Set(s, 1)
	s.Set("data", benchData)
	for i := range keys - 3 {
		s.Set(fmt.Sprint("key", i), benchData[:100])
	}
}

func benchmark(b *testing.B, keys int, f func(s *beaker.Session)) {
	store, err := memstore.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkWith(b, beaker.Config{Store: store}, keys, f)
}

func benchmarkWith(b *testing.B, cfg beaker.Config, keys int, f func(s *beaker.Session)) {
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		b.Fatal(err)
	}
	cfg.Secrets = secrets
	m, err := beaker.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	handler := func(f func(s *beaker.Session)) http.Handler {
		return m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if f == nil {
				return
			}
			s, err := m.Get(r.Context())
			if err != nil {
				b.Fatal(err)
			}
			f(s)
		}))
	}
	r, err := http.NewRequest(http.MethodGet, "https://example.com/", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.TLS = &tls.ConnectionState{} // or there is a warning among the results
	w := &bareWriter{http.Header{}}
	if keys > 0 {
		handler(func(s *beaker.Session) { fillBench(s, keys) }).ServeHTTP(w, r)
		cookie, _, _ := strings.Cut(w.h.Get("Set-Cookie"), ";")
		r.Header.Set("Cookie", cookie)
	}
	h := handler(f)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

func readUID(s *beaker.Session) {
	if v, ok := benchUID.Get(s); !ok || len(v) != 36 {
		panic("the session is not there")
	}
}

func BenchmarkUntouched(b *testing.B) { benchmark(b, 3, nil) }

func BenchmarkReadOneOf3(b *testing.B) { benchmark(b, 3, readUID) }

func BenchmarkReadOneOf20(b *testing.B) { benchmark(b, 20, readUID) }

func BenchmarkIncrement(b *testing.B) {
	benchmark(b, 3, func(s *beaker.Session) { n, _ := benchN.Get(s); benchN.Set(s, n+1) })
}

var sealedInCookies = beaker.Config{Sealed: &beaker.Sealed{AllowReplay: true}}

func BenchmarkSealedReadOneOf3(b *testing.B) { benchmarkWith(b, sealedInCookies, 3, readUID) }

// The browser sends the same cookie again and again here.
func BenchmarkSealedIncrement(b *testing.B) {
	benchmarkWith(b, sealedInCookies, 3, func(s *beaker.Session) { n, _ := benchN.Get(s); benchN.Set(s, n+1) })
}

// BenchmarkForged is a report: cookies whose signature, or what stands in its place, is
// right for the first n bytes must cost the same (OWASP ASVS 11.2.4). It is read, not
// asserted: a difference smaller than the noise says nothing, a staircase says much. The
// cookies take turns, ten at a time, and what counts is the fastest turn of each, which
// other programs on the machine disturb the least: run it with -benchtime 20000x.
func BenchmarkForged(b *testing.B) {
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		b.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		sealed *beaker.Sealed
		at     func(length int) int // where the bytes lie that are compared
		n      int
	}{
		{"token HMAC", nil, func(n int) int { return n - 32 }, 32},
		{"signed HMAC", &beaker.Sealed{AllowReplay: true, SignOnly: true}, func(n int) int { return n - 32 }, 32},
		{"sealed commitment", &beaker.Sealed{AllowReplay: true}, func(int) int { return 20 }, 32},
		{"sealed GCM tag", &beaker.Sealed{AllowReplay: true}, func(n int) int { return n - 16 }, 16},
	} {
		cfg := beaker.Config{Store: store, Secrets: secrets, Observer: beaker.ObserverFunc(func(context.Context, beaker.Event) {})}
		if c.sealed != nil {
			cfg.Store, cfg.Sealed = nil, c.sealed
		}
		m, err := beaker.New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		defer m.Close()
		visit := func(w *bareWriter, r *http.Request, f func(s *beaker.Session)) {
			m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s, err := m.Get(r.Context())
				if err != nil {
					b.Fatal(err)
				}
				f(s)
			})).ServeHTTP(w, r)
		}
		r, err := http.NewRequest(http.MethodGet, "https://example.com/", nil)
		if err != nil {
			b.Fatal(err)
		}
		w := &bareWriter{http.Header{}}
		visit(w, r, func(s *beaker.Session) { s.Set("k", 1) })
		cookie, _, _ := strings.Cut(w.h.Get("Set-Cookie"), ";")
		name, text, _ := strings.Cut(cookie, "=")
		genuine, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			b.Fatal(err)
		}
		prefixes := []int{0, 1, 2, 4, 7, c.n / 2, c.n - 1}
		var cookies []string
		for _, right := range prefixes {
			forged := slices.Clone(genuine)
			for i := right; i < c.n; i++ {
				forged[c.at(len(forged))+i] ^= 0x5a
			}
			cookies = append(cookies, name+"="+base64.RawURLEncoding.EncodeToString(forged))
		}
		b.Run(c.what, func(b *testing.B) {
			const turn = 10
			fastest := make([]time.Duration, len(cookies))
			for b.Loop() {
				for i, cookie := range cookies {
					r.Header.Set("Cookie", cookie)
					begun := time.Now()
					for range turn {
						clear(w.h)
						visit(w, r, func(s *beaker.Session) {
							if !s.IsNew() {
								b.Fatal("a forged cookie opens")
							}
						})
					}
					if d := time.Since(begun); fastest[i] == 0 || d < fastest[i] {
						fastest[i] = d
					}
				}
			}
			for i, right := range prefixes {
				b.ReportMetric(float64(fastest[i])/turn, fmt.Sprintf("ns/%dright", right))
			}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	benchmark(b, 0, func(s *beaker.Session) { fillBench(s, 3) })
}
