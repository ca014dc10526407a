package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

// hostile is what would be more than a word to memcached, or another one.
var hostile = []string{
	"flush_all", " flush_all", "a\r\nflush_all\r\n", "a\nflush_all\n", "\r\n", "\r\nEND\r\n", "a\x00b", "\x00", "\x7f", "\t", " ", "a b",
	"END", "STORED\r\n", "VALUE x 0 1 1\r\nx\r\nEND\r\n", "SERVER_ERROR x\r\n", "noreply", "0", "-1", "\xff\xfe", "é", "{a}", "*", ":", "%0d%0a",
	strings.Repeat("x", 250), strings.Repeat("x", 251), strings.Repeat("\r\n", 200),
}

// Whatever names, values and subjects are, memcached sees the prefix, the generation and
// digits, and of all its commands four.
func TestHostileWordsGetIntoNoCommand(t *testing.T) {
	server := sharedServers(t)[0]
	p := placeOn(server)
	bystander := p.store(t)
	canary := created(t, bystander, newMeta(), "k", "v")
	p.opts.Prefix = strings.Repeat("p", 64)
	p.opts.Generation = strings.Repeat("g", 20) + fmt.Sprint(generations.Add(1))
	s, w := p.watched(t)

	prefix := regexp.QuoteMeta(p.opts.Prefix + ":" + p.opts.Generation)
	command := regexp.MustCompile(`^(gets( ` + prefix + `:[su]:[0-9a-f]{64})+|(add|cas) ` + prefix + `:[su]:[0-9a-f]{64} 0 -?[0-9]+ [0-9]+( [0-9]+)?|delete ` +
		prefix + `:s:[0-9a-f]{64})$`)

	subjects := 0
	for _, word := range hostile {
		rec := created(t, s, newMeta(), "k", word)
		base := loaded(t, s, rec.Key())
		ch := setting(base, "k", word+word)
		if len(word) <= 255 {
			ch.Set = values(word, word)
		}
		if _, err := s.Apply(t.Context(), rec.Key(), ch); err != nil {
			t.Errorf("%.20q: %v", word, err)
		}
		want, err := beaker.Merge(base, ch)
		if err != nil {
			t.Fatal(err)
		}
		if got := loaded(t, s, rec.Key()); !sameRecord(got, want) {
			t.Errorf("%.20q: another record comes back", word)
		}
		// As a subject, it may be refused by those who make records.
		ch = signingIn(loaded(t, s, rec.Key()), word)
		_, err = s.Apply(t.Context(), rec.Key(), ch)
		switch {
		case err == nil:
			subjects++
			if got := loaded(t, s, rec.Key()); got.Subject() != word {
				t.Errorf("the subject %.20q comes back as %.20q", word, got.Subject())
			}
		case !errors.Is(err, beaker.ErrInvalidSubject):
			t.Errorf("the subject %.20q: %v", word, err)
		}
		if n, rerr := s.RevokeSubject(t.Context(), word, epoch+minute); rerr != nil || (n == 1) != (err == nil) {
			t.Errorf("RevokeSubject of %.20q: %d, %v", word, n, rerr)
		}
		if err := s.Delete(t.Context(), rec.Key()); err != nil {
			t.Error(err)
		}
	}
	if subjects < 10 {
		t.Errorf("only %d of the words were subjects", subjects)
	}
	verbs := map[string]bool{}
	for _, line := range w.take() {
		if !command.MatchString(line) {
			t.Errorf("the command %q", line)
		}
		verb, _, _ := strings.Cut(line, " ")
		verbs[verb] = true
	}
	if len(verbs) != 4 {
		t.Errorf("the commands were %v", verbs)
	}
	loaded(t, bystander, canary.Key())

	// Lines of many of the longest keys are taken, too.
	const many = 120
	for range many {
		created(t, s, metaOf("many"))
	}
	if n, err := s.RevokeSubject(t.Context(), "many", epoch); n != many || err != nil {
		t.Errorf("RevokeSubject: %d, %v; want %d", n, err, many)
	}
}

// No two applications that differ in prefix or generation see each other's sessions.
func TestPrefixesAndGenerationsKeepApart(t *testing.T) {
	server := sharedServers(t)[0]
	base := fmt.Sprint("x", generations.Add(1))
	options := []memcachestore.Options{
		{Generation: base},
		{Generation: base + "1"},
		{Generation: base, Prefix: "a"},
		{Generation: "a", Prefix: base},
		{Generation: base + ".a", Prefix: "b"},
		{Generation: "a.b", Prefix: base},
		{Generation: "b", Prefix: base + ".a"},
		{Generation: "B", Prefix: base + ".a"},
	}
	key := unique("key")
	subject := fmt.Sprintf("user-%x", key)
	for i, o := range options {
		p := placeOn(server)
		p.opts = o
		s := p.store(t)
		absent(t, s, key, fmt.Sprintf("before options %d", i))
		m := metaOf(subject)
		m.Key = key
		rec := created(t, s, m, "i", fmt.Sprint(i))
		defer func() {
			if got := loaded(t, s, key); value(got, "i") != fmt.Sprint(i) || !sameRecord(got, rec) {
				t.Errorf("options %d have the session of options %s", i, value(got, "i"))
			}
			if n, err := s.RevokeSubject(context.WithoutCancel(t.Context()), subject, epoch); n != 1 || err != nil {
				t.Errorf("options %d: RevokeSubject: %d, %v", i, n, err)
			}
		}()
	}
}

// What lies in the server, and when it goes.
func TestWhatLiesInTheServer(t *testing.T) {
	m := ownServer(t)
	p := placeOn(m)
	s, w := p.watched(t)
	rec := created(t, s, metaOf("user"), "k", "v")
	keys, err := m.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	if want := []string{p.sessionKey(rec.Key()), p.rosterKey("user")}; !slices.Equal(keys, want) {
		t.Errorf("the server holds %q, want %q", keys, want)
	}
	// Half an hour and a minute for the session, twelve hours and a day for the roster:
	// every item goes by itself.
	for _, line := range w.take() {
		f := strings.Fields(line)
		if f[0] == "gets" {
			continue
		}
		var seconds int
		if _, err := fmt.Sscan(f[3], &seconds); err != nil || seconds <= 0 {
			t.Errorf("%s: it would stay for ever, or not at all", line)
		}
		if want := map[string]int{"s": 30*60 + 61, "u": 24*3600 + 61}[strings.Split(f[1], ":")[2]]; seconds != want {
			t.Errorf("%s: it is kept for %d s, want %d", line, seconds, want)
		}
	}
	if err := s.Delete(t.Context(), rec.Key()); err != nil {
		t.Fatal(err)
	}
	if keys, err = m.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("after Delete the server holds %q, %v", keys, err)
	}
}
