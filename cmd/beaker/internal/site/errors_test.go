package site_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/memcachestore"
	"github.com/seed12c5fab1/beaker/memstore"
)

func TestErrorsAreJSONAndSaveNothing(t *testing.T) {
	big := `"` + strings.Repeat("x", 20<<10) + `"`
	for _, tc := range []struct {
		desc, method, path, body string
		anonymous                bool
		down                     string // the operation that fails
		status                   int
	}{
		{desc: "a body that is not JSON", method: "PUT", path: "/api/values/k", body: "{", status: 400},
		{desc: "an empty body", method: "PUT", path: "/api/values/k", status: 400},
		{desc: "two values", method: "PUT", path: "/api/values/k", body: "1 2", status: 400},
		{desc: "a login without a name", method: "POST", path: "/api/login", body: `{}`, status: 400},
		{desc: "a login with a name of blanks", method: "POST", path: "/api/login", body: `{"name":"  "}`, status: 400},
		{desc: "a login with a control character", method: "POST", path: "/api/login", body: `{"name":"a\u0007b"}`, status: 400},
		{desc: "a login with a field that is not known", method: "POST", path: "/api/login", body: `{"user":"a"}`, status: 400},
		{desc: "a login with a list", method: "POST", path: "/api/login", body: `[]`, status: 400},
		{desc: "a key that is too long", method: "PUT", path: "/api/values/" + strings.Repeat("x", 256), body: "1", status: 400},
		{desc: "a key that starts with NUL", method: "PUT", path: "/api/values/%00f", body: "1", status: 400},
		{desc: "an increment of a key that is not valid", method: "POST", path: "/api/incr/%ff", status: 400},
		{desc: "a slow write of a key that is not valid", method: "POST", path: "/api/slow/%ff?ms=0", body: "1", status: 400},
		{desc: "a handle that is none", method: "POST", path: "/api/devices/5E/revoke", status: 400},
		{desc: "a wait that is no number", method: "GET", path: "/api/slow?ms=long", status: 400},
		{desc: "a wait that is missing", method: "GET", path: "/api/slow", status: 400},
		{desc: "a wait that is too long", method: "GET", path: "/api/slow?ms=10001", status: 400},
		{desc: "a wait that is negative", method: "POST", path: "/api/slow/k?ms=-1", body: "1", status: 400},
		{desc: "devices of nobody", method: "GET", path: "/api/devices", anonymous: true, status: 403},
		{desc: "revoking for nobody", method: "POST", path: "/api/devices/revoke-others", anonymous: true, status: 403},
		{desc: "revoking one for nobody", method: "POST", path: "/api/devices/" + strings.Repeat("0", 64) + "/revoke", anonymous: true, status: 403},
		{desc: "a value that is not there", method: "GET", path: "/api/values/none", status: 404},
		{desc: "a device that is not there", method: "POST", path: "/api/devices/" + strings.Repeat("0", 64) + "/revoke", status: 404},
		{desc: "an address that is not there", method: "GET", path: "/api/none", status: 404},
		{desc: "GET of what takes POST", method: "GET", path: "/api/login", status: 405},
		{desc: "POST of what takes GET", method: "POST", path: "/api/session", status: 405},
		{desc: "an increment of a string", method: "POST", path: "/api/incr/text", status: 409},
		{desc: "an increment of a fraction", method: "POST", path: "/api/incr/fraction", status: 409},
		{desc: "an increment of null", method: "POST", path: "/api/incr/null", status: 409},
		{desc: "an increment of the largest", method: "POST", path: "/api/incr/largest", status: 409},
		{desc: "a body that is too large", method: "PUT", path: "/api/values/k", body: big, status: 413},
		{desc: "blanks without end after the value", method: "PUT", path: "/api/values/k", body: "1" + strings.Repeat(" ", 20<<10), status: 413},
		{desc: "a login that is too large", method: "POST", path: "/api/login", body: `{"name":` + big + `}`, status: 413},
		{desc: "a store that does not load", method: "GET", path: "/api/session", down: "load", status: 503},
		{desc: "a store that does not create, which shows at the end", method: "PUT", path: "/api/values/k", body: "1", anonymous: true, down: "create", status: 503},
		{desc: "a store that does not apply, which shows at the end", method: "PUT", path: "/api/values/k", body: "1", down: "apply", status: 503},
		{desc: "a store that does not update", method: "POST", path: "/api/incr/k", down: "apply", status: 503},
		{desc: "a store that does not delete", method: "POST", path: "/api/logout", down: "delete", status: 503},
		{desc: "a store that does not list", method: "GET", path: "/api/devices", down: "list", status: 503},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := newSite(t, nil)
			b := f.browser(t)
			if !tc.anonymous {
				b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
				b.must(http.MethodPut, "/api/values/text", `"text"`)
				b.must(http.MethodPut, "/api/values/fraction", `1.5`)
				b.must(http.MethodPut, "/api/values/null", `null`)
				b.must(http.MethodPut, "/api/values/largest", `9223372036854775807`)
			}
			before := len(b.session().Values)
			f.store.fail(tc.down)
			resp := b.do(tc.method, tc.path, tc.body)
			f.store.fail("")
			body := text(t, resp)
			if resp.StatusCode != tc.status || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d, %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(body), &got); err != nil || len(got) != 1 || got["error"] == "" {
				t.Errorf("got %s", body)
			}
			if strings.Contains(body, errDown.Error()) || strings.Contains(body, "beaker:") {
				t.Errorf("an internal error is told to the client: %s", body)
			}
			if resp.Header.Get("Set-Cookie") != "" {
				t.Errorf("an error sets a cookie: %s", resp.Header.Get("Set-Cookie"))
			}
			switch {
			case tc.status == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "":
				t.Error("no Retry-After")
			case tc.status == http.StatusServiceUnavailable && !strings.Contains(f.log.String(), errDown.Error()):
				t.Error("the log does not say what happened")
			case tc.status == http.StatusMethodNotAllowed && resp.Header.Get("Allow") == "":
				t.Error("no Allow")
			}
			if v := b.session(); len(v.Values) != before || !tc.anonymous && *v.Subject != "alice" {
				t.Errorf("the session has changed: %+v", v)
			}
		})
	}
}

func TestSessionThatGrowsTooLargeIsRefusedWhenItIsSaved(t *testing.T) {
	b := newSite(t, nil).browser(t)
	body := `"` + strings.Repeat("x", 15<<10) + `"`
	for _, key := range []string{"a", "b", "c", "d"} {
		b.must(http.MethodPut, "/api/values/"+key, body)
	}
	resp := b.do(http.MethodPut, "/api/values/e", body)
	if got := text(t, resp); resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(got, "nothing was saved") {
		t.Errorf("status %d: %s", resp.StatusCode, got)
	}
	if n := len(b.session().Values); n != 4 {
		t.Errorf("%d values", n)
	}
}

func TestPagesHaveErrorsAsPages(t *testing.T) {
	for _, tc := range []struct {
		desc, method, path, form, down string
		status                         int
	}{
		{desc: "an address that is not there", method: "GET", path: "/none", status: 404},
		{desc: "a static file that is not there", method: "GET", path: "/static/none", status: 404},
		{desc: "GET of what takes POST", method: "GET", path: "/sign-out", status: 405},
		{desc: "an item that is not there", method: "POST", path: "/cart/add", form: "item=none", status: 400},
		{desc: "a theme that is not there", method: "POST", path: "/theme", form: "theme=pink", status: 400},
		{desc: "no theme", method: "POST", path: "/theme", status: 400},
		{desc: "a name of blanks", method: "POST", path: "/sign-in", form: "name=++", status: 400},
		{desc: "a name that is no text", method: "POST", path: "/sign-in", form: "name=%ff", status: 400},
		{desc: "a form that is too large", method: "POST", path: "/sign-in", form: "x=" + strings.Repeat("x", 20<<10), status: 413},
		{desc: "a form for the cart that is too large", method: "POST", path: "/cart/add", form: "x=" + strings.Repeat("x", 20<<10), status: 413},
		{desc: "a form that is none", method: "POST", path: "/sign-in", form: "name=%zz", status: 400},
		{desc: "a handle that is none", method: "POST", path: "/devices/revoke", form: "handle=zz", status: 400},
		{desc: "devices of nobody", method: "POST", path: "/devices/revoke-others", status: 403},
		{desc: "a store that does not load", method: "GET", path: "/", down: "load", status: 503},
		{desc: "a store that does not apply", method: "GET", path: "/", down: "apply", status: 503},
		{desc: "a store that does not apply, in the race", method: "POST", path: "/race", down: "apply", status: 503},
		{desc: "a store that does not load, in the race", method: "POST", path: "/race", down: "load", status: 503},
		{desc: "a store that does not create, in the late write", method: "POST", path: "/race/late", down: "create", status: 503},
		{desc: "a store that does not delete, in the late write", method: "POST", path: "/race/late", down: "delete", status: 503},
		{desc: "an outage", method: "GET", path: "/outage/now", status: 503},
		{desc: "a race without a round", method: "POST", path: "/race/left", form: "ms=0", status: 400},
		{desc: "a race without a wait", method: "POST", path: "/race/right", form: "round=1", status: 400},
		{desc: "a store that does not apply, which shows at the end", method: "POST", path: "/theme", form: "theme=dark", down: "apply", status: 503},
		{desc: "a store that does not delete", method: "POST", path: "/sign-out", down: "delete", status: 503},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := newSite(t, nil)
			b := f.browser(t)
			b.must(http.MethodPut, "/api/values/k", "1")
			f.store.fail(tc.down)
			r := b.request(tc.method, tc.path, tc.form)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp := b.send(r)
			f.store.fail("")
			body := text(t, resp)
			if resp.StatusCode != tc.status {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
			if resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("Location") != "" {
				t.Errorf("headers of an answer that did not happen: %v", resp.Header)
			}
			checkPage(t, resp, body)
			if tc.status == 503 && (!strings.Contains(body, "If you were signed in, you still are") || resp.Header.Get("Retry-After") == "") {
				t.Errorf("the page does not say what it means: %s", body)
			}
			if v := b.session(); len(v.Values) != 1 || *v.Subject != "" {
				t.Errorf("the session has changed: %+v", v)
			}
		})
	}
}

func TestRequestOfAnotherSiteIsRefused(t *testing.T) {
	f := newSite(t, nil)
	b := f.browser(t)
	b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	for _, tc := range []struct{ header, value string }{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	} {
		for _, path := range []string{"/sign-out", "/api/logout"} {
			r := b.request(http.MethodPost, path, "")
			r.Header.Set(tc.header, tc.value)
			resp := b.send(r)
			body := text(t, resp)
			if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Vary") != "" {
				t.Errorf("%s with %s: %s: %d %v", path, tc.header, tc.value, resp.StatusCode, resp.Header)
			}
			if path == "/sign-out" {
				checkPage(t, resp, body)
			} else if decode[map[string]string](t, body)["error"] == "" {
				t.Errorf("got %s", body)
			}
		}
	}
	if *b.session().Subject != "alice" {
		t.Error("she was signed out")
	}
}

// What stores can do besides what every store can.
type (
	plain   struct{ beaker.Store }
	purging struct {
		beaker.Store
		beaker.Purger
	}
	revoking struct {
		beaker.Store
		beaker.SubjectRevoker
	}
	listing struct {
		beaker.Store
		beaker.Lister
	}
	indexed struct {
		beaker.Store
		beaker.Lister
		beaker.SubjectRevoker
	}
)

func TestWhatAStoreCannotDoIsSaid(t *testing.T) {
	inMemory := func(t *testing.T) *memstore.Store {
		m, err := memstore.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, tc := range []struct {
		desc           string
		of             func(t *testing.T) beaker.Store
		lists, revokes bool
	}{
		{"neither", func(t *testing.T) beaker.Store { return plain{inMemory(t)} }, false, false},
		{"revokes", func(t *testing.T) beaker.Store { m := inMemory(t); return revoking{m, m} }, false, true},
		{"lists", func(t *testing.T) beaker.Store { m := inMemory(t); return listing{m, m} }, true, false},
		{"both", func(t *testing.T) beaker.Store { m := inMemory(t); return indexed{m, m, m} }, true, true},
		{"everything", func(t *testing.T) beaker.Store { return inMemory(t) }, true, true},
		{"memcached", inMemcached, false, true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			b := newBrowser(t, newSiteOn(t, tc.of(t), nil, &logged{}))
			b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
			other := newBrowser(t, b.handler)
			other.must(http.MethodPost, "/api/login", `{"name":"alice"}`)

			resp := b.do(http.MethodGet, "/devices", "")
			body := text(t, resp)
			if resp.StatusCode != http.StatusOK || strings.Contains(body, "cannot list the sessions") == tc.lists ||
				strings.Contains(body, "Sign out all other devices") != tc.revokes {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
			checkPage(t, resp, body)

			for _, call := range []struct {
				method, path string
				can          bool
			}{
				{http.MethodGet, "/api/devices", tc.lists},
				{http.MethodPost, "/api/devices/revoke-others", tc.revokes},
			} {
				want := http.StatusNotImplemented
				if call.can {
					want = http.StatusOK
				}
				resp := b.do(call.method, call.path, "")
				if body := text(t, resp); resp.StatusCode != want || call.path == "/api/devices/revoke-others" && call.can && body != "{\"revoked\":1}\n" {
					t.Errorf("%s: status %d, want %d: %s", call.path, resp.StatusCode, want, body)
				}
			}
			if who := b.session().Subject; who == nil || *who != "alice" {
				t.Errorf("who has signed the others out is signed out: %v", who)
			}
			if who := other.session().Subject; (who != nil && *who == "alice") == tc.revokes {
				t.Errorf("the other device is signed in as %v", who)
			}
		})
	}
}

// inMemcached is a store in a server of its own.
func inMemcached(t *testing.T) beaker.Store {
	m, err := engines.StartMemcached(t.Context())
	if err != nil {
		t.Fatalf("the test needs the server: %v", err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := memcachestore.Open([]string{m.Addr}, &memcachestore.Options{Generation: "1", Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// purged counts what the manager's janitor does.
type purged struct {
	*memstore.Store
	calls atomic.Int64
}

func (p *purged) Purge(ctx context.Context, now beaker.Millis, limit int) (int, error) {
	p.calls.Add(1)
	return p.Store.Purge(ctx, now, limit)
}

func TestStoreIsPurgedThroughTheCounter(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		m, err := memstore.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		full, bare := &purged{Store: m}, &purged{Store: m}
		newSiteOn(t, full, nil, &logged{})
		newSiteOn(t, purging{plain{m}, bare}, nil, &logged{})
		time.Sleep(time.Hour) // of virtual time
		synctest.Wait()
		if full.calls.Load() == 0 || bare.calls.Load() == 0 {
			t.Errorf("purged %d and %d times", full.calls.Load(), bare.calls.Load())
		}
	})
}
