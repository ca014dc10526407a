package browsertest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Everything that the pages offer, by mouse, with and without scripts.
func TestEveryActionOfTheSite(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		t.Run(map[bool]string{true: "with scripts", false: "without scripts"}[scripts], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newUser(t).first
			command(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})

			b.visit("/cart")
			b.shows("Your cart is empty", "none: you have only looked")
			b.visit("/devices")
			b.shows("Sign in, then sign in with the same name")
			b.visit("/")
			b.shows("1 visit in this session", "begun by this request")
			b.click("nav a[href='/']")
			b.shows("2 visits in this session", "loaded from the store", "(load, load, apply)", "127 bytes")
			if minutes := strings.Contains(b.text(), "in 30 minutes"); minutes == scripts {
				t.Errorf("the script runs: %v, but the page is: %s", scripts, b.text())
			}

			b.click("nav a[href='/cart']")
			b.click("[aria-label='Add one: Beaker']")
			b.shows("Beaker is in your cart.", "1 thing in your cart")
			b.click("[aria-label='Add one: Beaker']")
			b.click("[aria-label='Remove one: Beaker']")
			b.shows("Beaker was taken out of your cart.", "1 thing in your cart")
			b.click("nav a[href='/cart']")
			b.hides("was taken out")

			b.click("[name=theme][value=dark]")
			if b.path() != "/cart" || b.background() != "rgb(18, 23, 26)" {
				t.Errorf("dark: at %s, on %s", b.path(), b.background())
			}
			b.click("[name=theme][value=light]")
			if got := b.background(); got != "rgb(247, 249, 249)" {
				t.Errorf("light: on %s", got)
			}
			b.click("[name=theme][value='']")

			b.click(".who a")
			b.signIn("alice", true)
			b.shows("Hello, alice", "Signed in as alice", "remembered for 30 days", map[bool]string{true: "29 days 23:59:", false: "in 30 days"}[scripts])
			b.click("nav a[href='/cart']")
			b.shows("1 thing in your cart")
			b.hides("You are signed in as")

			b.click("nav a[href='/race']")
			if scripts {
				b.race(b.pressed("form[data-race] button"))
			} else {
				b.click("form[data-race] button")
			}
			b.shows("Both survived", "They overlapped", "would have lost left")
			b.click("form[action='/race/late'] button")
			b.shows("It was answered 409, Conflict, without a cookie", "The old cookie now opens nothing", "Signed in as alice")

			b.click("nav a[href='/outage']")
			b.shows("You are signed in as alice")
			b.clickFor(http.StatusServiceUnavailable, "a[href='/outage/now']")
			b.shows("The session store does not answer", "If you were signed in, you still are")
			b.click("main a[href='/outage']")
			b.shows("You are signed in as alice")

			b.click("nav a[href='/untouched']")
			b.shows("not loaded", "Set-Cookie not sent")
			b.hides("alice")

			w.signInByHand(t, "alice", phoneAgent)
			w.signInByHand(t, "alice", tabletAgent)
			b.click("nav a[href='/devices']")
			b.shows("3 devices", "Safari on iOS", "Firefox on Android", "127.0.0.0/24", "just now")
			b.click("[aria-label^='Sign out Safari on iOS']")
			b.shows("That device is signed out.", "2 devices")
			b.click("form[action='/devices/revoke-others'] button")
			b.shows("1 other device is signed out.", "1 device", "this device")

			b.click("form[action='/sign-out'] button")
			b.shows("You are signed out")
			b.click("main a[href='/']")
			b.shows("1 visit in this session")
			b.click("nav a[href='/cart']")
			b.shows("Your cart is empty")
		})
	}
}

func (b *tab) background() string {
	b.t.Helper()
	return eval[string](b, "getComputedStyle(document.body).backgroundColor")
}

// While the race is under way, the page says so.
func TestRaceShowsThatItRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newUser(t).first
	b.visit("/race")
	meet, goOn := newMeeting(3), make(chan struct{}) // the third is the test
	w.waiting(func(ctx context.Context, _ time.Duration) error {
		if err := meet.arrive(ctx); err != nil {
			return err
		}
		<-goOn
		return nil
	})
	b.do(chromedp.Click(chromedp.CSS("form[data-race] button"), chromedp.NodeVisible))
	if err := meet.arrive(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.shows("Two requests are under way.")
	if !eval[bool](b, `document.querySelector("form[data-race] button").disabled && document.querySelector(".live progress").checkVisibility()`) {
		t.Error("the page does not show that the race runs")
	}
	b.navigate(http.StatusOK, chromedp.Func(func(context.Context, *chromedp.Target) error {
		close(goOn)
		return nil
	}))
	b.shows("Both survived", "They overlapped")
	for _, side := range []string{"left", "right"} {
		if got := w.requests(http.MethodPost, "/race/"+side); len(got) != 1 || !got[0].hasCookie() {
			t.Errorf("%s: %v", side, got)
		}
	}

	// A race that fails can be run again.
	b.watch.expect(status(http.StatusServiceUnavailable))
	b.watch.expect(status(http.StatusServiceUnavailable))
	w.waiting(func(context.Context, time.Duration) error { return errors.New("broken by the test") })
	b.do(chromedp.Click(chromedp.CSS("form[data-race] button"), chromedp.NodeVisible),
		chromedp.WaitEnabled(chromedp.CSS("form[data-race] button")))
	b.shows("The race could not be run: the answer was 503.")
}

func TestDeadlinesCountDown(t *testing.T) {
	t.Parallel()
	b := newWorld(t).newUser(t).first
	b.visit("/")
	const time1 = `document.querySelector("time[data-left]").textContent`
	before := eval[string](b, time1)
	if len(before) != len("29:59") || before < "29:00" || before > "30:00" {
		t.Errorf("got %q", before)
	}
	ctx, cancel := b.limited()
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](time1+` < "`+before+`"`, chromedp.WithPollingTimeout(patience))); err != nil {
		t.Errorf("it stays at %s: %v", before, err)
	}
}
