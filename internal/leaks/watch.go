package leaks

import (
	"bytes"
	"crypto/fips140"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// known is what Watch has learned.
var known Scanner

// library is the package whose draws are bearer values. Its tests draw keys of records
// and the like, which stores may show.
const library = "github.com/seed12c5fab1/beaker."

// Runner is a *testing.M.
type Runner interface{ Run() int }

// Watch returns a Runner that runs m's tests while it learns what the library draws
// from crypto/rand, and looks at each line of the default logger, where net/http reports
// panics. It fails the run if a value was logged. Fuzzing and benchmarks are not watched.
// In FIPS mode crypto/tls takes no randomness but crypto/rand's own; then only cookies are
// learned, by Response.
func Watch(m Runner) Runner { return watcher{m, os.Stderr} }

type watcher struct {
	Runner
	report io.Writer
}

func (w watcher) Run() int {
	flag.Parse()
	for _, name := range []string{"test.fuzz", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return w.Runner.Run()
		}
	}
	logged := &scannedLog{to: log.Writer()}
	log.SetOutput(logged)
	if Draws() {
		rand.Reader = recorder{rand.Reader}
	}
	code := w.Runner.Run()
	logged.mu.Lock()
	defer logged.mu.Unlock()
	for _, f := range logged.found {
		fmt.Fprintf(w.report, "FAIL: %s: in the log, %s\n", f.kind, f.form)
		code = max(code, 1)
	}
	return code
}

// Draws reports whether what the library draws is learned.
func Draws() bool { return !fips140.Enabled() }

// Pause stops the watching, which costs crypto/rand an allocation, until the returned
// function is called. No other test may run meanwhile.
func Pause() (resume func()) {
	was := rand.Reader
	if r, ok := was.(recorder); ok {
		rand.Reader = r.Reader
	}
	return func() { rand.Reader = was }
}

// recorder remembers what it hands to the library.
type recorder struct{ io.Reader }

func (r recorder) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if name, ok := drawnBy(); ok {
		known.Remember("what "+name+" has drawn", b[:n])
	}
	return n, err
}

// drawnBy returns the library's function that draws, if it is one.
func drawnBy() (name string, ok bool) {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		switch {
		case strings.HasPrefix(f.Function, "io."), strings.HasPrefix(f.Function, "crypto/rand."):
		default:
			name, ok = strings.CutPrefix(f.Function, library)
			return name, ok && !strings.HasSuffix(f.File, "_test.go")
		}
		if !more {
			return "", false
		}
	}
}

// scannedLog looks at what it passes on. A value is drawn before it can be logged.
type scannedLog struct {
	to    io.Writer
	mu    sync.Mutex
	found []find
}

func (l *scannedLog) Write(b []byte) (int, error) {
	found := known.find(b)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range found {
		if !slices.Contains(l.found, f) {
			l.found = append(l.found, f)
		}
	}
	return l.to.Write(b)
}

// Check fails the test if hay holds a value that Watch has learned.
func Check(t TB, where string, hay []byte) { t.Helper(); known.Check(t, where, hay) }

// Printed is Check for values in each way in which they may get into a log.
func Printed(t TB, where string, values ...any) { t.Helper(); known.Printed(t, where, values...) }

// Remember adds a value that the library did not draw itself: a key from a file.
func Remember(kind string, value []byte) bool { return known.Remember(kind, value) }

// RememberText is Remember for a key in base64url.
func RememberText(kind, text string) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && known.Remember(kind, b)
}

// Values returns how many values are known, so that a test can see that it looks for
// something.
func Values() int { return known.Values() }

// Response checks all of a response but its Set-Cookie lines, which are where bearer
// values belong, and remembers those of sessions: another process may have drawn them.
func Response(t TB, h http.Header, body []byte) {
	t.Helper()
	var hay []byte
	for name, lines := range h {
		for _, line := range lines {
			if name == "Set-Cookie" {
				if c, err := http.ParseSetCookie(line); err == nil {
					known.Cookie(c.Value)
				}
				continue
			}
			hay = fmt.Appendf(hay, "%s: %s\n", name, line)
		}
	}
	known.Check(t, "the headers of a response", hay)
	known.Check(t, "the body of a response", body)
}

// Dir checks the names and the contents of all files below a directory except those
// named, which is where keys belong, and says how many there are.
func Dir(t TB, dir string, except ...string) (files int) {
	t.Helper()
	below := os.DirFS(dir)
	err := fs.WalkDir(below, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || slices.Contains(except, d.Name()) {
			return err
		}
		files++
		known.Check(t, "the name of a file of the store", []byte(path))
		b, err := fs.ReadFile(below, path)
		known.Check(t, "a file of the store", b)
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", dir, err)
	}
	return files
}

// Handler passes requests on to next and calls Response with what it answers.
func Handler(t TB, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tee := &teeWriter{ResponseWriter: w}
		next.ServeHTTP(tee, r)
		Response(t, w.Header(), tee.body)
	})
}

// teeWriter keeps the body.
type teeWriter struct {
	http.ResponseWriter
	body []byte
}

func (w *teeWriter) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Transport passes requests on to next and calls Response with what is answered, for
// clients of a server in another process.
func Transport(t TB, next http.RoundTripper) http.RoundTripper { return transport{t, next} }

type transport struct {
	t    TB
	next http.RoundTripper
}

func (c transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	Response(c.t, resp.Header, body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
