package peers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// site is the application, written with one library. Its pages, all by GET:
//
//	/untouched             does not look at the session
//	/get?k=K               answers the value of K, or "-"
//	/set?k=K&v=V&gate=G    loads the session, waits at gate G if there is one, sets K, answers "saved V"
//	/read?gate=G           loads the session, waits at gate G, answers "read"
//	/stream?k=K&v=V        sets K, flushes, and then writes the page
//	/signin?user=U         what the library offers for a sign-in, and sets user to U
//	/signout               what it offers for a sign-out
type site struct {
	url    string
	cookie string                      // the session cookie's name
	breaks func(t *testing.T)          // from now on the store fails
	writes func(t *testing.T) int      // how often the store was written to
	ids    func(t *testing.T) []string // the keys of what is stored, as whoever reads the store sees them
}

// library makes sites.
type library struct {
	name string // with the version
	open func(t *testing.T, g *gates) *site
}

// gates hold requests back in the middle.
type gates struct {
	mu sync.Mutex
	m  map[string]*gate
	n  atomic.Int64
}

type gate struct{ arrived, open chan struct{} }

func newGates() *gates { return &gates{m: map[string]*gate{}} }

// closed returns the name of a new gate that holds a request until it is released.
func (g *gates) closed() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := fmt.Sprint("g", g.n.Add(1))
	g.m[name] = &gate{make(chan struct{}), make(chan struct{})}
	return name
}

func (g *gates) get(name string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.m[name]
}

// pass is called by the page. A page without a gate goes on.
func (g *gates) pass(ctx context.Context, name string) {
	if at := g.get(name); at != nil {
		close(at.arrived)
		select {
		case <-at.open:
		case <-ctx.Done():
		}
	}
}

// ServeHTTP is pass for other processes.
func (g *gates) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	g.pass(r.Context(), r.FormValue("gate"))
}

// files is what the libraries that keep files have in common.
type files struct {
	dir  string
	last map[string]int64
	n    int
}

// written looks which files have changed. It is called after each request.
func (f *files) written(t *testing.T) int {
	t.Helper()
	if f.last == nil {
		f.last = map[string]int64{}
	}
	for path, info := range f.all(t) {
		if at := info.ModTime().UnixNano(); f.last[path] != at {
			f.last[path] = at
			f.n++
		}
	}
	return f.n
}

func (f *files) all(t *testing.T) map[string]os.FileInfo {
	t.Helper()
	all := map[string]os.FileInfo{}
	err := filepath.Walk(f.dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			all[path] = info
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// breaks puts a file where the folder was: permissions do not stop root.
func (f *files) breaks(t *testing.T) {
	t.Helper()
	if err := os.Rename(f.dir, f.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
