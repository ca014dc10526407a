package wire_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// refused checks that each cookie is a stranger's: the answer to a read is the same to the
// last byte, whatever was wrong with it, the answer to a write sets a new cookie, and one
// event has the reason.
type refused struct {
	t     *testing.T
	n     *node
	first string
	count map[beaker.Reason]int
}

func (r *refused) is(desc, cookie string) beaker.Reason {
	r.t.Helper()
	r.n.reasons()
	got := r.n.get("/", cookie)
	if r.first == "" {
		r.first = got.text()
		if got.status != 200 || got.body != "" || len(got.header["Set-Cookie"]) != 0 {
			r.t.Fatalf("%s: %s", desc, r.first)
		}
	}
	if text := got.text(); text != r.first {
		r.t.Errorf("%s: the answer is\n%s\nand not\n%s", desc, text, r.first)
	}
	why := r.n.reasons()
	if len(why) != 1 || why[0] == "" {
		r.t.Errorf("%s: the reasons are %q, want one", desc, why)
		return ""
	}
	r.count[why[0]]++
	return why[0]
}

// CR-1, CR-2, CR-10, ID-4: every bit, every length, every spelling, and what other
// libraries put into a cookie.
func TestForgedCookies(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		pair := n.signIn("alice")
		v := value(pair)
		raw, err := base64.RawURLEncoding.DecodeString(v)
		if err != nil {
			t.Fatal(err)
		}
		r := &refused{t, n, "", map[beaker.Reason]int{}}
		send := func(desc, text string) { t.Helper(); r.is(desc, usual+"="+text) }
		enc := base64.RawURLEncoding.EncodeToString
		for i := range raw {
			for bit := range 8 {
				raw[i] ^= 1 << bit
				send("a flipped bit", enc(raw))
				raw[i] ^= 1 << bit
			}
		}
		for i := 1; i < len(v); i++ {
			send("cut", v[:i])
		}
		for _, more := range []string{"A", "AA", "AAA", "AAAA", "=", "==", "%", ".", " x"} {
			send("longer", v+more)
			send("with something before it", strings.TrimSpace(more)+v)
		}
		send("a byte more", enc(append(slices.Clip(raw), 0)))
		send("standard base64", strings.NewReplacer("-", "+", "_", "/").Replace("AT-_"+v[4:]))
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		if spare := len(raw) % 3; spare != 0 {
			at := strings.IndexByte(alphabet, v[len(v)-1])
			for i := 1; i < 4; i++ {
				send("another spelling of the last character", v[:len(v)-1]+alphabet[(at+i)%64:][:1])
			}
		}
		plain, err := json.Marshal(map[string]any{"subject": "alice", "_expire": 9e9})
		if err != nil {
			t.Fatal(err)
		}
		for desc, text := range map[string]string{
			"JSON": `{subject:alice}`, "JSON in base64": enc(plain), "pickle": enc([]byte("\x80\x04\x95}\x94.")), "gob": enc([]byte("\x0c\xff\x81\x02\x01\x02\xff\x82")),
			"JWT without a signature": enc([]byte(`{"alg":"none"}`)) + "." + enc(plain) + ".", "the subject": "alice", "zeros": strings.Repeat("A", len(v)), "an id": strings.Repeat("0123456789abcdef", 2),
			"a path": "../../etc/passwd", "a glob": "*", "nothing": "",
		} {
			send(desc, text)
		}
		for _, why := range []beaker.Reason{beaker.ReasonMalformed, beaker.ReasonVersion, beaker.ReasonUnknownSecret, beaker.ReasonForged} {
			if r.count[why] == 0 {
				t.Errorf("nothing was refused as %s: %v", why, r.count)
			}
		}
		if who := n.get("/", pair).body; who != "alice" {
			t.Errorf("afterwards the genuine one opens %q", who)
		}
	})
}

// CR-5, CR-7, CR-11, ST-3: a cookie is worth nothing under another name, in another
// application, as another kind, under another secret.
func TestACookieOfAnotherPlace(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		secrets := beaker.NewSecret()
		home := w.node(secrets)
		r := &refused{t, home, "", map[beaker.Reason]int{}}
		for desc, c := range map[string]struct {
			secrets string
			change  func(*beaker.Config)
			want    []beaker.Reason
		}{
			"another name":           {secrets, func(c *beaker.Config) { c.Cookie.Name = "__Host-other" }, []beaker.Reason{beaker.ReasonForged}},
			"another application":    {secrets, func(c *beaker.Config) { c.App = "ap" }, []beaker.Reason{beaker.ReasonForged}},
			"the border moved":       {secrets, func(c *beaker.Config) { c.App, c.Cookie.Name = "app__Host", "-session" }, []beaker.Reason{beaker.ReasonForged}},
			"another secret":         {beaker.NewSecret(), func(*beaker.Config) {}, []beaker.Reason{beaker.ReasonUnknownSecret}},
			"of the stored kind":     {secrets, func(c *beaker.Config) { c.Store, c.Sealed = w.store, nil }, []beaker.Reason{beaker.ReasonVersion}},
			"of the sealed kind":     {secrets, func(c *beaker.Config) { c.Store, c.Sealed = nil, &beaker.Sealed{Revoker: w.store} }, []beaker.Reason{beaker.ReasonVersion, beaker.ReasonMalformed}},
			"of the signed kind":     {secrets, func(c *beaker.Config) { c.Store, c.Sealed = nil, &beaker.Sealed{Revoker: w.store, SignOnly: true} }, []beaker.Reason{beaker.ReasonVersion, beaker.ReasonMalformed}},
			"the same in all things": {secrets, func(*beaker.Config) {}, nil},
		} {
			n := w.node(c.secrets, c.change)
			cookie := usual + "=" + value(n.signIn("mallory"))
			if strings.HasPrefix(desc, "of the "+w.kind) || c.want == nil {
				if who := home.get("/", cookie).body; who != "mallory" {
					t.Errorf("%s: opens %q", desc, who)
				}
				continue
			}
			why := r.is(desc, cookie)
			if !strings.Contains(joined(c.want), string(why)) {
				t.Errorf("%s: refused as %q, want %q", desc, why, c.want)
			}
		}
	})
}

func joined(reasons []beaker.Reason) (s string) {
	for _, r := range reasons {
		s += string(r) + " "
	}
	return s
}

// CR-6, TO-1, TO-2: the deadlines are inside; a client that never forgets a cookie gains
// nothing by it.
func TestDeadlines(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret(), func(c *beaker.Config) { c.AbsoluteTimeout = 2 * time.Hour })
		r := &refused{t, n, "", map[beaker.Reason]int{}}
		idle, used := n.signIn("alice"), n.signIn("bob")
		began := n.clock.Now()
		for n.clock.Now().Before(began.Add(119 * time.Minute)) {
			n.clock.Advance(17 * time.Minute)
			got := n.get("/", used)
			if n.clock.Now().Sub(began) < 2*time.Hour && got.body != "bob" {
				t.Fatalf("in use, and after %v it opens %q", n.clock.Now().Sub(began), got.body)
			}
			if lines := got.cookies(usual); len(lines) == 1 { // a sealed session is sealed again
				used, _, _ = strings.Cut(lines[0], ";")
			}
		}
		n.clock.Advance(began.Add(2 * time.Hour).Sub(n.clock.Now()))
		if why := r.is("at the absolute deadline", used); why != beaker.ReasonExpired {
			t.Errorf("refused as %q", why)
		}
		if why := r.is("idle", idle); why != beaker.ReasonExpired {
			t.Errorf("refused as %q", why)
		}
	})
}

// CR-7: the stages of a rotation of secrets, with nodes that are a stage apart.
func TestSecretsInRotation(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		older, newer := beaker.NewSecret(), beaker.NewSecret()
		first, accepting, rotated := w.node(older), w.node(newer+" accept,"+older), w.node(newer+","+older)
		dropped, retired := w.node(newer), w.node(newer+","+older+" retire=2000-01-01T00:00:00Z")
		a := first.signIn("alice")
		for name, n := range map[string]*node{"first": first, "accepting": accepting} {
			if got := n.get("/", a); got.body != "alice" || len(got.header["Set-Cookie"]) != 0 {
				t.Errorf("%s: opens %q, sets %q", name, got.body, got.header["Set-Cookie"])
			}
		}
		got := rotated.get("/", a)
		if got.body != "alice" || len(got.cookies(usual)) != 1 {
			t.Fatalf("rotated: opens %q, sets %q", got.body, got.header["Set-Cookie"])
		}
		b, _, _ := strings.Cut(got.cookies(usual)[0], ";")
		for name, n := range map[string]*node{"accepting": accepting, "rotated": rotated, "dropped": dropped, "retired": retired} {
			if got := n.get("/", b); got.body != "alice" || len(got.header["Set-Cookie"]) != 0 {
				t.Errorf("%s: the new one opens %q, sets %q", name, got.body, got.header["Set-Cookie"])
			}
		}
		for name, n := range map[string]*node{"dropped": dropped, "retired": retired} {
			r := &refused{t, n, "", map[beaker.Reason]int{}}
			if why := r.is(name, a); why != beaker.ReasonUnknownSecret {
				t.Errorf("%s: the old one is refused as %q", name, why)
			}
		}
	})
}

// LC-1, LC-4: a new secret at each sign-in; no name of the application's can say who it is.
func TestSigningIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		secrets := beaker.NewSecret()
		n, other := w.node(secrets), w.node(secrets)
		got := n.get("/set")
		planted, _, _ := strings.Cut(got.cookies(usual)[0], ";")
		a := n.signIn("alice", planted)
		for _, node := range []*node{n, other} {
			node.clock.Advance(2 * time.Minute) // longer than a request is in flight
			if who := node.get("/", planted).body; who != "" {
				t.Errorf("the cookie from before opens %q", who)
			}
			if who := node.get("/", a).body; who != "alice" {
				t.Errorf("the new one opens %q", who)
			}
		}
		n.on("/puzzle", func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) {
			for _, name := range []string{"subject", "Subject", "user", "user_id", "_user", "authenticated_at", "sid", "epoch", "\x00subject", "\x00f"} {
				s.Set(name, "admin")
				s.Revert()
				s.Set(strings.TrimLeft(name, "\x00"), "admin")
			}
		})
		got = n.get("/puzzle", a)
		if lines := got.cookies(usual); len(lines) == 1 {
			a, _, _ = strings.Cut(lines[0], ";")
		}
		if who := n.get("/", a).body; got.status != 200 || who != "alice" {
			t.Errorf("%d, and it opens %q", got.status, who)
		}
	})
}
