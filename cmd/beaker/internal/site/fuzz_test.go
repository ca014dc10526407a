package site_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/memstore"
)

// FuzzRequest: whatever a client sends, the answer is the client's mistake and not the
// server's, and the next request is served as ever.
//
//beaker:decodes readJSON delay
func FuzzRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"PUT", "/api/values/k", `"v"`, ""},
		{"PUT", "/api/values/k", `{"a":[1,2,{"b":null}]} x`, ""},
		{"PUT", "/api/values/%00", `1`, ""},
		{"POST", "/api/login", `{"name":"alice","remember":true}`, "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"},
		{"POST", "/api/login", `{"name":"\u0000"}`, "\xff"},
		{"POST", "/api/slow/k?ms=1", `2`, ""},
		{"POST", "/api/slow/k?ms=-1", `2`, ""},
		{"POST", "/api/slow/k?ms=99999999999999999999", `2`, ""},
		{"POST", "/login", "name=alice", ""},
		{"GET", "/api/session", "", ""},
		{"DELETE", "/api/values/a%2fb", "", ""},
		{"POST", "/api/incr/n", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	store, err := memstore.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	at := newSiteOn(f, store, func(context.Context, time.Duration) error { return nil }, io.Discard)
	f.Fuzz(func(t *testing.T, method, target, body, agent string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || strings.ContainsAny(method, " \r\n") || method == "" {
			return // net/http answers these itself
		}
		send := func(method string, u *url.URL, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodGet, "http://localhost/", strings.NewReader(body))
			r.Method, r.URL, r.RequestURI = method, u, u.RequestURI()
			r.Header.Set("User-Agent", agent)
			r.Header.Set("Content-Type", map[bool]string{true: "application/json", false: "application/x-www-form-urlencoded"}[strings.HasPrefix(u.Path, "/api")])
			w := httptest.NewRecorder()
			at.ServeHTTP(w, r)
			return w
		}
		if w := send(method, u, body); w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		if w := send(http.MethodGet, &url.URL{Path: "/api/session"}, ""); w.Code != http.StatusOK {
			t.Errorf("afterwards: %d %s", w.Code, w.Body)
		}
	})
}
