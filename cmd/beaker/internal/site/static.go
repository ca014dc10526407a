package site

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

//go:embed static
var static embed.FS

// file is the style sheet, the script or the icon.
type file struct {
	data []byte
	hash string
}

func readStatic() (map[string]file, error) {
	files := map[string]file{}
	entries, err := static.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("site: static files: %w", err)
	}
	for _, e := range entries {
		data, err := static.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("site: static files: %w", err)
		}
		sum := sha256.Sum256(data)
		files[e.Name()] = file{data, base64.RawURLEncoding.EncodeToString(sum[:12])}
	}
	return files, nil
}

// url names the content too, so that browsers never ask whether theirs is still right.
func (f file) url(name string) string { return "/static/" + name + "?v=" + f.hash }

// serveStatic serves a file: for good under the address that names its content, to be
// asked for each time under the plain one.
func (s *Site) serveStatic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f, ok := s.files[name]
	if !ok {
		s.fail(w, r, errNothingHere)
		return
	}
	h := w.Header()
	h.Set("ETag", `"`+f.hash+`"`)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.data))
}
