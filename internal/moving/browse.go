package moving

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

// Browse visits a site as a browser would and returns what it was shown. Every site
// answers GET / with the user, the number of visits and the flash messages, and takes
// POST /login and POST /logout.
func Browse(t *testing.T, h http.Handler) (shown []string) {
	t.Helper()
	b := sessiontest.NewBrowser(h, "https://app.example")
	show := func(r *sessiontest.Response) {
		t.Helper()
		if r.Status != http.StatusOK {
			t.Errorf("%v %q", r, r.Body)
		}
		shown = append(shown, r.Body)
	}
	show(b.Get("/"))
	show(b.Get("/"))
	show(b.Follow(b.PostForm("/login", url.Values{"user": {"alice"}})))
	show(b.Get("/"))
	show(b.Follow(b.PostForm("/logout", nil)))
	return shown
}

// Want is what a browser is shown.
var Want = []string{
	`"", visit 1, []`,
	`"", visit 2, []`,
	`"alice", visit 3, [Welcome.]`,
	`"alice", visit 4, []`,
	`"", visit 1, []`,
}
