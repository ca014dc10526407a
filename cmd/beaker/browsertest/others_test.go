package browsertest_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Other browsers, by what they say that they are.
const (
	desktopAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
	phoneAgent   = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	tabletAgent  = "Mozilla/5.0 (Android 14; Tablet; rv:130.0) Gecko/130.0 Firefox/130.0"
)

// agent makes the tab say that it is another browser.
func (b *tab) agent(text string) {
	b.t.Helper()
	command(b, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: text})
}

// signInByHand signs in without a browser, as a program does, and returns the cookie.
func (w *world) signInByHand(t *testing.T, name, agent string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/sign-in", strings.NewReader(url.Values{"name": {name}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(r) // a client would follow to the next page
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", resp.StatusCode)
	}
	pair, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return pair
}

// attack opens a page of another origin that has a form to this site's sign-out, and
// submits it. The host decides what the other origin is: localhost is the same site,
// whatever the port, and gets the cookie; 127.0.0.1 is another.
func (b *tab) attack(host string, status int) {
	b.t.Helper()
	page := fmt.Sprintf(`<!DOCTYPE html><html lang="en"><title>Win a prize</title>
<link rel="icon" href="data:,"><form method="post" action="%s"><button>Win</button></form>`, html.EscapeString(b.world.url+"/sign-out"))
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page)) // the browser would say so
	}))
	b.t.Cleanup(other.Close)
	b.navigate(http.StatusOK, chromedp.Navigate(strings.Replace(other.URL, "http://127.0.0.1", host, 1)))
	b.clickFor(status, "button")
}
