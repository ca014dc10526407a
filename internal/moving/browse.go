package moving

import (
	"net/http"
	"net/url"

	"github.com/seed12c5fab1/beaker/sessiontest"
)

// Browse visits a site as a browser would and returns what it was shown. Every site
// answers GET / with the user, the number of visits and the flash messages, and takes
// POST /login and POST /logout.
func Browse(h http.Handler) (shown []string) {
	b := sessiontest.NewBrowser(h, "https://app.example")
	show := func(r *sessiontest.Response) {
		if r.Status != http.StatusOK {
			shown = append(shown, r.String())
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
