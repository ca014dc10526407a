package beaker_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

func TestSmoke(t *testing.T) {
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n := beaker.NewKey[int]("n")
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err != nil {
			m.Error(w, r, err)
			return
		}
		switch r.URL.Path {
		case "/incr":
			err = m.Update(r.Context(), func(s *beaker.Session) error { v, _ := n.Get(s); n.Set(s, v+1); return nil })
			if err != nil {
				t.Error(err)
			}
		case "/set":
			s.Set("name", "Fred")
			s.AddFlash("hello")
			s.AddFlash("world")
		case "/login":
			t.Log(s.SetSubject("fred"))
		case "/logout":
			t.Log(s.Destroy(r.Context()))
		case "/regen":
			s.Regenerate()
		}
		v, _ := n.Get(s)
		fmt.Fprintf(w, "%v %v %v %v", s.IsNew(), v, s.Keys(), s.Subject())
		if r.URL.Path == "/flash" {
			fmt.Fprint(w, s.Flashes())
		}
	}))
	cookie := ""
	for _, p := range strings.Fields("/ /incr /incr /set / /flash /regen / /login / /logout /") {
		r := httptest.NewRequest("GET", "http://localhost"+p, nil)
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		t.Log(p, w.Code, w.Body.String(), w.Header())
		if c := w.Header().Get("Set-Cookie"); c != "" {
			cookie, _, _ = strings.Cut(c, ";")
		}
	}
}
