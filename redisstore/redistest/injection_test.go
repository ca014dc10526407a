package redistest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// hostile are strings that mean something to Redis: to its protocol, to patterns, to the
// slots of a cluster, to Lua, or to whoever takes a name of a key apart.
var hostile = []string{
	"\r\n", "\r\nDEL x\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "$-1\r\n", "\n", "\r", "\x00", "a\x00b", "\xff\xfe", "\xc3\x28",
	"{", "}", "{}", "{a}", "a{b}c", "{a}}", "{{a}", "*", "?", "[a-z]", "[^a]", "\\*", "\\", "a*b",
	":", "::", " ", "  a ", "\t", "'", `"`, `";redis.call('FLUSHALL')--`, "]]", "%d", "%s%n", "%00", "nil", "-1", "0", "1e309", "9007199254740993",
	"m", "n", "p", "r", "s", "c", ":m", ":p", ":s", "k:", "revoked", "sessions", "}:sessions", "}:revoked", "ünï😀", strings.Repeat("a", 255),
}

// Names and data of values may be any bytes that the library lets through: they come
// back as they were, touch nothing else, and each of them can be changed and removed.
func TestHostileValues(t *testing.T) {
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			store, other := p.store(t), p.store(t)
			bystander := created(t, store, metaOf("bystander"), "k", "v")
			var pairs []string
			for _, h := range hostile {
				name := strings.ToValidUTF8(h, "?")
				if strings.HasPrefix(name, "\x00") {
					name = "a" + name // names that begin so are the library's own
				}
				if !slices.ContainsFunc(pairs, func(x string) bool { return x == name }) {
					pairs = append(pairs, name, h)
				}
			}
			rec := created(t, store, newMeta(), pairs...)
			check := func(when string, got *beaker.Record, want []string) {
				t.Helper()
				if got.Len() != len(want)/2 {
					t.Errorf("%s: %d values, want %d", when, got.Len(), len(want)/2)
				}
				for i := 0; i < len(want); i += 2 {
					if data, ok := got.Lookup(want[i]); !ok || data != want[i+1] {
						t.Errorf("%s: %q is %q, %t; want %q", when, want[i], data, ok, want[i+1])
					}
				}
			}
			check("after Create", loaded(t, other, rec.Key()), pairs)
			for i := 0; i < len(pairs); i += 2 {
				pairs[i+1] += "\r\n+OK\r\n" + pairs[i]
				if _, err := store.Apply(t.Context(), rec.Key(), setting(rec, pairs[i], pairs[i+1])); err != nil {
					t.Fatalf("setting %q: %v", pairs[i], err)
				}
			}
			check("after each was changed", loaded(t, other, rec.Key()), pairs)
			for len(pairs) > 0 {
				ch := changeOf(rec)
				ch.Remove = []string{pairs[0]}
				if _, err := store.Apply(t.Context(), rec.Key(), ch); err != nil {
					t.Fatalf("removing %q: %v", pairs[0], err)
				}
				pairs = pairs[2:]
				check("after one more was removed", loaded(t, other, rec.Key()), pairs)
			}
			check("the bystander", loaded(t, other, bystander.Key()), []string{"k", "v"})
		})
	}
}

// Subjects: each is itself only, in lists and in revocations, whatever it looks like.
func TestHostileSubjects(t *testing.T) {
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			store := p.store(t)
			recs := map[string]*beaker.Record{}
			refused := 0
			for _, subject := range append(slices.Clone(hostile), "fred", "fred ", "Fred", "fre", "freda", "*", "fred*", "f?ed", "{fred}", "fred}") {
				if recs[subject] != nil {
					continue
				}
				m := metaOf(subject)
				rec, err := beaker.NewRecord(m, values("who", subject))
				if errors.Is(err, beaker.ErrInvalidSubject) {
					refused++
					// What the library refuses for a record cannot come in by a change either.
					anonymous := created(t, store, newMeta(), "k", "v")
					if _, err := store.Apply(t.Context(), anonymous.Key(), signingIn(anonymous, subject)); !errors.Is(err, beaker.ErrInvalidSubject) {
						t.Errorf("a sign-in of %q: %v, want ErrInvalidSubject", subject, err)
					}
					if got := loaded(t, store, anonymous.Key()); got.Subject() != "" || got.Version() != 1 {
						t.Errorf("a refused sign-in of %q has left something", subject)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := store.Create(t.Context(), rec); err != nil {
					t.Fatalf("Create for %q: %v", subject, err)
				}
				recs[subject] = rec
			}
			if refused == 0 || len(recs) < 30 {
				t.Fatalf("%d subjects were refused, %d were not", refused, len(recs))
			}
			for subject, rec := range recs {
				page, next, err := store.List(t.Context(), beaker.ListQuery{Subject: subject})
				if err != nil || len(page) != 1 || next != "" || page[0].Key() != rec.Key() || page[0].Subject() != subject {
					t.Errorf("List of %q: %d sessions, %v; want its own", subject, len(page), err)
				}
			}
			left := len(recs)
			for subject, rec := range recs {
				n, err := store.RevokeSubject(t.Context(), subject, epoch)
				if err != nil || n != 1 {
					t.Errorf("RevokeSubject of %q: %d sessions, %v; want its own", subject, n, err)
				}
				wantGone(t, store, rec.Key(), "after RevokeSubject")
				left--
				alive := 0
				for _, other := range recs {
					if present(t, store, other.Key()) == 1 {
						alive++
					}
				}
				if alive != left {
					t.Fatalf("after RevokeSubject of %q %d sessions live, want %d", subject, alive, left)
				}
			}
		})
	}
}

// Prefixes: what would mean something to Redis is refused with words, and what is taken
// keeps applications apart, also where one prefix begins with another.
func TestPrefixes(t *testing.T) {
	s := ownSingle(t)
	c := s.client(t)
	for _, prefix := range append([]string{"a b", "a\r\nb", "{a}", "a*", strings.Repeat("a", 10_000)}, hostile...) {
		store, err := redisstore.New(t.Context(), c, &redisstore.Options{Prefix: prefix, Logger: quiet})
		if err != nil {
			if !strings.Contains(err.Error(), "Prefix") || strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Errorf("the error for the prefix %q does not help, or breaks the line: %q", prefix, err)
			}
			continue
		}
		rec := created(t, store, metaOf("fred"), "k", "v")
		if n := count(t, s); n != 2 {
			t.Errorf("prefix %q: the server holds %d keys, want a session and an index", prefix, n)
		}
		s.eachKey(t, func(_ *engines.RedisNode, key string, _ int64) {
			if !strings.HasPrefix(key, prefix) {
				t.Errorf("prefix %q: there is a key %q", prefix, key)
			}
		})
		if page, _, err := store.List(t.Context(), beaker.ListQuery{}); err != nil || len(page) != 1 || page[0].Key() != rec.Key() {
			t.Errorf("prefix %q: List: %d sessions, %v; want 1", prefix, len(page), err)
		}
		if n, err := store.RevokeSubject(t.Context(), "fred", epoch); err != nil || n != 1 {
			t.Errorf("prefix %q: RevokeSubject: %d, %v; want 1", prefix, n, err)
		}
		if _, err := s.nodes[0].Do(t.Context(), "FLUSHALL"); err != nil {
			t.Fatal(err)
		}
	}
	// Six applications on one server, with the same keys and subjects in all.
	similar := []string{"a", "a:", "a::", "a:b", "ab", "a:b:"}
	stores := map[string]*redisstore.Store{}
	m := metaOf("fred")
	for _, prefix := range similar {
		store, err := redisstore.New(t.Context(), c, &redisstore.Options{Prefix: prefix, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		stores[prefix] = store
		created(t, store, m, "app", prefix)
	}
	for _, prefix := range similar {
		page, _, err := stores[prefix].List(t.Context(), beaker.ListQuery{})
		if err != nil || len(page) != 1 {
			t.Fatalf("prefix %q: List: %d sessions, %v; want its own", prefix, len(page), err)
		}
		if app, _ := page[0].Lookup("app"); app != prefix {
			t.Errorf("prefix %q lists a session of %q", prefix, app)
		}
	}
	for i, prefix := range similar {
		if n, err := stores[prefix].Purge(t.Context(), epoch.Add(1000*hour), 100); err != nil || n != 1 {
			t.Errorf("prefix %q: purged %d, %v; want its own", prefix, n, err)
		}
		for _, other := range similar[i+1:] {
			if app, _ := loaded(t, stores[other], m.Key).Lookup("app"); app != other {
				t.Errorf("after a purge of %q, %q has the session of %q", prefix, other, app)
			}
		}
	}
	noEternalKeys(t, s)
}

func count(tb testing.TB, s *site) (n int) {
	tb.Helper()
	s.eachKey(tb, func(*engines.RedisNode, string, int64) { n++ })
	return n
}

// Keys of others, some of which look like the store's own, are not listed, purged,
// revoked or changed, and do not get in the way.
func TestForeignKeysAreLeftAlone(t *testing.T) {
	s := ownSingle(t)
	p := newPlace(t, s)
	store := p.store(t)
	foreign := map[string]any{}
	for i, h := range hostile {
		for _, name := range []string{
			h, p.opts.Prefix + h, p.opts.Prefix + "subject:" + h, fmt.Sprintf("%s%064d%s", p.opts.Prefix, i, h), fmt.Sprintf("%ssubject:%032d%s", p.opts.Prefix, i, h),
			fmt.Sprintf("%s%064X", p.opts.Prefix, 0xABCDEF00+i), "x" + p.opts.Prefix + fmt.Sprintf("%064x", i),
		} {
			s.tell(t, [][]string{
				{"SET", name, h, "EX", "3600"},
				{"EVAL", "redis.call('HSET',KEYS[1],'m',ARGV[1]) redis.call('EXPIRE',KEYS[1],3600)", "1", name, "1 1 0 0 1 1"},
				{"EVAL", "redis.call('ZADD',KEYS[1],1,ARGV[1]) redis.call('EXPIRE',KEYS[1],3600)", "1", name, strings.Repeat("k", 32)},
			}[i%3]...)
			foreign[name] = nil
		}
	}
	for name := range foreign {
		foreign[name] = s.tell(t, "DUMP", name)
	}
	var recs []*beaker.Record
	for i := range 20 {
		recs = append(recs, created(t, store, metaOf(fmt.Sprintf("user-%d", i%2)), "k", "v"))
	}
	listed := map[beaker.RecordKey]bool{}
	for cursor := ""; ; {
		page, next, err := store.List(t.Context(), beaker.ListQuery{Cursor: cursor, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page {
			listed[rec.Key()] = true
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(listed) != len(recs) {
		t.Errorf("%d sessions are listed, want %d", len(listed), len(recs))
	}
	if n, err := store.RevokeSubject(t.Context(), "user-0", epoch); err != nil || n != 10 {
		t.Errorf("RevokeSubject: %d sessions, %v; want 10", n, err)
	}
	if n, err := store.Purge(t.Context(), epoch.Add(1000*hour), 1000); err != nil || n != 10 {
		t.Errorf("Purge: %d sessions, %v; want 10", n, err)
	}
	for name, before := range foreign {
		if after := s.tell(t, "DUMP", name); after != before {
			t.Errorf("the key %q was changed", name)
		}
	}
}
