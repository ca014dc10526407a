package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// oneLine is what fits into a terminal; anything longer is indented for whoever reads
// it with curl. To a program it is the same.
const oneLine = 100

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // it is never part of a page
	if err := enc.Encode(v); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"error":"this server made a mistake"}` + "\n")
	}
	if b.Len() > oneLine {
		var indented bytes.Buffer
		if json.Indent(&indented, b.Bytes(), "", "  ") == nil {
			b = indented
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client is gone, or has got an error in its place
}

// readJSON reads a body that is one JSON value into v.
func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, next := dec.Token(); errors.Is(next, io.EOF) {
			return nil
		} else if tooLarge := (*http.MaxBytesError)(nil); errors.As(next, &tooLarge) {
			return next
		}
		return &problem{http.StatusBadRequest, "the body is more than one JSON value"}
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return err
	}
	if errors.Is(err, io.EOF) {
		return &problem{http.StatusBadRequest, "the body is empty; it must be JSON"}
	}
	// What encoding/json says is about the client's own body.
	return &problem{http.StatusBadRequest, "the body is not the JSON that is wanted here: " + err.Error()}
}
