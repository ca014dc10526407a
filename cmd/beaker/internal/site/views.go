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
type views struct {
	pages    map[string]*template.Template
	snippets map[string][]span
}

func newViews(files map[string]file) (*views, error) {
	snippets, err := readSnippets()
	if err != nil {
		return nil, err
	}
	funcs := template.FuncMap{
		"ago": ago, "moment": moment, "machine": machine, "left": left, "seconds": seconds, "took": took, "short": short,
		"static": func(name string) (string, error) {
			f, ok := files[name]
			if !ok {
				return "", fmt.Errorf("there is no static file %s", name)
			}
			return f.url(name), nil
		},
	}
	v := &views{pages: map[string]*template.Template{}, snippets: snippets}
	for _, name := range []string{"home", "cart", "devices", "race", "outage", "untouched", "signedout", "error"} {
		t, err := template.New(name).Funcs(funcs).ParseFS(templates, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("site: page %s: %w", name, err)
		}
		v.pages[name] = t
	}
	return v, nil
}

// code returns lines of this program for a page to show. A test calls for all names.
func (v *views) code(name string) []span { return v.snippets[name] }

// make returns a page.
func (v *views) make(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	err := v.pages[name].ExecuteTemplate(&b, "layout", data)
	return b.Bytes(), err
}

// render sends a page that does not use the session. It is made before anything is
// sent, so that one that fails does not end in the middle.
func (v *views) render(w http.ResponseWriter, log *slog.Logger, status int, name string, data any) {
	body, err := v.make(name, data)
	if err != nil {
		log.Error("page", "name", name, "error", err)
		http.Error(w, "this page is broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone
}

// moment is a time for people. The server does not know their time zone; the script does.
func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }

// machine is a time for programs.
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ago is how long before now t was, as people say it.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "just now"
	case d < 2*time.Minute:
		return "a minute ago"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", d/time.Minute)
	case d < 2*time.Hour:
		return "an hour ago"
	case d < 24*time.Hour:
		return fmt.Sprintf("%d hours ago", d/time.Hour)
	case d < 48*time.Hour:
		return "a day ago"
	default:
		return fmt.Sprintf("%d days ago", d/(24*time.Hour))
	}
}

// left is how long after now t is, as people say it. It is rounded, since nobody says
// "in 29 minutes" of what has just been set to 30.
func left(now, t time.Time) string {
	d := t.Sub(now)
	switch {
	case d < 90*time.Second:
		return "in a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("in %.0f minutes", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("in %.0f hours", d.Hours())
	default:
		return fmt.Sprintf("in %.0f days", d.Hours()/24)
	}
}

// seconds is left for the script, which counts on from there: it does not trust the
// clock of the browser's machine.
func seconds(now, t time.Time) int64 { return int64(max(t.Sub(now), 0) / time.Second) }

// took is a short time.
func took(d time.Duration) string {
	switch {
	case d == 0:
		return "0 ms"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// short is enough of a handle to tell a few apart.
func short(h beaker.Handle) string { return h.String()[:8] }
