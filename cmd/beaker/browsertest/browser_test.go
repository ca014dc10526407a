package browsertest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	// chromedp speaks the browser's own protocol over a pipe, so that neither Node nor
	// a WebDriver is between the test and the browser: keys and clicks are real input
	// events, and cookies, console and policy violations come from where the browser
	// keeps them. It requires nothing but its protocol definitions.
	"github.com/chromedp/chromedp"
)

// One process for all tests: they differ in their contexts, which share no cookies.
var chromium = sync.OnceValues(startChromium)

// patience is for a machine that does much else at the same time.
const patience = 2 * time.Minute

type process struct {
	ctx context.Context
	end func()
}

// startChromium is called by the first test that needs it.
func startChromium() (*process, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("chromium is not installed: make setup installs what the tests need")
	}
	var output output
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // it needs what a container may not have; the only site is ours
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// Pages are to be judged as they are, not in the middle of a transition.
		chromedp.Flag("force-prefers-reduced-motion", true),
		chromedp.Flag("lang", "en"),
		chromedp.Env("TZ=UTC"),
		chromedp.CombinedOutput(&output),
	)
	allocated, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocated)
	err = start(ctx)
	if err != nil {
		stop()
		stopAllocator()
		return nil, fmt.Errorf("start chromium: %w\n%s", err, output.String())
	}
	return &process{ctx, func() {
		_ = chromedp.Cancel(ctx) // in good order; if not, the next line does it
		stopAllocator()
	}}, nil
}

// start makes a browser, or a tab. That lives as long as the context of this first call,
// so the limit cannot be in there.
func start(ctx context.Context) error {
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx) }()
	select {
	case err := <-started:
		return err
	case <-time.After(patience):
		return fmt.Errorf("the browser does not answer after %v", patience)
	}
}

// output is what the browser prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

var used sync.Once

// browser returns the browser process, which TestMain ends.
func browser(t *testing.T) *process {
	t.Helper()
	p, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	used.Do(func() { endings = append(endings, p.end) })
	return p
}

var endings []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range endings {
		end()
	}
	os.Exit(code)
}
