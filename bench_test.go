package beaker_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

type nullWriter struct{ h http.Header }

func (w *nullWriter) Header() http.Header         { return w.h }
func (w *nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *nullWriter) WriteHeader(int)             {}

func setup(tb testing.TB, keys int) (*beaker.Manager, *http.Request) {
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		tb.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := m.Get(r.Context())
		s.Set("uid", "5f0c9a3e-7d0b-4b53-9d0a-0c6bb8b6f7de")
		s.Set("n", 1)
		s.Set("data", strings.Repeat("x", 140))
		for i := range keys - 3 {
			s.Set(fmt.Sprintf("key%d", i), strings.Repeat("x", 100))
		}
	}))
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	r = httptest.NewRequest("GET", "http://localhost/", nil)
	r.Header.Set("Cookie", cookie)
	return m, r
}

var uid = beaker.NewKey[string]("uid")
var nkey = beaker.NewKey[int]("n")

func bench(b *testing.B, keys int, f func(m *beaker.Manager) http.HandlerFunc) {
	m, r := setup(b, keys)
	h := m.Wrap(f(m))
	w := &nullWriter{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

func BenchmarkS0(b *testing.B) {
	bench(b, 3, func(m *beaker.Manager) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {}
	})
}
func s1(m *beaker.Manager) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err != nil {
			panic(err)
		}
		if v, ok := uid.Get(s); !ok || len(v) != 36 {
			panic(v)
		}
	}
}
func BenchmarkS1(b *testing.B) { bench(b, 3, s1) }
func BenchmarkS4(b *testing.B) { bench(b, 20, s1) }
func BenchmarkS2(b *testing.B) {
	bench(b, 3, func(m *beaker.Manager) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s, err := m.Get(r.Context())
			if err != nil {
				panic(err)
			}
			n, _ := nkey.Get(s)
			nkey.Set(s, n+1)
		}
	})
}
func BenchmarkS3(b *testing.B) {
	m, _ := setup(b, 3)
	data := strings.Repeat("x", 140)
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := m.Get(r.Context())
		s.Set("uid", "5f0c9a3e-7d0b-4b53-9d0a-0c6bb8b6f7de")
		s.Set("n", 1)
		s.Set("data", data)
	}))
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	w := &nullWriter{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

type ck struct{}

func BenchmarkFloor(b *testing.B) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type wr struct {
			http.ResponseWriter
			x [3]int
		}
		ww := &wr{ResponseWriter: w}
		_ = ww
	})
	_ = h
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = r.WithContext(r.Context())
	}
}
