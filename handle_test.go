package beaker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

func TestHandleSurvivesText(t *testing.T) {
	var h beaker.Handle
	for i := range h {
		h[i] = byte(i * 7)
	}
	text := h.String()
	if want := beaker.RecordKey(h).String(); text != want || len(text) != 64 {
		t.Errorf("%s, want what stores show: %s", text, want)
	}
	if got, err := beaker.ParseHandle(text); err != nil || got != h {
		t.Errorf("%v, %v", got, err)
	}
	b, err := json.Marshal(map[string]beaker.Handle{"handle": h})
	if err != nil || string(b) != `{"handle":"`+text+`"}` {
		t.Errorf("%s, %v", b, err)
	}
	var back map[string]beaker.Handle
	if err := json.Unmarshal(b, &back); err != nil || back["handle"] != h {
		t.Errorf("%v, %v", back, err)
	}
	if got := fmt.Sprintf("%v %s", h, h); got != text+" "+text {
		t.Errorf("it prints as %s", got)
	}
	if h.IsZero() || !(beaker.Handle{}).IsZero() {
		t.Error("IsZero")
	}
	if got, err := beaker.ParseHandle(strings.Repeat("0", 64)); err != nil || !got.IsZero() {
		t.Errorf("the zero handle: %v, %v", got, err)
	}
}

// ID-4: a handle has one spelling, and what is not one is refused before a store sees it.
func TestParseHandleRefuses(t *testing.T) {
	good := strings.Repeat("09af", 16)
	for desc, text := range map[string]string{
		"empty":             "",
		"short":             good[1:],
		"one byte short":    good[2:],
		"long":              good + "0",
		"one byte long":     good + "00",
		"upper case":        strings.ToUpper(good),
		"one upper letter":  "A" + good[1:],
		"a prefix":          "0x" + good[2:],
		"a blank before":    " " + good[1:],
		"a line end after":  good[:63] + "\n",
		"a NUL":             good[:63] + "\x00",
		"not hexadecimal":   "g" + good[1:],
		"full-width digits": strings.Repeat("０", 21) + "0",
		"a path":            strings.Repeat("../", 21) + "x",
		"a megabyte":        strings.Repeat("0", 1<<20),
	} {
		h, err := beaker.ParseHandle(text)
		if err == nil || !h.IsZero() {
			t.Errorf("%s: %v, %v", desc, h, err)
		}
		kept := beaker.Handle{5}
		if err := kept.UnmarshalText([]byte(text)); err == nil || kept != (beaker.Handle{5}) {
			t.Errorf("%s: a handle that was there is %v, %v", desc, kept, err)
		}
		if err != nil && len(err.Error()) > 100 {
			t.Errorf("%s: the error quotes what came: %.200v", desc, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"h":"`+strings.ToUpper(good)+`"}`), &struct{ H beaker.Handle }{}); err == nil {
		t.Error("JSON takes another spelling")
	}
}
