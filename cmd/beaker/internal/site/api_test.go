package site_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const cookieName = "__Host-session"

func compact(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(s)); err != nil {
		t.Fatalf("%v in %q", err, s)
	}
	return b.String()
}

func TestValuesAreWhatWasPut(t *testing.T) {
	for _, tc := range []struct{ desc, body, want string }{
		{"a string", `"Fred <Smith> & Söhne"`, `"Fred \u003cSmith\u003e \u0026 Söhne"`},
		{"an integer beyond float64", `9007199254740993`, `9007199254740993`},
		{"a number with a fraction that is zero", `1.0`, `1.0`},
		{"an object with blanks", ` { "a" : [1, null, true] } `, `{"a":[1,null,true]}`},
		{"null", `null`, `null`},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			b := newSite(t, nil).browser(t)
			b.must(http.MethodPut, "/api/values/k", tc.body)
			want := `{"value":` + tc.want + `}`
			got := compact(t, b.must(http.MethodGet, "/api/values/k", ""))
			var gotValue, wantValue any
			if json.Unmarshal([]byte(got), &gotValue) != nil || json.Unmarshal([]byte(want), &wantValue) != nil {
				t.Fatalf("got %s", got)
			}
			if fmt.Sprint(gotValue) != fmt.Sprint(wantValue) {
				t.Errorf("got %s, want %s", got, want)
			}
			if !strings.Contains(tc.want, `\u`) && got != want { // escaping may differ, digits may not
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestValueCanHaveAnyNameThatSessionsTake(t *testing.T) {
	b := newSite(t, nil).browser(t)
	for _, path := range []string{"a%20b", "a%2Fb", "%C3%A4", "device", "..", strings.Repeat("x", 255)} {
		path = strings.ReplaceAll(path, "..", "%2E%2E")
		b.must(http.MethodPut, "/api/values/"+path, "1")
		if got := b.must(http.MethodGet, "/api/values/"+path, ""); got != "{\"value\":1}\n" {
			t.Errorf("%s: got %s", path, got)
		}
	}
}

func TestDeleteSaysWhetherThereWasAValue(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.must(http.MethodPut, "/api/values/k", "1")
	for _, want := range []string{"{\"deleted\":true}\n", "{\"deleted\":false}\n"} {
		if got := b.must(http.MethodDelete, "/api/values/k", ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if resp := b.do(http.MethodGet, "/api/values/k", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("it is still there: %d", resp.StatusCode)
	}
}

func TestIncrementCountsFromNothingAndFromWhatWasPut(t *testing.T) {
	b := newSite(t, nil).browser(t)
	for _, want := range []string{"{\"value\":1}\n", "{\"value\":2}\n"} {
		if got := b.must(http.MethodPost, "/api/incr/n", ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	b.must(http.MethodPut, "/api/values/n", "41")
	if got := b.must(http.MethodPost, "/api/incr/n", ""); got != "{\"value\":42}\n" {
		t.Errorf("got %s", got)
	}
}

func TestIncrementsThatOverlapAllCount(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.must(http.MethodPost, "/api/incr/n", "")
	const n = 20
	done := make(chan int, n)
	for range n {
		go func() { done <- b.other().do(http.MethodPost, "/api/incr/n", "").StatusCode }()
	}
	for range n {
		if status := <-done; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if got, want := b.must(http.MethodGet, "/api/values/n", ""), fmt.Sprintf("{\"value\":%d}\n", n+1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSessionTellsWhatTheRequestCost(t *testing.T) {
	f := newSite(t, nil)
	b := f.browser(t)
	v := b.session()
	if !*v.New || v.LastAccessed != nil || len(v.Values) != 0 || v.Request.Loaded || v.Request.StoreCalls != 0 || v.Request.CookieBytes != 0 {
		t.Errorf("a visitor without a cookie: %+v", v)
	}
	if len(b.cookies) != 0 {
		t.Error("being looked at has given the visitor a cookie")
	}
	b.must(http.MethodPut, "/api/values/k", "1")
	v = b.session()
	if want := len(cookieName + "=" + b.cookies[cookieName]); v.Request.CookieBytes != want || want < 40 {
		t.Errorf("cookie_bytes is %d, want %d", v.Request.CookieBytes, want)
	}
	if *v.New || v.LastAccessed == nil || string(v.Values["k"]) != "1" || !v.Request.Loaded || v.Request.StoreCalls != 1 {
		t.Errorf("a visitor with a session: %+v", v)
	}
	if v.IdleDeadline == nil || !v.AbsoluteDeadline.After(*v.IdleDeadline) || v.Created.IsZero() {
		t.Errorf("deadlines: %+v", v)
	}
}

func TestAnswersThatDependOnTheSessionAreNotCached(t *testing.T) {
	b := newSite(t, nil).browser(t)
	for _, path := range []string{"/", "/api/session", "/api/values/k", "/none", "/api/none"} {
		if got := b.do(http.MethodGet, path, "").Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control is %q", path, got)
		}
	}
}

func TestLoginGivesANewCookieAndKeepsTheValues(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.must(http.MethodPut, "/api/values/k", "1")
	before := b.other()
	first := b.session()
	if got := b.must(http.MethodPost, "/api/login", `{"name":" alice "}`); got != "{\"subject\":\"alice\"}\n" {
		t.Errorf("got %s", got)
	}
	v := b.session()
	if *v.Subject != "alice" || v.Handle != first.Handle || string(v.Values["k"]) != "1" {
		t.Errorf("after the login: %+v", v)
	}
	if *before.session().Subject != "" {
		t.Error("the cookie from before the login is signed in too")
	}
}

func TestLoginAsSomebodyElseTakesNothingAlong(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	b.must(http.MethodPut, "/api/values/k", "1")
	alice := b.other()
	b.must(http.MethodPost, "/api/login", `{"name":"bob"}`)
	if v := b.session(); *v.Subject != "bob" || v.Values["k"] != nil {
		t.Errorf("bob has alice's things: %+v", v)
	}
	if *alice.session().Subject != "" {
		t.Error("alice's session goes on")
	}
}

func TestRememberMeLastsThirtyDaysAndCanBeTakenBack(t *testing.T) {
	b := newSite(t, nil).browser(t)
	resp := b.do(http.MethodPost, "/api/login", `{"name":"alice","remember":true}`)
	if c := resp.Cookies(); len(c) != 1 || c[0].MaxAge < 29*24*60*60 {
		t.Errorf("cookies: %v", c)
	}
	v := b.session()
	for _, deadline := range []time.Time{*v.IdleDeadline, v.AbsoluteDeadline} {
		if d := deadline.Sub(v.Created); d < 30*24*time.Hour || d > 31*24*time.Hour {
			t.Errorf("it ends after %v", d)
		}
	}
	resp = b.do(http.MethodPost, "/api/login", `{"name":"alice"}`)
	if c := resp.Cookies(); len(c) != 1 || c[0].MaxAge != 0 || !c[0].Expires.IsZero() {
		t.Errorf("cookies: %v", c)
	}
	if v = b.session(); v.AbsoluteDeadline.Sub(v.Created) > 13*time.Hour {
		t.Errorf("still remembered: %+v", v)
	}
}

func TestLogoutEndsTheSessionForEveryCopyOfTheCookie(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	thief := b.other()
	if got := b.must(http.MethodPost, "/api/logout", ""); got != "{\"signed_out\":true}\n" {
		t.Errorf("got %s", got)
	}
	if len(b.cookies) != 0 {
		t.Error("the browser still has the cookie")
	}
	if v := thief.session(); !*v.New || *v.Subject != "" {
		t.Errorf("a copy of the cookie still works: %+v", v)
	}
}

func TestRegenerateReplacesTheCookieAndNothingElse(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.must(http.MethodPut, "/api/values/k", "1")
	old, before := b.other(), b.session()
	got := decode[map[string]string](t, b.must(http.MethodPost, "/api/regenerate", ""))
	if got["handle"] != before.Handle || b.cookies[cookieName] == old.cookies[cookieName] {
		t.Errorf("got %v, before %s", got, before.Handle)
	}
	if v := b.session(); v.Handle != before.Handle || string(v.Values["k"]) != "1" {
		t.Errorf("after: %+v", v)
	}
	if v := old.session(); v.Values["k"] != nil {
		t.Error("the replaced cookie still reads")
	}
	if resp := old.do(http.MethodPut, "/api/values/k", "2"); resp.StatusCode != http.StatusConflict {
		t.Errorf("the replaced cookie writes: %d", resp.StatusCode)
	}
}

func TestInvalidateBeginsAnotherSession(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.must(http.MethodPut, "/api/values/k", "1")
	before := b.session()
	got := decode[map[string]string](t, b.must(http.MethodPost, "/api/invalidate", ""))
	if got["handle"] == before.Handle || len(got["handle"]) != 64 {
		t.Errorf("got %v, before %s", got, before.Handle)
	}
	if v := b.session(); !*v.New || len(v.Values) != 0 {
		t.Errorf("after: %+v", v)
	}
}

func TestUntouchedCostsNothing(t *testing.T) {
	f := newSite(t, nil)
	b := f.browser(t)
	b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	for _, path := range []string{"/api/untouched", "/untouched", "/signed-out"} {
		f.store.fail("load") // it would show
		resp := b.do(http.MethodGet, path, "")
		f.store.fail("")
		body := text(t, resp)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("Vary") != "" {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
		if path == "/api/untouched" && body != "{\"request\":{\"loaded\":false,\"store_calls\":0}}\n" {
			t.Errorf("got %s", body)
		}
	}
	if got := f.log.String(); !strings.Contains(got, `path=/api/untouched status=200 loaded=false store_calls=""`) {
		t.Errorf("the log says otherwise: %s", got)
	}
}

func TestDevicesAreToldApart(t *testing.T) {
	f := newSite(t, nil)
	for _, tc := range []struct{ agent, remote, kind, browser, system, network string }{
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "192.0.2.77:1", "computer", "Chrome", "Linux", "192.0.2.0/24"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "[2001:db8:1:2::3]:1", "computer", "Edge", "Windows", "2001:db8:1::/48"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "[::ffff:192.0.2.5]:1", "phone", "Safari", "iOS", "192.0.2.0/24"},
		{"Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0", "[fe80::1%eth0]:1", "phone", "Firefox", "Android", "fe80::/48"},
		{"curl/7.88.1", "@", "program", "curl", "unknown system", "unknown network"},
		{"<script>alert(1)</script>", "192.0.2.1:1", "program", "unknown browser", "unknown system", "192.0.2.0/24"},
		{"", "192.0.2.1:1", "program", "unknown browser", "unknown system", "192.0.2.0/24"},
	} {
		b := f.browser(t)
		b.agent, b.remote = tc.agent, tc.remote
		b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
		d := b.devices().Devices[0] // the one in use is the first
		if !d.Current || d.Kind != tc.kind || d.Browser != tc.browser || d.System != tc.system || d.Network != tc.network || d.SignedIn.IsZero() || !d.Expires.After(d.LastSeen) {
			t.Errorf("%s: got %+v", tc.agent, d)
		}
		if !strings.Contains(b.must(http.MethodGet, "/devices", ""), "<h3>"+d.Browser+" on "+d.System+" <") {
			t.Errorf("%s: the page does not show %s on %s", tc.agent, d.Browser, d.System)
		}
	}
}

func TestOneDeviceIsSignedOut(t *testing.T) {
	f := newSite(t, nil)
	phone, laptop, bob := f.browser(t), f.browser(t), f.browser(t)
	phone.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	laptop.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	bob.must(http.MethodPost, "/api/login", `{"name":"bob"}`)
	path := "/api/devices/" + phone.session().Handle + "/revoke"
	if resp := bob.do(http.MethodPost, path, ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("bob signs alice's phone out: %d", resp.StatusCode)
	}
	if got := laptop.must(http.MethodPost, path, ""); got != "{\"revoked\":1}\n" {
		t.Errorf("got %s", got)
	}
	if *phone.session().Subject != "" || *laptop.session().Subject != "alice" || *bob.session().Subject != "bob" {
		t.Error("the wrong device was signed out")
	}
	if resp := laptop.do(http.MethodPost, path, ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a second time: %d", resp.StatusCode)
	}
	// One's own session ends as by signing out, cookie included.
	laptop.must(http.MethodPost, "/api/devices/"+laptop.session().Handle+"/revoke", "")
	if len(laptop.cookies) != 0 {
		t.Error("the browser still has the cookie")
	}
}

func TestAllOtherDevicesAreSignedOut(t *testing.T) {
	f := newSite(t, nil)
	var all []*browser
	for range 3 {
		b := f.browser(t)
		b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
		all = append(all, b)
	}
	bob := f.browser(t)
	bob.must(http.MethodPost, "/api/login", `{"name":"bob"}`)
	if got := all[1].must(http.MethodPost, "/api/devices/revoke-others", ""); got != "{\"revoked\":2}\n" {
		t.Errorf("got %s", got)
	}
	if n := len(all[1].devices().Devices); n != 1 {
		t.Errorf("%d devices are left", n)
	}
	for i, want := range []string{"", "alice", ""} {
		if got := *all[i].session().Subject; got != want {
			t.Errorf("device %d: signed in as %q, want %q", i, got, want)
		}
	}
	if *bob.session().Subject != "bob" {
		t.Error("bob was signed out")
	}
}
