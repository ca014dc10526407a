package site

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"path"
	"time"
)

//go:embed static
var static embed.FS

// serveStatic serves the style sheet and the icon. They have no date, so a hash tells
// browsers whether theirs is still right.
func (s *Site) serveStatic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	data, err := static.ReadFile(path.Join("static", name))
	if err != nil {
		s.fail(w, r, errNothingHere)
		return
	}
	sum := sha256.Sum256(data)
	w.Header().Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}
