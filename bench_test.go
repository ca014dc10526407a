package beaker_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

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

// BenchmarkForged is a report: forged tokens whose signature is right for the first n
// bytes must cost the same (OWASP ASVS 11.2.4). It is read, not asserted: a difference
// smaller than the noise says nothing, a staircase says much.
func BenchmarkForged(b *testing.B) {
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		b.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	m, err := beaker.New(beaker.Config{Store: store, Secrets: secrets, Observer: beaker.ObserverFunc(func(context.Context, beaker.Event) {})})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	h := m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err != nil {
			b.Fatal(err)
		}
		s.Set("k", 1)
	}))
	r, err := http.NewRequest(http.MethodGet, "https://example.com/", nil)
	if err != nil {
		b.Fatal(err)
	}
	w := &bareWriter{http.Header{}}
	h.ServeHTTP(w, r)
	cookie, _, _ := strings.Cut(w.h.Get("Set-Cookie"), ";")
	name, text, _ := strings.Cut(cookie, "=")
	genuine, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		b.Fatal(err)
	}
	look := m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := m.Get(r.Context()); err != nil || !s.IsNew() {
			b.Fatal("a forged token opens", err)
		}
	}))
	for _, right := range []int{0, 1, 4, 8, 16, 24, 31} {
		forged := slices.Clone(genuine)
		for i := 52 + right; i < len(forged); i++ {
			forged[i] ^= 0x5a
		}
		r.Header.Set("Cookie", name+"="+base64.RawURLEncoding.EncodeToString(forged))
		b.Run(fmt.Sprint(right, " bytes right"), func(b *testing.B) {
			for b.Loop() {
				clear(w.h)
				look.ServeHTTP(w, r)
			}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	benchmark(b, 0, func(s *beaker.Session) { fillBench(s, 3) })
}
