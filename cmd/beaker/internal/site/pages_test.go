package site_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const wantPolicy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// checkPage reports what a page lacks that every page must have.
func checkPage(t *testing.T, resp *http.Response, body string) {
	t.Helper()
	h := resp.Header
	if h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Content-Security-Policy") != wantPolicy ||
		h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("headers: %v", h)
	}
	checkTags(t, body)
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	d := document{labels: map[string]bool{}, ids: map[string]int{}}
	d.walk(root)
	if d.doctypes != 1 || d.h1 != 1 || d.mains != 1 || strings.TrimSpace(d.title) == "" || d.lang != "en" {
		t.Errorf("%d doctypes, %d h1, %d main, title %q, lang %q", d.doctypes, d.h1, d.mains, d.title, d.lang)
	}
	for _, p := range d.problems {
		t.Error(p)
	}
	for id, n := range d.ids {
		if n > 1 {
			t.Errorf("the id %q is used %d times", id, n)
		}
	}
	for _, id := range d.refs {
		if d.ids[id] == 0 {
			t.Errorf("the id %q is referred to and is not there", id)
		}
	}
	for _, id := range d.inputs {
		if !d.labels[id] {
			t.Errorf("the input %q has no label", id)
		}
	}
}

// checkTags finds tags that are not closed, or closed twice, which a parser of HTML
// mends without a word.
func checkTags(t *testing.T, body string) {
	t.Helper()
	void := map[string]bool{"meta": true, "link": true, "img": true, "input": true, "br": true}
	var open []string
	for z := html.NewTokenizer(strings.NewReader(body)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("never closed: %v", open)
			}
			return
		case html.StartTagToken:
			if name, _ := z.TagName(); !void[string(name)] {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Errorf("</%s> closes %v", name, open)
				return
			}
			open = open[:len(open)-1]
		}
	}
}

// document is what walk has found.
type document struct {
	doctypes, h1, mains int
	title, lang         string
	labels              map[string]bool
	ids                 map[string]int
	inputs, refs        []string
	problems            []string
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (d *document) walk(n *html.Node) {
	if n.Type == html.DoctypeNode {
		d.doctypes++
	}
	if n.Type == html.ElementNode {
		d.element(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		d.walk(c)
	}
}

func (d *document) element(n *html.Node) {
	for _, a := range n.Attr {
		switch {
		case a.Key == "id":
			d.ids[a.Val]++
		case a.Key == "aria-labelledby" || a.Key == "aria-describedby":
			d.refs = append(d.refs, strings.Fields(a.Val)...)
		case a.Key == "style" || strings.HasPrefix(a.Key, "on"):
			d.problems = append(d.problems, "inline "+a.Key+" on "+n.Data)
		}
	}
	switch n.DataAtom {
	case atom.Html:
		d.lang = attr(n, "lang")
	case atom.H1:
		d.h1++
	case atom.Main:
		d.mains++
	case atom.Title:
		d.title = n.FirstChild.Data
	case atom.Style:
		d.problems = append(d.problems, "inline "+n.Data)
	case atom.Script:
		if !strings.HasPrefix(attr(n, "src"), "/static/") || n.FirstChild != nil {
			d.problems = append(d.problems, "a script from "+attr(n, "src"))
		}
	case atom.Label:
		d.labels[attr(n, "for")] = true
		d.refs = append(d.refs, attr(n, "for"))
	case atom.Input:
		if attr(n, "type") != "hidden" {
			d.inputs = append(d.inputs, attr(n, "id"))
		}
	case atom.Form:
		if attr(n, "method") != "post" || !strings.HasPrefix(attr(n, "action"), "/") {
			d.problems = append(d.problems, "a form with "+attr(n, "method")+" to "+attr(n, "action"))
		}
	case atom.Button:
		if n.FirstChild == nil {
			d.problems = append(d.problems, "a button without a text")
		}
	case atom.Img:
		if attr(n, "src") == "" {
			d.problems = append(d.problems, "an img without src")
		}
	}
}

func TestPagesAreSound(t *testing.T) {
	f := newSite(t, nil)
	b := f.browser(t)
	check := func(path string) {
		t.Helper()
		resp := b.do(http.MethodGet, path, "")
		body := text(t, resp)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
		checkPage(t, resp, body)
	}
	paths := []string{"/", "/cart", "/devices", "/race", "/outage", "/untouched", "/signed-out"}
	for _, path := range paths {
		check(path)
	}
	f.browser(t).must(http.MethodPost, "/api/login", `{"name":"<b>\"alice\"</b>"}`)
	b.must(http.MethodPost, "/api/login", `{"name":"<b>\"alice\"</b>"}`)
	b.submit("/cart/add", url.Values{"item": {"flask"}})
	b.submit("/theme", url.Values{"theme": {"dark"}})
	b.submit("/race", nil)
	b.submit("/race/late", nil)
	for _, path := range paths {
		check(path)
	}
}

func TestVisitsAreCounted(t *testing.T) {
	b := newSite(t, nil).browser(t)
	for _, want := range []string{"<strong>1</strong> visit in", "<strong>2</strong> visits in", "<strong>3</strong> visits in"} {
		if got := b.must(http.MethodGet, "/", ""); !strings.Contains(got, want) {
			t.Errorf("want %s in %s", want, got)
		}
	}
}

// All of a visit with forms, as a browser without scripts does it.
func TestVisitWithForms(t *testing.T) {
	f := newSite(t, nil)
	b, phone := f.browser(t), f.browser(t)
	page := func(resp *http.Response, wants ...string) {
		t.Helper()
		body := text(t, resp)
		checkPage(t, resp, body)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("want %q in %s", want, body)
			}
		}
	}
	page(b.do("GET", "/cart", ""), "Your cart is empty", "none: you have only looked", "<dt>Store calls</dt><dd>0</dd>", "<dt>Cookie received</dt><dd>none</dd>")
	page(b.do("GET", "/", ""), "Sessions that lose nothing", "begun by this request", "(create)", "<dt>Cookie received</dt><dd>none</dd>", "in 30 minutes", "in 12 hours")
	page(b.submit("/cart/add", url.Values{"item": {"flask"}}), "Conical flask is in your cart.", "1 thing in your cart", "(load, apply)")
	page(b.submit("/cart/add", url.Values{"item": {"flask"}}), "2 things in your cart")
	page(b.submit("/cart/remove", url.Values{"item": {"flask"}}), "was taken out", "1 thing in your cart")
	page(b.do("GET", "/", ""), "loaded from the store", "3 <small>(load, load, apply)")
	if body := b.must("GET", "/cart", ""); strings.Contains(body, "was taken out") {
		t.Error("the message is shown twice")
	}
	page(b.submit("/theme", url.Values{"theme": {"dark"}, "back": {"/cart"}}), `data-theme="dark"`, "<h1>Cart</h1>")
	page(b.submit("/theme", url.Values{"theme": {""}, "back": {"//evil.example"}}), `<html lang="en">`, "Sessions that lose nothing")
	page(b.submit("/sign-in", url.Values{"name": {"alice"}, "remember": {"yes"}}), "Hello, <bdi>alice</bdi>", "You are signed in as alice.", "remembered for 30 days", "in 30 days")
	page(b.do("GET", "/cart", ""), "1 thing in your cart", "Signed in as <bdi>alice</bdi>")
	page(b.do("GET", "/devices", ""), "this device", "1 device<")
	if d := b.session(); d.AbsoluteDeadline.Sub(d.Created) < remembered {
		t.Errorf("not remembered: %+v", d)
	}
	page(phone.do("GET", "/devices", ""), "Sign in, then sign in")
	page(phone.submit("/sign-in", url.Values{"name": {"alice"}, "back": {"/devices"}}), "2 devices", "Sign out all other devices")
	page(b.submit("/devices/revoke", url.Values{"handle": {phone.session().Handle}}), "That device is signed out.", "1 device<")
	phone.submit("/sign-in", url.Values{"name": {"alice"}})
	page(b.submit("/devices/revoke-others", nil), "1 other device is signed out.")
	if *phone.session().Subject != "" {
		t.Error("the phone is signed in")
	}
	phone.submit("/sign-in", url.Values{"name": {"alice"}})
	page(phone.submit("/devices/revoke", url.Values{"handle": {phone.session().Handle}}), "You are signed out")
	leave := b.request(http.MethodPost, "/sign-out", "")
	if got := b.other().send(leave).Header.Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("the browser keeps pages in memory: %q", got)
	}
	b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
	page(b.submit("/sign-out", nil), "You are signed out")
	if len(b.cookies)+len(phone.cookies) != 0 {
		t.Error("a browser still has the cookie")
	}
}

const remembered = 30 * 24 * 60 * 60 * 1e9 // as a time.Duration

func TestCartCountsWithinBounds(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.submit("/cart/remove", url.Values{"item": {"flask"}})
	if body := b.must("GET", "/cart", ""); !strings.Contains(body, "Your cart is empty") {
		t.Errorf("got %s", body)
	}
	b.must("PUT", "/api/values/cart.flask", "99")
	b.submit("/cart/add", url.Values{"item": {"flask"}})
	if v := b.session(); string(v.Values["cart.flask"]) != "99" {
		t.Errorf("got %s", v.Values)
	}
	// What the JSON interface put there may be anything.
	b.must("PUT", "/api/values/cart.flask", `"many"`)
	b.must("PUT", "/api/values/visits", `[]`)
	b.must("PUT", "/api/values/theme", `"\"><script>"`)
	b.must("PUT", "/api/values/race.left", `{"round":-1,"wrote":"9999-01-01T00:00:00Z"}`)
	b.must("PUT", "/api/values/race.right", `7`)
	b.must("PUT", "/api/values/race.late", `{"write":true}`)
	b.must("PUT", "/api/values/device", `{"kind":"<b>","browser":7}`)
	for _, path := range []string{"/", "/cart", "/race"} {
		resp := b.do("GET", path, "")
		checkPage(t, resp, text(t, resp))
	}
}

// What a page says that it cost is what it did cost, the saving of the session included.
func TestPanelCountsAsTheLogDoes(t *testing.T) {
	f := newSite(t, nil)
	b := f.browser(t)
	calls := regexp.MustCompile(`<dt>Store calls</dt><dd>(\d+)(?: <small>\(([a-z, ]*)\))?`)
	for _, step := range []struct{ path, want string }{
		{"/cart", ""},
		{"/", "create"},
		{"/", "load load apply"},
		{"/outage", "load"},
		{"/devices", "load list"},
	} {
		got := calls.FindStringSubmatch(b.must(http.MethodGet, step.path, ""))
		if got == nil || strings.ReplaceAll(got[2], ",", "") != step.want || got[1] != strconv.Itoa(len(strings.Fields(step.want))) {
			t.Errorf("%s: the page says %q, want %q", step.path, got, step.want)
		}
		line := `path=` + step.path + ` status=200 loaded=` + strconv.FormatBool(strings.HasPrefix(step.want, "load")) + ` store_calls=`
		if strings.Contains(step.want, " ") || step.want == "" {
			line += `"` + step.want + `"`
		} else {
			line += step.want
		}
		if !strings.Contains(f.log.String(), line+"\n") {
			t.Errorf("want %s in the log: %s", line, f.log)
		}
		if step.path == "/outage" {
			b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
		}
	}
	// A session that is remembered gets its cookie again, and that costs a call more.
	b.submit("/sign-in", url.Values{"name": {"alice"}, "remember": {"yes"}})
	if got := calls.FindStringSubmatch(b.must(http.MethodGet, "/", "")); got == nil || got[2] != "load, load, apply, apply" ||
		!strings.Contains(f.log.String(), `path=/ status=200 loaded=true store_calls="load load apply apply"`) {
		t.Errorf("got %q, and the log says: %s", got, f.log)
	}
}

// The pages show their own source, so that it is true; this is that it is there.
func TestPagesShowTheirCode(t *testing.T) {
	b := newSite(t, nil).browser(t)
	b.submit("/sign-in", url.Values{"name": {"alice"}})
	for path, want := range map[string]string{
		"/": "visitsKey.Set(sess, n+1)", "/cart": "range sess.Flashes()", "/devices": "s.sessions.RevokeOwn(", "/race": "key.Set(sess, l)",
		"/outage": "s.sessions.Get(r.Context())", "/untouched": "untouched(w http.ResponseWriter", "/signed-out": "sess.Destroy(r.Context())",
		"/outage/now": "s.sessions.Get(r.Context())",
	} {
		_, code, _ := strings.Cut(text(t, b.do("GET", path, "")), "<pre><code>")
		code, _, _ = strings.Cut(code, "</code></pre>")
		if root, err := html.Parse(strings.NewReader(code)); err != nil || !strings.Contains(textOf(root), want) || strings.Contains(code, "//demo:") {
			t.Errorf("%s: want %q in %s", path, want, code)
		}
	}
}

// textOf returns what is left of a page without its tags.
func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(textOf(c))
	}
	return b.String()
}

func TestStaticFilesAreKeptForGoodUnderTheAddressThatNamesTheirContent(t *testing.T) {
	b := newSite(t, nil).browser(t)
	page := b.must("GET", "/", "")
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml", "site.js": "text/javascript; charset=utf-8"} {
		resp := b.do("GET", "/static/"+name, "")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != kind || resp.Header.Get("Vary") != "" || resp.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
		r := b.request("GET", "/static/"+name, "")
		r.Header.Set("If-None-Match", resp.Header.Get("ETag"))
		if again := b.send(r); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d", name, again.StatusCode)
		}
		hash := strings.Trim(resp.Header.Get("ETag"), `"`)
		if url := "/static/" + name + "?v=" + hash; !strings.Contains(page, `"`+url+`"`) || !strings.Contains(b.do("GET", url, "").Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s is not kept, or the page does not use it", url)
		}
		if old := b.do("GET", "/static/"+name+"?v=old", ""); old.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("the content of another release would be kept: %v", old.Header)
		}
	}
}
