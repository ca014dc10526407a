package browsertest_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/seed12c5fab1/beaker"
)

// at both does the same in two tabs, so that both requests have loaded the session
// before either goes on.
func (w *world) atOnce(t *testing.T, first, second *tab, f func(b *tab, i int)) {
	t.Helper()
	meet := newMeeting(2)
	w.store.hook(func(ctx context.Context, _ beaker.RecordKey) {
		if err := meet.arrive(ctx); err != nil {
			t.Error(err)
		}
	})
	defer w.store.hook(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(second, 1)
	}()
	f(first, 0)
	<-done
}

func TestTwoTabsAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.newUser(t)
	first, second := u.first, u.tab()
	first.visit("/")
	first.visit("/cart")
	second.visit("/cart")
	w.atOnce(t, first, second, func(b *tab, i int) {
		b.clickOrReport([]string{"[aria-label='Add one: Beaker']", "[aria-label='Add one: Pipette']"}[i])
	})
	first.visit("/cart")
	first.shows("2 things in your cart")
	// The same item, which is one value: Update.
	second.visit("/cart")
	w.atOnce(t, first, second, func(b *tab, _ int) { b.clickOrReport("[aria-label='Add one: Beaker']") })
	first.visit("/cart")
	first.shows("4 things in your cart")

	w.atOnce(t, first, second, func(b *tab, _ int) { b.clickOrReport("nav a[href='/']") })
	first.visit("/")
	first.shows("4 visits in this session")
	if n := len(u.cookies()); n != 1 {
		t.Errorf("%d cookies", n)
	}
}

// Two tabs sign in at once: each gets a new secret, and one of the two cookies stays.
func TestTwoTabsThatSignInAtOnceAreBothSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.newUser(t)
	first, second := u.first, u.tab()
	for _, b := range []*tab{first, second} {
		b.visit("/")
		b.do(chromedp.SendKeys(chromedp.CSS("#name"), "alice"))
	}
	w.atOnce(t, first, second, func(b *tab, _ int) {
		// Whoever comes second finds that the session has just become somebody's.
		ctx, cancel := b.limited()
		defer cancel()
		resp, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS("form[action='/sign-in'] button")))
		if err != nil || resp.Status != http.StatusOK && resp.Status != http.StatusConflict {
			t.Errorf("%+v, %v", resp, err)
		} else if resp.Status == http.StatusConflict {
			b.watch.expect(status(http.StatusConflict))
		}
	})
	for _, b := range []*tab{first, second} {
		b.visit("/")
		b.shows("Hello, alice")
	}
}

// clickOrReport is click for goroutines that are not the test's own.
func (b *tab) clickOrReport(selector string) {
	ctx, cancel := b.limited()
	defer cancel()
	resp, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
	if err != nil || resp.Status != http.StatusOK {
		b.t.Errorf("%s: %+v, %v", selector, resp, err)
	}
}

func TestOneBrowserSignsTheOtherOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	laptop, phone, bob := w.newUser(t).first, w.newUser(t).first, w.newUser(t).first
	phone.agent(phoneAgent)
	for _, b := range []*tab{laptop, phone} {
		b.visit("/devices")
		b.signIn("alice", false)
	}
	bob.visit("/devices")
	bob.signIn("bob", false)
	bob.shows("1 device")
	phone.shows("2 devices")
	laptop.visit("/devices")
	laptop.shows("2 devices", "Safari on iOS")
	laptop.click("[aria-label^='Sign out Safari on iOS']")
	laptop.shows("That device is signed out.", "1 device", "Signed in as alice")

	// The phone still shows its page, and learns of it with whatever it does next.
	phone.clickFor(http.StatusForbidden, "form[action='/devices/revoke-others'] button")
	phone.shows("Nobody is signed in", "another device")
	phone.visit("/devices")
	phone.shows("Sign in, then sign in")
	phone.hides("alice")
	laptop.visit("/")
	laptop.shows("Hello, alice")

	phone.visit("/")
	phone.signIn("alice", true)
	phone.visit("/devices")
	phone.click("form[action='/devices/revoke-others'] button")
	phone.shows("1 other device is signed out.")
	laptop.visit("/")
	laptop.shows("Sessions that lose nothing")
	bob.visit("/devices")
	bob.shows("Signed in as bob")
}
