//go:build linux

package redisstore_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// golden is a session as the first release wrote it, with every field. It must be read
// for ever.
func golden(key string) []string {
	return []string{
		"HSET", "beaker:" + key,
		"m", "1 7 1795000000000 1795000360000 1800000 1795043200000",
		"n", "3 24",
		"p", strings.Repeat("\x01", 32) + strings.Repeat("\x02", 32),
		"r", "1795000300000 1795000240000",
		"s", "1795000000001 user 17",
		"c", string(cookieBytes()),
		":name", "Fred", ":\x00flash", "", ":\xff", "\x00\r\n",
	}
}

func cookieBytes() []byte {
	b, err := cookie().MarshalBinary()
	if err != nil {
		panic(err)
	}
	return b
}

func cookie() beaker.CookieAttributes {
	return beaker.CookieAttributes{Path: "/app", SameSite: http.SameSiteStrictMode}
}

func goldenRecord(t *testing.T, key beaker.RecordKey) *beaker.Record {
	t.Helper()
	m := beaker.Meta{
		Key: key, Version: 7, Created: 1795000000000, Touched: 1795000360000, Idle: 30 * time.Minute, Absolute: 1795043200000,
		PrevUntil: 1795000300000, RotatedAt: 1795000240000, Subject: "user 17", AuthenticatedAt: 1795000000001,
	}
	for i := range m.Proof {
		m.Proof[i], m.PrevProof[i] = 1, 2
	}
	c := cookie()
	m.Cookie = &c
	return newRecord(t, m, "name", "Fred", "\x00flash", "", "\xff", "\x00\r\n")
}

func TestTheHashOfTheFirstReleaseIsRead(t *testing.T) {
	p := newPlace(t)
	s := p.store(t, redisstore.Options{})
	key := beaker.RecordKey(unique("key"))
	want := goldenRecord(t, key)
	p.redis(t, golden(key.String())...)
	rec, err := s.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if got := encoded(t, rec); got != encoded(t, want) {
		t.Errorf("Load: %q, want %q", got, encoded(t, want))
	}

	// And written the same.
	p.redis(t, "DEL", "beaker:"+key.String())
	if err := s.Create(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	fields, _ := p.redis(t, "HGETALL", "beaker:"+key.String()).([]any)
	got := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		got[fmt.Sprint(fields[i])] = fmt.Sprint(fields[i+1])
	}
	layout := golden(key.String())[2:]
	for i := 0; i < len(layout); i += 2 {
		if got[layout[i]] != layout[i+1] {
			t.Errorf("field %q is %q, want %q", layout[i], got[layout[i]], layout[i+1])
		}
		delete(got, layout[i])
	}
	for field := range got {
		t.Errorf("field %q should not be there", field)
	}
}

// A session that is damaged, or of a later release, is told apart from none, for reads
// and for writes; nothing is written to it; and it is in nobody's way.
func TestHashesThatDoNotDecode(t *testing.T) {
	p := newPlace(t)
	s := p.store(t, redisstore.Options{})
	good := created(t, s, newMeta(), "k", "v")
	name := func(key beaker.RecordKey) string { return "beaker:" + key.String() }
	const meta = "1 7 1795000000000 1795000360000 1800000 "
	for what, c := range map[string]struct {
		edit []string
		want error
		// quiet: what a change does not look at does not stop it.
		quiet bool
	}{
		"a later format":                  {[]string{"HSET", "", "m", "2 some other way"}, beaker.ErrNewerFormat, false},
		"a later format of few words":     {[]string{"HSET", "", "m", "10 "}, beaker.ErrNewerFormat, false},
		"no format":                       {[]string{"HDEL", "", "m"}, beaker.ErrCorrupt, false},
		"an older format than the first":  {[]string{"HSET", "", "m", "0" + meta[1:] + "1795043200000"}, beaker.ErrCorrupt, false},
		"not numbers":                     {[]string{"HSET", "", "m", meta + "tomorrow"}, beaker.ErrCorrupt, false},
		"one number too few":              {[]string{"HSET", "", "m", meta}, beaker.ErrCorrupt, false},
		"one number too many":             {[]string{"HSET", "", "m", meta + "1795043200000 1"}, beaker.ErrCorrupt, false},
		"two spaces":                      {[]string{"HSET", "", "m", strings.Replace(meta, "7 ", "7  ", 1) + "1795043200000"}, beaker.ErrCorrupt, false},
		"a negative number":               {[]string{"HSET", "", "m", strings.Replace(meta, "7 ", "-7 ", 1) + "1795043200000"}, beaker.ErrCorrupt, false},
		"a number out of range":           {[]string{"HSET", "", "m", meta + "99999999999999999999"}, beaker.ErrCorrupt, false},
		"no idle timeout":                 {[]string{"HSET", "", "m", "1 7 1795000000000 1795000360000 0 1795043200000"}, beaker.ErrCorrupt, false},
		"no proof":                        {[]string{"HDEL", "", "p"}, beaker.ErrCorrupt, false},
		"half a proof":                    {[]string{"HSET", "", "p", "0123456789abcdef"}, beaker.ErrCorrupt, false},
		"a previous proof without an end": {[]string{"HDEL", "", "r"}, beaker.ErrCorrupt, true},
		"no count of values":              {[]string{"HDEL", "", "n"}, beaker.ErrCorrupt, false},
		"a value too few":                 {[]string{"HDEL", "", ":name"}, beaker.ErrCorrupt, true},
		"a value too many":                {[]string{"HSET", "", ":other", "v"}, beaker.ErrCorrupt, true},
		"a value of another length":       {[]string{"HSET", "", ":name", "Frederick"}, beaker.ErrCorrupt, true},
		"a subject without a time":        {[]string{"HSET", "", "s", "user 17"}, beaker.ErrCorrupt, true},
		"other cookie attributes":         {[]string{"HSET", "", "c", "\xff"}, beaker.ErrCorrupt, true},
	} {
		key := beaker.RecordKey(unique("key"))
		rec := goldenRecord(t, key)
		p.redis(t, golden(key.String())...)
		c.edit[1] = name(key)
		p.redis(t, c.edit...)
		before := fmt.Sprint(p.redis(t, "HGETALL", name(key)))
		if _, err := s.Load(t.Context(), key); !errors.Is(err, c.want) {
			t.Errorf("%s: Load: %v, want %v", what, err, c.want)
		}
		ch := changeOf(rec)
		ch.Set = values("k", "w")
		if _, err := s.Apply(t.Context(), key, ch); !errors.Is(err, c.want) && !c.quiet {
			t.Errorf("%s: Apply: %v, want %v", what, err, c.want)
		}
		if after := fmt.Sprint(p.redis(t, "HGETALL", name(key))); after != before && !c.quiet {
			t.Errorf("%s: Apply wrote to it: %q", what, after)
		}
		if err := s.Create(t.Context(), rec); !errors.Is(err, beaker.ErrExists) {
			t.Errorf("%s: Create: %v, want ErrExists", what, err)
		}
		page, _, err := s.List(t.Context(), beaker.ListQuery{})
		if err != nil || len(page) != 1 || page[0].Key() != good.Key() {
			t.Errorf("%s: List: %d records, %v; want the other one", what, len(page), err)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("%s: Delete: %v", what, err)
		}
		if n := p.redis(t, "EXISTS", name(key)); n != int64(0) {
			t.Errorf("%s: it is there after Delete", what)
		}
	}
}

func TestAKeyOfSomebodyElse(t *testing.T) {
	p := newPlace(t)
	s := p.store(t, redisstore.Options{})
	m := newMeta()
	rec := newRecord(t, m, "k", "v")
	name := "beaker:" + m.Key.String()
	p.redis(t, "SET", name, "theirs")
	_, loadErr := s.Load(t.Context(), m.Key)
	_, applyErr := s.Apply(t.Context(), m.Key, changeOf(rec))
	for what, err := range map[string]error{"Load": loadErr, "Apply": applyErr} {
		if !errors.Is(err, beaker.ErrCorrupt) || !strings.Contains(err.Error(), "Prefix") {
			t.Errorf("%s: %v, want ErrCorrupt and what to do", what, err)
		}
	}
	if err := s.Create(t.Context(), rec); !errors.Is(err, beaker.ErrExists) {
		t.Errorf("Create: %v, want ErrExists", err)
	}
	if page, _, err := s.List(t.Context(), beaker.ListQuery{}); err != nil || len(page) != 0 {
		t.Errorf("List: %d records, %v", len(page), err)
	}
	if n, err := s.Purge(t.Context(), epoch+100*hour, 10); n != 0 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
	if v := p.redis(t, "GET", name); v != "theirs" {
		t.Errorf("the key is %v now", v)
	}
}
