package browsertest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// What the other tests rely on is that a mistake would be found. So here are some.

func TestMistakesOfPagesAreFound(t *testing.T) {
	t.Parallel()
	b := newWorld(t).newUser(t).first
	b.watch.ignore()
	for want, script := range map[string]string{
		"exception":             `setTimeout(() => { throw new Error("by the test") })`,
		"console.error":         `console.error("by the test")`,
		"console.warning":       `console.warn("by the test")`,
		"log":                   `fetch("/nothing").then(r => r.text())`,
		"kInlineViolation":      `document.body.setAttribute("style", "color: red")`,
		"kURLViolation":         `new Image().src = "http://127.0.0.1:1/x.png"`,
		"trusted-types":         `try { trustedTypes.createPolicy("x", {}) } catch {}`,
		"require-trusted-types": `try { document.body.innerHTML = "<b>x</b>" } catch {}`,
		"TrustedScript":         `try { document.createElement("script").text = "1" } catch {}`,
	} {
		b.visit("/untouched")
		b.watch.forget()
		eval[bool](b, script+"; new Promise(done => setTimeout(() => done(true)))")
		if got := strings.Join(b.watch.wait(t, want), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s is not found: %s", script, got)
		}
	}
}

func TestMistakesOfAccessibilityAreFound(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!DOCTYPE html><link rel="icon" href="data:,"><title>x</title><p style="color: #999">pale</p><img src="data:,"><input><h3>x</h3>`))
	}))
	t.Cleanup(server.Close)
	b := newWorld(t).newUser(t).first
	b.watch.ignore()
	b.navigate(http.StatusOK, chromedp.Navigate(server.URL))
	b.loadAxe()
	got := map[string]bool{}
	for _, f := range b.findings().Violations {
		got[f.ID] = true
	}
	for _, want := range []string{"color-contrast", "image-alt", "label", "html-has-lang", "landmark-one-main", "page-has-heading-one"} {
		if !got[want] {
			t.Errorf("%s is not found: %v", want, got)
		}
	}
}
