package memcachetest

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

// wantError sees that an error says what is wrong and what to do, and is what it should
// be to errors.Is.
func wantError(t *testing.T, what string, err error, is error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%s: %v, want %v", what, err, is)
	}
	if errors.Is(err, beaker.ErrUncertain) && !errors.Is(is, beaker.ErrUncertain) {
		t.Errorf("%s: it is said to be unknown: %v", what, err)
	}
	for _, word := range append(words, "memcachestore: ") {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q is missing in: %v", what, word, err)
		}
	}
}

// Without cas ids memcached refuses every change, and an older one would take all of
// them, lost updates included.
func TestServerWithoutCASIsNamed(t *testing.T) {
	s := placeOn(ownServer(t, "--disable-cas")).store(t)
	rec := newRecord(t, newMeta(), "k", "v")
	if err := s.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	_, err := s.Load(t.Context(), rec.Key())
	wantError(t, "Load", err, nil, "start memcached without -C")
	_, err = s.Apply(t.Context(), rec.Key(), setting(rec, "k", "w"))
	wantError(t, "Apply", err, nil, "start memcached without -C")
	_, err = s.RevokeSubject(t.Context(), "user", epoch)
	if err == nil {
		_, err = s.RevokeSubject(t.Context(), "user", epoch)
	}
	wantError(t, "RevokeSubject", err, nil, "start memcached without -C")
}

// A server that must not evict refuses, and what is stored stays as it is.
func TestServerThatIsFullIsNamed(t *testing.T) {
	s := placeOn(ownServer(t, "--memory-limit=2", "--disable-evictions")).store(t)
	first := created(t, s, newMeta(), "ballast", strings.Repeat("x", 1500))
	var err error
	for range 20_000 {
		if err = s.Create(t.Context(), newRecord(t, newMeta(), "ballast", strings.Repeat("x", 1500))); err != nil {
			break
		}
	}
	wantError(t, "Create", err, beaker.ErrStoreFull, "out of memory", "-m")
	ch := setting(loaded(t, s, first.Key()), "ballast", strings.Repeat("y", 1500))
	_, err = s.Apply(t.Context(), first.Key(), ch)
	wantError(t, "Apply", err, beaker.ErrStoreFull, "out of memory")
	if got := loaded(t, s, first.Key()); !sameRecord(got, first) {
		t.Error("the session is another one after a change that was refused")
	}
	if err := s.Delete(t.Context(), first.Key()); err != nil {
		t.Error(err)
	}
}

func TestSessionThatIsTooLarge(t *testing.T) {
	const limit = 32 << 10
	p := placeOn(ownServer(t, "--max-item-size=32k", "--extended=slab_chunk_max=16384"))
	for name, o := range map[string]int{"the store knows the limit": limit, "only the server knows it": 0} {
		p.opts.MaxItemBytes = o
		s := p.store(t)
		rec := created(t, s, newMeta(), "k", "v")
		large := newRecord(t, newMeta(), "k", strings.Repeat("x", limit))
		_, applyErr := s.Apply(t.Context(), rec.Key(), setting(loaded(t, s, rec.Key()), "k", strings.Repeat("x", limit)))
		for what, err := range map[string]error{"Create": s.Create(t.Context(), large), "Apply": applyErr} {
			wantError(t, name+": "+what, err, beaker.ErrTooLarge, "memcached's -I", "lower Config.MaxBytes", "bytes")
			var size *beaker.TooLargeError
			if !errors.As(err, &size) || size.Bytes < limit || size.MaxBytes != o {
				t.Errorf("%s: %s: %+v", name, what, size)
			}
		}
		if !sameRecord(rec, loaded(t, s, rec.Key())) {
			t.Error("the session is another one after a change that was refused")
		}
		absent(t, s, large.Key(), "after it was refused")
	}
}

// What memcached takes by default is not refused here.
func TestLargestSessionThatTheServerTakes(t *testing.T) {
	p := newPlace(t)
	s := p.store(t)
	p.opts.MaxItemBytes = 1 << 30
	server := p.store(t)
	fits := func(s *memcachestore.Store, n int) bool {
		rec := newRecord(t, newMeta(), "k", strings.Repeat("x", n))
		err := s.Create(t.Context(), rec)
		if err != nil && !errors.Is(err, beaker.ErrTooLarge) {
			t.Fatal(err)
		}
		return err == nil && s.Delete(t.Context(), rec.Key()) == nil
	}
	low, high := 1<<19, 1<<20
	for low+1 < high {
		if mid := (low + high) / 2; fits(server, mid) {
			low = mid
		} else {
			high = mid
		}
	}
	t.Logf("report: the largest value that the server takes has %d bytes", low)
	if !fits(s, low) || fits(s, low+2000) {
		t.Errorf("of %d bytes the store refuses what the server takes, or not what it refuses", low)
	}
}

func TestServerWithTooFewConnectionsIsNamed(t *testing.T) {
	m := ownServer(t, "--conn-limit=20")
	p := placeOn(m)
	var held []net.Conn
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
	}()
	var s *memcachestore.Store
	for range 100 { // until there is none left for a store
		c, err := net.Dial("tcp", m.Addr)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		s = p.store(t)
		if s.Ping(t.Context()) != nil {
			break
		}
		// It stays open: a server notices only later that a connection was closed.
	}
	_, err := s.Load(t.Context(), unique("key"))
	wantError(t, "Load", err, nil, "Too many open connections", "raise memcached's -c")
	wantError(t, "Create", s.Create(t.Context(), newRecord(t, newMeta())), nil, "raise memcached's -c")
}

// Answers that nobody expects, as a proxy, another program or a mix-up may give.
func TestAnswersThatAreNotUnderstood(t *testing.T) {
	p := oneServer(t)
	const secret = "hunter2"
	for name, tc := range map[string]struct {
		answer    string
		uncertain bool // also of a change
		words     string
	}{
		"another program":              {"HTTP/1.1 400 Bad Request " + secret + "\r\n\r\n", true, "not understood"},
		"a value without its length":   {"VALUE " + secret + "\r\nEND\r\n", true, "not understood"},
		"a part of a session":          {"\x00" + secret + "\r\nEND\r\n", true, "not understood"},
		"an unknown command":           {"ERROR\r\n", false, "the server says ERROR"},
		"a bad command":                {"CLIENT_ERROR bad command line format\r\n", false, "bad command line format"},
		"a proxy that lost its server": {"SERVER_ERROR timed out waiting for the server\r\n", true, "timed out waiting for the server"},
		"a password":                   {"CLIENT_ERROR unauthenticated\r\n", false, "without -Y"},
		"no memory":                    {"SERVER_ERROR out of memory writing get response\r\n", false, "out of memory"},
		"nothing":                      {"", true, "EOF"},
	} {
		s, w := p.watched(t)
		rec := created(t, s, metaOf("user"), "k", "v")
		base := loaded(t, s, rec.Key())
		w.says(func(string, []byte) []byte { return []byte(tc.answer) })
		if tc.answer == "" {
			w.on(func(string) fate { return answerLost })
		}
		_, loadErr := s.Load(t.Context(), rec.Key())
		_, applyErr := s.Apply(t.Context(), rec.Key(), setting(base, "k", "w"))
		_, revokeErr := s.RevokeSubject(t.Context(), "user", epoch)
		for what, err := range map[string]error{
			"Load": loadErr, "Apply": applyErr, "RevokeSubject": revokeErr,
			"Create": s.Create(t.Context(), newRecord(t, newMeta())), "Delete": s.Delete(t.Context(), rec.Key()),
		} {
			var is error
			if tc.uncertain && what != "Load" && what != "RevokeSubject" {
				is = beaker.ErrUncertain
			}
			wantError(t, name+": "+what, err, is, tc.words)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %s: the error shows what came: %v", name, what, err)
			}
			if errors.Is(err, beaker.ErrNotFound) {
				t.Errorf("%s: %s: it is taken for a session that is not there: %v", name, what, err)
			}
		}
	}
}

// Whoever answers with somebody else's session must not sign anybody in as him.
func TestAnswerToAnotherQuestion(t *testing.T) {
	p := oneServer(t)
	s, w := p.watched(t)
	mine, theirs := created(t, s, metaOf("me"), "who", "me"), created(t, s, metaOf("them"), "who", "them")
	base := loaded(t, s, mine.Key())
	other := p.raw(t, p.sessionKey(theirs.Key()))
	roster := p.raw(t, p.rosterKey("them"))
	for name, answers := range map[string]map[string][]byte{
		"another session":                 {"s": other},
		"another subject's roster":        {"u": roster},
		"a roster in place of a session":  {"s": roster},
		"a session in place of a roster":  {"u": other},
		"another session under this name": {"s": []byte(strings.ReplaceAll(string(other), p.sessionKey(theirs.Key()), p.sessionKey(mine.Key())))},
	} {
		w.says(func(command string, answer []byte) []byte {
			for kind, instead := range answers {
				if strings.HasPrefix(command, "gets ") && strings.Contains(command, ":"+kind+":") {
					return instead
				}
			}
			return answer
		})
		if got, err := s.Load(t.Context(), mine.Key()); !errors.Is(err, beaker.ErrCorrupt) {
			t.Errorf("%s: Load: %v, %v; want ErrCorrupt", name, got, err)
		}
		ch := setting(base, "k", "w")
		ch.Base = nil
		if _, err := s.Apply(t.Context(), mine.Key(), ch); !errors.Is(err, beaker.ErrCorrupt) {
			t.Errorf("%s: Apply: %v, want ErrCorrupt", name, err)
		}
	}
	w.says(nil)
	for _, rec := range []*beaker.Record{mine, theirs} {
		if !sameRecord(rec, loaded(t, s, rec.Key())) {
			t.Error("a session is another one than before")
		}
	}
}

// raw returns a server's answer to gets.
func (p *place) raw(t *testing.T, key string) []byte {
	t.Helper()
	c, err := net.Dial("tcp", p.servers[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "gets %s\r\n", key); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for b := make([]byte, 4096); !strings.HasSuffix(string(all), "END\r\n"); {
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b[:n]...)
	}
	return all
}

func (p *place) sessionKey(key beaker.RecordKey) string {
	return fmt.Sprintf("beaker:%s:s:%s", p.opts.Generation, key)
}

// Items that somebody else has written under the store's keys.
func TestItemsThatDoNotDecode(t *testing.T) {
	p := oneServer(t)
	s := p.storeLike(t)
	for name, tc := range map[string]struct {
		value string
		want  error
	}{
		"nothing":             {"", beaker.ErrNotFound},
		"a word":              {"x", beaker.ErrCorrupt},
		"a mark":              {"12345678", beaker.ErrCorrupt},
		"text":                {strings.Repeat("text ", 100), beaker.ErrCorrupt},
		"a record's begin":    {"\x01\x00" + strings.Repeat("\x00", 200), beaker.ErrCorrupt},
		"a record of a later": {"\x02\x00" + strings.Repeat("\x00", 200), beaker.ErrCorrupt}, // without its checksum
	} {
		rec := created(t, s, newMeta(), "k", "v")
		p.overwrite(t, p.sessionKey(rec.Key()), tc.value)
		if _, err := s.Load(t.Context(), rec.Key()); !errors.Is(err, tc.want) {
			t.Errorf("%s: Load: %v, want %v", name, err, tc.want)
		}
		if _, err := s.Apply(t.Context(), rec.Key(), setting(rec, "k", "w")); !errors.Is(err, tc.want) {
			t.Errorf("%s: Apply: %v, want %v", name, err, tc.want)
		}
		if err := s.Delete(t.Context(), rec.Key()); err != nil {
			t.Errorf("%s: Delete: %v", name, err)
		}

		// A roster that does not decode names nobody, and locks nobody out.
		subject := "user-" + name
		rec = created(t, s, metaOf(subject), "k", "v")
		p.overwrite(t, p.rosterKey(subject), tc.value)
		if _, err := s.Load(t.Context(), rec.Key()); !errors.Is(err, beaker.ErrCorrupt) {
			t.Errorf("%s: Load with such a roster: %v, want ErrCorrupt", name, err)
		}
		again := created(t, s, metaOf(subject), "k", "v")
		loaded(t, s, again.Key())
		absent(t, s, rec.Key(), "after its roster was damaged and made anew")
	}
	// One of a later release is left alone.
	rec := created(t, s, metaOf("user"), "k", "v")
	raw := string(p.raw(t, p.rosterKey("user")))
	value := raw[strings.Index(raw, "\r\n")+2 : len(raw)-len("\r\nEND\r\n")]
	p.overwrite(t, p.rosterKey("user"), "\x02"+value[1:])
	for what, err := range map[string]error{
		"Load":   func() error { _, err := s.Load(t.Context(), rec.Key()); return err }(),
		"Create": s.Create(t.Context(), newRecord(t, metaOf("user"))),
		"revoke": func() error { _, err := s.RevokeSubject(t.Context(), "user", epoch); return err }(),
	} {
		if !errors.Is(err, beaker.ErrNewerFormat) {
			t.Errorf("%s with a roster of a later release: %v, want ErrNewerFormat", what, err)
		}
	}
}

func (p *place) overwrite(t *testing.T, key, value string) {
	t.Helper()
	if _, err := p.servers[0].Do(t.Context(), fmt.Sprintf("set %s 0 100 %d\r\n%s", key, len(value), value)); err != nil {
		t.Fatal(err)
	}
}
