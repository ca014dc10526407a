package site_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestRaceFromInsideOverlapsAndBothSurvive(t *testing.T) {
	f := newSite(t, nil)
	b := f.browser(t)
	for round := 1; round <= 2; round++ {
		resp := b.submit("/race", nil)
		body := text(t, resp)
		checkPage(t, resp, body)
		for _, want := range []string{"Both survived", "They overlapped", "would have lost <em>left</em>"} {
			if !strings.Contains(body, want) {
				t.Errorf("round %d: want %q in %s", round, want, body)
			}
		}
	}
	type leg struct {
		Round, SawLeft, SawRight int
		Loaded, Wrote            time.Time
	}
	v := b.session()
	raw := func(name string) string {
		return strings.NewReplacer("saw_left", "sawleft", "saw_right", "sawright").Replace(string(v.Values[name]))
	}
	left, right := decode[leg](t, raw("race.left")), decode[leg](t, raw("race.right"))
	for _, l := range []leg{left, right} {
		if l.Round != 2 || l.SawLeft != 1 || l.SawRight != 1 {
			t.Errorf("left %+v, right %+v: both must have loaded before either was saved", left, right)
		}
	}
	if !right.Loaded.Before(left.Wrote) || !left.Loaded.Before(right.Wrote) {
		t.Errorf("left %+v, right %+v do not overlap", left, right)
	}
	if got := f.log.String(); strings.Count(got, "path=/race/left status=204 loaded=true") != 2 || strings.Contains(got, "level=ERROR") {
		t.Errorf("the requests did not go the way of others: %s", got)
	}
}

// The page is true of sessions in cookies, too, where one of the two is lost.
func TestRaceOfSealedSessionsShowsWhatIsLost(t *testing.T) {
	b := newSealedSite(t, nil).browser(t)
	for range 2 {
		resp := b.submit("/race", nil)
		body := text(t, resp)
		checkPage(t, resp, body)
		if !strings.Contains(body, "One is lost") || !strings.Contains(body, "the one that came last") || !strings.Contains(body, "<strong>lost</strong>") {
			t.Errorf("got %s", body)
		}
	}
	if v := b.session(); string(v.Values["race.round"]) != "2" || v.Values["race.left"] != nil || v.Values["race.right"] == nil {
		t.Errorf("got %s", v.Values)
	}
}

// With scripts, the browser sends the two requests itself.
func TestRaceFromOutside(t *testing.T) {
	g := newGate()
	b := newSite(t, g.wait).browser(t)
	if got := b.must(http.MethodPost, "/race/begin", ""); got != "{\"round\":1}\n" {
		t.Fatalf("got %s", got)
	}
	done := make(chan int, 2)
	for _, side := range []string{"left", "right"} {
		go func() {
			r := b.request(http.MethodPost, "/race/"+side, url.Values{"round": {"1"}, "ms": {"1500"}}.Encode())
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			done <- b.send(r).StatusCode
		}()
	}
	for range 2 {
		g.reached(t)
	}
	close(g.open)
	for range 2 {
		if status := <-done; status != http.StatusNoContent {
			t.Errorf("status %d", status)
		}
	}
	if body := b.must(http.MethodGet, "/race", ""); !strings.Contains(body, "Both survived") || !strings.Contains(body, "They overlapped") {
		t.Errorf("got %s", body)
	}
}

func TestLateWriteIsShownToBeRefused(t *testing.T) {
	for name, f := range map[string]*fixture{"stored": newSite(t, nil), "sealed": newSealedSite(t, nil)} {
		b := f.browser(t)
		b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
		body := text(t, b.submit("/race/late", nil))
		for _, want := range []string{"answered 303", "<strong>409</strong>, Conflict, without a cookie", "now opens nothing", "Signed in as <bdi>alice</bdi>"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: want %q in %s", name, want, body)
			}
		}
	}
}

func TestOutageSignsNobodyOut(t *testing.T) {
	for name, f := range map[string]*fixture{"stored": newSite(t, nil), "sealed": newSealedSite(t, nil)} {
		b := f.browser(t)
		b.must(http.MethodPost, "/api/login", `{"name":"alice"}`)
		resp := b.do(http.MethodGet, "/outage/now", "")
		if body := text(t, resp); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Set-Cookie") != "" || !strings.Contains(body, "If you were signed in, you still are") {
			t.Errorf("%s: status %d, %v: %s", name, resp.StatusCode, resp.Header, body)
		}
		if !strings.Contains(b.must(http.MethodGet, "/outage", ""), "You are signed in as <bdi>alice</bdi>") {
			t.Errorf("%s: signed out", name)
		}
	}
}
