package peers

import (
	"context"
	"io"
	"maps"
	"net/http"
	"testing"
	"time"
)

// jar is a browser's cookies. It ignores Secure: the sites are on loopback, where
// browsers do so too.
type jar map[string]string

// answer is a response.
type answer struct {
	status int
	body   string
	set    []*http.Cookie
}

// visit sends a request and keeps the cookies of the answer.
func (j jar) visit(t *testing.T, s *site, path string) answer {
	t.Helper()
	a := fetch(t, s, j, path)
	j.keep(a)
	return a
}

func (j jar) keep(a answer) {
	for _, c := range a.set {
		if c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Before(time.Now()) {
			delete(j, c.Name)
			continue
		}
		j[c.Name] = c.Value
	}
}

func fetch(t *testing.T, s *site, cookies jar, path string) answer {
	t.Helper()
	a, err := try(t.Context(), s, cookies, path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return a
}

func try(ctx context.Context, s *site, cookies jar, path string) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return a, err
	}
	for name, value := range cookies {
		r.Header.Add("Cookie", name+"="+value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(body), resp.Cookies()}, err
}

// during sends a request that is held back, runs f meanwhile, and returns the answer.
func during(t *testing.T, s *site, g *gates, cookies jar, path string, f func()) answer {
	t.Helper()
	name := g.closed()
	at := g.get(name)
	type outcome struct {
		answer
		err error
	}
	done := make(chan outcome, 1)
	sent := maps.Clone(cookies)
	go func() {
		a, err := try(t.Context(), s, sent, path+"gate="+name)
		done <- outcome{a, err}
	}()
	select {
	case <-at.arrived:
	case o := <-done:
		t.Fatalf("%s was not held back: %d %q %v", path, o.status, o.body, o.err)
	}
	f()
	close(at.open)
	o := <-done
	if o.err != nil {
		t.Fatalf("%s: %v", path, o.err)
	}
	return o.answer
}
