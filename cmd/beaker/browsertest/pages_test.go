package browsertest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/seed12c5fab1/beaker"
)

// sight is a page in a state that can be seen, and how to get there.
type sight struct {
	name string
	make func(*testing.T) *tab
}

// sights are all there are. Each has a world of its own.
func sights() []sight {
	fresh := func(path string) func(*testing.T) *tab {
		return func(t *testing.T) *tab {
			b := newWorld(t, dated).newUser(t).first
			b.visit(path)
			return b
		}
	}
	signedIn := func(path string) func(*testing.T) *tab {
		return func(t *testing.T) *tab {
			b := newWorld(t, dated).newUser(t).first
			b.visit("/")
			b.signIn("alice", false)
			b.visit(path)
			return b
		}
	}
	return []sight{
		{"home", fresh("/")},
		{"home-signed-in", func(t *testing.T) *tab {
			b := newWorld(t, dated).newUser(t).first
			b.visit("/")
			b.signIn("alice", true)
			return b
		}},
		{"cart-empty", fresh("/cart")},
		{"cart", func(t *testing.T) *tab {
			b := newWorld(t, dated).newUser(t).first
			b.visit("/cart")
			b.click("[aria-label='Add one: Beaker']")
			b.click("[aria-label='Add one: Conical flask']")
			b.click("[aria-label='Add one: Conical flask']")
			return b
		}},
		{"devices-signed-out", fresh("/devices")},
		{"devices", func(t *testing.T) *tab {
			w := newWorld(t, dated)
			for _, agent := range []string{phoneAgent, tabletAgent, "curl/8.5.0"} {
				w.signInByHand(t, "alice", agent)
			}
			b := w.newUser(t).first
			b.agent(desktopAgent)
			b.visit("/devices")
			b.signIn("alice", false)
			b.visit("/devices")
			b.shows("4 devices", "Safari on iOS", "curl on unknown system", "this device")
			return b
		}},
		{"devices-sealed", func(t *testing.T) *tab {
			b := newWorld(t, dated, sealed).newUser(t).first
			b.visit("/devices")
			b.signIn("alice", false)
			return b
		}},
		{"race-before", fresh("/race")},
		{"race", func(t *testing.T) *tab {
			b := signedIn("/race")(t)
			b.race(b.pressed("form[data-race] button"))
			b.click("form[action='/race/late'] button")
			b.shows("Both survived", "409, Conflict, without a cookie")
			return b
		}},
		{"race-sealed", func(t *testing.T) *tab {
			b := newWorld(t, dated, sealed).newUser(t).first
			b.visit("/race")
			b.race(b.pressed("form[data-race] button"))
			b.shows("One is lost")
			return b
		}},
		{"outage", signedIn("/outage")},
		{"untouched", signedIn("/untouched")},
		{"signed-out", func(t *testing.T) *tab {
			b := signedIn("/cart")(t)
			b.click("form[action='/sign-out'] button")
			return b
		}},
		{"error-403", func(t *testing.T) *tab {
			b := signedIn("/")(t)
			b.attack("http://localhost", http.StatusForbidden)
			return b
		}},
		{"error-404", func(t *testing.T) *tab {
			b := newWorld(t, dated).newUser(t).first
			b.visitFor(http.StatusNotFound, "/nothing")
			return b
		}},
		{"error-409", func(t *testing.T) *tab {
			b := signedIn("/")(t)
			b.world.store.hook(func(ctx context.Context, key beaker.RecordKey) {
				if err := b.world.store.Delete(ctx, key); err != nil {
					t.Error(err)
				}
			})
			b.clickFor(http.StatusConflict, "[name=theme][value=dark]")
			return b
		}},
		{"error-503", func(t *testing.T) *tab {
			b := signedIn("/outage")(t)
			b.clickFor(http.StatusServiceUnavailable, "a[href='/outage/now']")
			return b
		}},
	}
}

// Every page, as it is seen in light and dark, on a desktop and on a phone.
func TestPagesCanBeReadByEverybody(t *testing.T) {
	root := os.Getenv("BEAKER_SCREENSHOTS") // the root of the repository, from make screenshots
	for _, s := range sights() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := s.make(t)
			b.loadAxe()
			for _, l := range looks() {
				b.as(l)
				b.accessible(l.name)
				b.fits(l.width)
				if root != "" {
					b.picture(root, s.name+"-"+l.name)
				}
			}
			// What a desktop shows at 400 percent: WCAG 1.4.10.
			b.as(look{"zoomed", "light", 320, 256, false})
			b.fits(320)
		})
	}
}

// fits reports what is wider than the window, so that one has to scroll in two ways.
func (b *tab) fits(width int64) {
	b.t.Helper()
	wide := eval[[]string](b, fmt.Sprintf(`[...document.querySelectorAll("body *")]
		.filter(e => e.getBoundingClientRect().right > %d && !e.classList.contains("skip")).map(e => e.outerHTML.slice(0, 200))`, width))
	if got := eval[int64](b, "document.documentElement.scrollWidth"); got > width || len(wide) > 0 {
		b.t.Errorf("the page is %d wide on a screen of %d: %q", got, width, wide)
	}
}

// readme are the pictures that the README shows, with the height that it shows of them.
var readme = map[string]float64{"race-light-desktop": 920, "devices-dark-desktop": 920, "home-light-phone": 780}

// picture writes a picture of the page: all of it into build/screenshots, and for the
// README its beginning into docs/images.
func (b *tab) picture(root, name string) {
	b.t.Helper()
	size := eval[[]float64](b, "scrollTo(0, 0), [document.documentElement.clientWidth, document.documentElement.scrollHeight]")
	b.capture(filepath.Join(root, "build", "screenshots", name+".png"), page.CaptureScreenshotFormatPng, size[0], size[1])
	if height, ok := readme[name]; ok {
		b.capture(filepath.Join(root, "docs", "images", "demo-"+name+".webp"), page.CaptureScreenshotFormatWebp, size[0], height)
	}
}

func (b *tab) capture(file string, format page.CaptureScreenshotFormat, width, height float64) {
	b.t.Helper()
	beyond, quality := true, int64(80) // of WebP; small, and letters are still sharp
	p := page.CaptureScreenshotParams{Format: format, CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: width, Height: height, Scale: 1}}
	if format == page.CaptureScreenshotFormatWebp {
		p.Quality = &quality
	}
	r := command(b, page.CaptureScreenshot, p)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, r.Data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// race runs the race as the page does it with a script: both requests are held until
// both have loaded, and go on in the order of the times that the page gave them.
func (b *tab) race(press chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	meet, saved := newMeeting(2), make(chan struct{})
	b.world.waiting(func(ctx context.Context, d time.Duration) error {
		began := b.world.clock.ticks.Load()
		if err := meet.arrive(ctx); err != nil {
			return err
		}
		if d > shorter {
			<-saved
		}
		b.world.clock.ticks.Store(began + d.Milliseconds())
		return nil
	})
	defer b.world.waiting(nil)
	b.world.after(http.MethodPost, "/race/left", func() { close(saved) })
	b.navigate(http.StatusOK, press)
}

// shorter is the time that the page gives to the request for left.
const shorter = 1200 * time.Millisecond

// meeting lets nobody go on before all are there.
type meeting struct {
	mu   sync.Mutex
	left int
	all  chan struct{}
}

func newMeeting(n int) *meeting { return &meeting{left: n, all: make(chan struct{})} }

// arrive may be called by more than have to come.
func (m *meeting) arrive(ctx context.Context) error {
	m.mu.Lock()
	if m.left--; m.left == 0 {
		close(m.all)
	}
	m.mu.Unlock()
	select {
	case <-m.all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
