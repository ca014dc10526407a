package site

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
)

//go:embed templates
var templates embed.FS

// views are the pages, parsed once.
type views struct{ pages map[string]*template.Template }

func newViews() (*views, error) {
	funcs := template.FuncMap{"ago": ago, "moment": moment, "machine": machine, "short": short}
	v := &views{pages: map[string]*template.Template{}}
	for _, name := range []string{"home", "untouched", "signedout", "error"} {
		t, err := template.New(name).Funcs(funcs).ParseFS(templates, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("site: page %s: %w", name, err)
		}
		v.pages[name] = t
	}
	return v, nil
}

// render writes a page. It is made before anything is sent, so that one that fails
// does not end in the middle.
func (v *views) render(w http.ResponseWriter, log *slog.Logger, status int, name string, data any) {
	var b bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&b, "layout", data); err != nil {
		log.Error("page", "name", name, "error", err)
		http.Error(w, "this page is broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client is gone, or has got an error in its place
}

// moment is a time for people. The server does not know their time zone.
func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }

// machine is a time for programs.
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ago is how long before now t was, as people say it.
func ago(now, t time.Time) string {
	units := []struct {
		d         time.Duration
		one, many string
	}{{24 * time.Hour, "a day ago", "%d days ago"}, {time.Hour, "an hour ago", "%d hours ago"}, {time.Minute, "a minute ago", "%d minutes ago"}}
	for _, u := range units {
		switch n := now.Sub(t) / u.d; {
		case n == 1:
			return u.one
		case n > 1:
			return fmt.Sprintf(u.many, n)
		}
	}
	return "just now"
}

// short is enough of a handle to tell a few apart.
func short(h beaker.Handle) string { return h.String()[:8] }
