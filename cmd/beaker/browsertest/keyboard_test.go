package browsertest_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focus is what has the keyboard.
type focus struct {
	Text    string // what a screen reader would say first: label or text
	Visible bool   // one sees that it has it
	Outside bool   // nothing on the page: after the last thing, the browser's own come
}

func (b *tab) focused() focus {
	b.t.Helper()
	return eval[focus](b, `(() => {
		const e = document.activeElement, style = getComputedStyle(e);
		if (e === document.body) return {Outside: true};
		const text = e.getAttribute("aria-label") ?? (e.labels?.length ? e.labels[0].textContent : e.textContent);
		const box = e.getBoundingClientRect();
		const seen = box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight;
		return {Text: text.trim(), Visible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && seen};
	})()`)
}

// tabTo presses Tab until what is called text has the focus.
func (b *tab) tabTo(text string) {
	b.t.Helper()
	var passed []string
	for range 60 {
		b.do(chromedp.KeyEvent(kb.Tab))
		f := b.focused()
		if !f.Visible && !f.Outside {
			b.t.Errorf("one does not see that %q has the focus, after %q", f.Text, passed)
		}
		if !f.Outside && strings.HasPrefix(f.Text, text) {
			return
		}
		passed = append(passed, f.Text)
	}
	b.t.Fatalf("no way to %q by Tab; on the way: %q", text, passed)
}

// enter presses Enter, which leads to another page.
func (b *tab) enter() {
	b.t.Helper()
	b.navigate(200, chromedp.KeyEvent(kb.Enter))
}

func TestEverythingCanBeReachedByKeyboard(t *testing.T) {
	t.Parallel()
	b := newWorld(t).newUser(t).first
	b.visit("/")
	b.do(chromedp.KeyEvent(kb.Tab))
	if f := b.focused(); f.Text != "Skip to content" || !f.Visible {
		t.Errorf("the first is %+v", f)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	if got := eval[string](b, "document.activeElement.id"); got != "main" {
		t.Errorf("the link leads to %q", got)
	}
	b.tabTo("Let two requests overlap") // the first thing after the navigation

	b.tabTo("Name")
	b.do(chromedp.KeyEvent("alice"))
	b.tabTo("Remember me")
	b.do(chromedp.KeyEvent(" "))
	b.tabTo("Sign in")
	b.enter()
	b.shows("Hello, alice", "remembered for 30 days")

	b.tabTo("Cart")
	b.enter()
	b.tabTo("Add one: Conical flask")
	b.enter()
	b.shows("Conical flask is in your cart.")
	b.tabTo("Dark")
	b.navigate(200, chromedp.KeyEvent(" "))
	if got := eval[string](b, "document.documentElement.dataset.theme"); got != "dark" {
		t.Errorf("the theme is %q", got)
	}
	b.tabTo("Race")
	b.enter()
	b.tabTo("Run the race")
	b.race(chromedp.KeyEvent(kb.Enter))
	b.shows("Both survived")
	b.tabTo("Sign out during a write")
	b.enter()
	b.shows("It was answered 409")
	b.tabTo("Devices")
	b.enter()
	b.tabTo("Sign out Headless Chrome")
	b.enter()
	b.shows("You are signed out")
}
