package browsertest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// user is one browser as its user sees it: tabs that share their cookies, and share
// none with other users.
type user struct {
	t     *testing.T
	world *world
	first *tab
}

// tab is one of a user's tabs.
type tab struct {
	t     *testing.T
	world *world
	ctx   context.Context
	watch *watch
}

// newUser opens a browser.
func (w *world) newUser(t *testing.T) *user {
	t.Helper()
	u := &user{t: t, world: w}
	u.first = u.open(browser(t).ctx, chromedp.WithNewBrowserContext())
	return u
}

// tab opens another tab of the same browser.
func (u *user) tab() *tab {
	u.t.Helper()
	return u.open(u.first.ctx)
}

func (u *user) open(parent context.Context, options ...chromedp.ContextOption) *tab {
	u.t.Helper()
	b := &tab{t: u.t, world: u.world, watch: newWatch()}
	ctx, closeTab := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.watch.event))...)
	b.ctx = ctx
	u.t.Cleanup(func() {
		b.watch.report(u.t)
		closeTab()
	})
	if err := start(ctx); err != nil {
		u.t.Fatal(err)
	}
	command(b, audits.Enable, cdp.Empty{})
	return b
}

// limited is the tab's context with the time limit of one step.
func (b *tab) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, patience)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := b.limited()
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// command sends a command of the protocol.
func command[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := b.limited()
	defer cancel()
	r, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// eval evaluates an expression in the page, and awaits it.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := b.limited()
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// navigate does what leads to another page, waits for that page, and wants a status.
func (b *tab) navigate(want int, steps ...chromedp.Action[chromedp.Void]) *network.Response {
	b.t.Helper()
	if want >= 400 {
		b.watch.expect(status(want))
	}
	ctx, cancel := b.limited()
	defer cancel()
	resp, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp == nil || int(resp.Status) != want {
		b.t.Fatalf("want status %d, got %+v with the page:\n%s", want, resp, b.text())
	}
	return resp
}

// visit types an address of the site.
func (b *tab) visit(path string) *network.Response { b.t.Helper(); return b.visitFor(200, path) }

func (b *tab) visitFor(status int, path string) *network.Response {
	b.t.Helper()
	return b.navigate(status, chromedp.Navigate(b.world.url+path))
}

// click clicks what leads to another page.
func (b *tab) click(selector string) *network.Response {
	b.t.Helper()
	return b.clickFor(200, selector)
}

func (b *tab) clickFor(status int, selector string) *network.Response {
	b.t.Helper()
	return b.navigate(status, b.pressed(selector))
}

// pressed is a click on what can be seen.
func (b *tab) pressed(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
}

// signIn goes through the form on the page.
func (b *tab) signIn(name string, remember bool) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS("#name"), name))
	if remember {
		b.do(chromedp.Click(chromedp.CSS("#remember")))
	}
	b.click("form[action='/sign-in'] button")
	b.shows("You are signed in as " + name)
}

// back goes back in the history. A page that the browser has kept in memory is not
// loaded again, so that there is nothing to wait for but that it is shown.
func (b *tab) back() {
	b.t.Helper()
	h := command(b, page.GetNavigationHistory, cdp.Empty{})
	id := h.Entries[h.CurrentIndex-1].ID
	ctx, cancel := b.limited()
	defer cancel()
	top := func(e page.EventFrameNavigated) bool { return e.Frame.ParentID == "" }
	if _, err := chromedp.Run(ctx, chromedp.WaitEvent(page.FrameNavigated, top, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: id})
		return err
	}))); err != nil {
		b.t.Fatal(err)
	}
	eval[bool](b, `new Promise(done => document.readyState === "complete" ? done(true) : addEventListener("load", () => done(true)))`)
}

// text is what the page shows.
func (b *tab) text() string {
	b.t.Helper()
	return eval[string](b, `document.body ? document.body.innerText : ""`)
}

// shows wants texts on the page; blanks and line breaks are the same.
func (b *tab) shows(wants ...string) {
	b.t.Helper()
	text := strings.Join(strings.Fields(b.text()), " ")
	for _, want := range wants {
		if !strings.Contains(text, want) {
			b.t.Errorf("want %q on the page:\n%s", want, text)
		}
	}
}

func (b *tab) hides(text string) {
	b.t.Helper()
	if got := b.text(); strings.Contains(got, text) {
		b.t.Errorf("did not want %q on the page:\n%s", text, got)
	}
}

// path is where the tab is.
func (b *tab) path() string {
	b.t.Helper()
	return eval[string](b, "location.pathname")
}

// cookies are all that the browser has stored, from its own store.
func (u *user) cookies() []*network.Cookie {
	u.t.Helper()
	id := chromedp.FromContext(u.first.ctx).BrowserContextID
	ctx, cancel := u.first.limited()
	defer cancel()
	r, err := chromedp.CallBrowser(ctx, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: id})
	if err != nil {
		u.t.Fatal(err)
	}
	return r.Cookies
}

// look is how a page is looked at.
type look struct {
	name          string
	scheme        string
	width, height int64
	mobile        bool
}

func looks() []look {
	return []look{
		{"light-desktop", "light", 1280, 900, false},
		{"dark-desktop", "dark", 1280, 900, false},
		{"light-phone", "light", 360, 780, true},
		{"dark-phone", "dark", 360, 780, true},
	}
}

func (b *tab) as(l look) {
	b.t.Helper()
	options := []chromedp.EmulateViewportOption{chromedp.EmulateScale(1)}
	if l.mobile {
		options = []chromedp.EmulateViewportOption{chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulatePortrait}
	}
	b.do(chromedp.EmulateViewport(l.width, l.height, options...))
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}},
	})
}
