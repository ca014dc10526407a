//go:build linux

package redisstore_test

import (
	"fmt"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// Applications on one server see nothing of each other, however their prefixes overlap,
// and what else is there is neither listed nor purged.
func TestPrefixesKeepApplicationsApart(t *testing.T) {
	p := newPlace(t)
	prefixes := []string{"a:", "a:subject:", "a:a:", "a", "A:", ""}
	subject := "fred"
	stores, mine := map[string]*redisstore.Store{}, map[string]beaker.RecordKey{}
	for _, prefix := range prefixes {
		stores[prefix] = p.store(t, redisstore.Options{Prefix: prefix})
		m := newMeta()
		m.Subject, m.AuthenticatedAt = subject, epoch
		mine[prefix] = created(t, stores[prefix], m, "k", prefix).Key()
	}
	for i := range 300 {
		p.redis(t, "SET", fmt.Sprintf("a:theirs-%d", i), "v")
	}
	p.redis(t, "SET", "a:subject:0123456789abcdef0123456789abcdef", "not an index")
	p.redis(t, "HSET", "a:"+fmt.Sprintf("%064X", 171), "m", "1 in capitals")
	only := func(prefix, what string, page []*beaker.Record) {
		t.Helper()
		if len(page) != 1 || page[0].Key() != mine[prefix] {
			t.Errorf("%q: %s has %d sessions, or others", prefix, what, len(page))
		}
	}
	for _, prefix := range prefixes {
		for _, q := range []beaker.ListQuery{{}, {Limit: 1}, {Subject: subject}} {
			only(prefix, fmt.Sprintf("%+v", q), all(t, stores[prefix], q))
		}
		if _, err := stores[prefix].Purge(t.Context(), epoch, 100); err != nil {
			t.Errorf("%q: Purge: %v", prefix, err)
		}
	}
	if n, err := stores["a:"].RevokeSubject(t.Context(), subject, epoch+1); n != 1 || err != nil {
		t.Errorf("RevokeSubject: %d, %v", n, err)
	}
	if n, err := stores[""].Purge(t.Context(), epoch+100*hour, 100); n != 1 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
	for _, prefix := range prefixes[1 : len(prefixes)-1] {
		only(prefix, "the listing after others were revoked and purged", all(t, stores[prefix], beaker.ListQuery{}))
	}
	if n := p.redis(t, "DBSIZE"); n.(int64) < 300 {
		t.Errorf("%v keys are left", n)
	}
}

func all(t *testing.T, s *redisstore.Store, q beaker.ListQuery) (records []*beaker.Record) {
	t.Helper()
	for range 1000 {
		page, next, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if records = append(records, page...); next == "" {
			return records
		}
		q.Cursor = next
	}
	t.Fatal("the listing does not end")
	return nil
}

// Entries of sessions that have gone without telling are removed by whoever meets them,
// and those of sessions that live are not.
func TestListingCleansTheIndex(t *testing.T) {
	p := newPlace(t)
	s := p.store(t, redisstore.Options{})
	var live, gone beaker.RecordKey
	for i := range 5 {
		m := newMeta()
		m.Subject, m.AuthenticatedAt = "fred", epoch
		key := created(t, s, m).Key()
		if i == 0 {
			live = key
		} else {
			gone = key
			p.redis(t, "DEL", "beaker:"+key.String())
		}
	}
	index := indexOf(t, p)
	if n := p.redis(t, "ZCARD", index); n != int64(5) {
		t.Fatalf("the index has %v entries before", n)
	}
	if page := all(t, s, beaker.ListQuery{Subject: "fred"}); len(page) != 1 || page[0].Key() != live {
		t.Errorf("List: %d sessions", len(page))
	}
	if n := p.redis(t, "ZCARD", index); n != int64(1) {
		t.Errorf("the index has %v entries after", n)
	}
	if v := p.redis(t, "ZSCORE", index, string(gone[:])); v != nil {
		t.Errorf("an entry of a session that is gone: %v", v)
	}
}

func indexOf(t *testing.T, p *place) string {
	t.Helper()
	keys, _ := p.redis(t, "KEYS", "beaker:subject:*").([]any)
	if len(keys) != 1 {
		t.Fatalf("indexes: %q", keys)
	}
	return fmt.Sprint(keys[0])
}

// An entry that is dropped at the old deadline of a session that lives longer would keep
// RevokeSubject from finding it.
func TestTheIndexFollowsTheAbsoluteDeadline(t *testing.T) {
	for _, base := range []bool{true, false} {
		t.Run(fmt.Sprintf("base %t", base), func(t *testing.T) {
			p := newPlace(t)
			s := p.store(t, redisstore.Options{})
			// It would have ended by now, on every clock.
			m := newMeta()
			begun := epoch - 20*hour
			m.Subject, m.AuthenticatedAt, m.Created, m.Touched = "fred", begun, begun, begun
			m.Idle, m.Absolute = beaker.NoLimit, begun+12*hour
			rec := created(t, s, m)
			ch := changeOf(rec)
			ch.Absolute = begun + 100*hour
			if base {
				ch.Base = rec
			}
			if _, err := s.Apply(t.Context(), rec.Key(), ch); err != nil {
				t.Fatal(err)
			}
			// A later sign-in trims the index.
			m = newMeta()
			m.Subject, m.AuthenticatedAt = "fred", epoch
			created(t, s, m)
			if n, err := s.RevokeSubject(t.Context(), "fred", epoch+1); n != 2 || err != nil {
				t.Errorf("RevokeSubject: %d, %v; want both sessions", n, err)
			}
		})
	}
}

// Each sign-in drops the entries of sessions that are over by its clock and by the
// server's, so that an index does not grow for as long as somebody signs in. A node
// whose clock is wrong hides nothing.
func TestASignInTrimsTheIndex(t *testing.T) {
	p := newPlace(t)
	s := p.store(t, redisstore.Options{})
	signIn := func(at beaker.Millis) {
		m := newMeta()
		m.Subject, m.AuthenticatedAt, m.Created, m.Touched, m.Absolute = "jane", at, at, at, at+hour
		created(t, s, m)
	}
	want := func(when string, n int) {
		t.Helper()
		if got := p.redis(t, "ZCARD", indexOf(t, p)); got != int64(n) {
			t.Errorf("%s the index has %v entries, want %d", when, got, n)
		}
	}
	for i := range 5 {
		signIn(epoch + beaker.Millis(i-5)*20*hour)
	}
	want("after sign-ins that are long over, and one more,", 1)
	signIn(epoch)
	want("after one more", 1)
	signIn(epoch + 1000*hour)
	want("after a sign-in on a node whose clock is far ahead", 2)
	ttl, _ := p.redis(t, "PTTL", indexOf(t, p)).(int64)
	signIn(epoch + 1)
	if after, _ := p.redis(t, "PTTL", indexOf(t, p)).(int64); after < ttl-60_000 {
		t.Errorf("a sign-in on another node cuts the index's life from %d to %d ms", ttl, after)
	}
	want("after a sign-in on another node", 3)
}
