package memstore_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// DO-3: a flood of anonymous sessions never passes the bound and never costs anybody
// their sign-in.
func TestAFloodOfAnonymousSessionsStaysWithinTheBound(t *testing.T) {
	const limit, flood = 1000, 100_000
	s := open(t, &memstore.Options{MaxEntries: limit})
	create(t, s, record(t, flood, "alice", start, 100))
	for n := range flood {
		create(t, s, record(t, n, "", start.Add(time.Duration(n)*time.Millisecond), 50))
		if got := s.Stats().Sessions; got > limit {
			t.Fatalf("%d sessions after %d creates", got, n+1)
		}
	}
	if got := s.Stats(); got.Sessions != limit || got.Evicted != flood+1-limit {
		t.Errorf("%+v: want %d sessions", got, limit)
	}
	if !has(t, s, flood) {
		t.Error("the signed-in session was evicted")
	}
	for n := range flood {
		if want := n > flood-limit; has(t, s, n) != want {
			t.Fatalf("session %d of %d is there: %v", n, flood, !want)
		}
	}
	check(t, s)
}

func TestBoundsBelowTheNumberOfShardsAreExact(t *testing.T) {
	for limit := 1; limit <= 40; limit++ {
		s := open(t, &memstore.Options{MaxEntries: limit})
		for n := range 100 {
			create(t, s, record(t, n, "", start.Add(time.Duration(n)*time.Millisecond), 0))
			if got := s.Stats().Sessions; got != min(n+1, limit) {
				t.Fatalf("MaxEntries %d: %d sessions after %d creates", limit, got, n+1)
			}
		}
		check(t, s)
	}
}

func TestEvictionTakesWhatExpiresSoonest(t *testing.T) {
	const limit = 500
	s := open(t, &memstore.Options{MaxEntries: limit})
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range rnd.Perm(limit) { // in any order
		create(t, s, recordFor(t, n, "", start, idle+time.Duration(n)*time.Second, 0))
	}
	// The first hundred are used again, so that they now expire last.
	later := start.Add(25 * time.Minute)
	for n := range 100 {
		if _, err := s.Apply(t.Context(), key(n), &beaker.Change{Now: later, Proof: proof(n), Touch: later.Add(-time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	check(t, s)
	type session struct {
		n       int
		expires beaker.Millis
	}
	for i := range limit {
		var first session
		for n := range limit {
			if rec, err := s.Load(t.Context(), key(n)); err == nil && (first.expires == 0 || rec.Expires() < first.expires) {
				first = session{n, rec.Expires()}
			}
		}
		create(t, s, recordFor(t, 1000+i, "", start, 100*time.Hour, 0))
		if has(t, s, first.n) {
			t.Fatalf("eviction %d: session %d expires first and is still there", i, first.n)
		}
		if got := s.Stats(); got.Evicted != uint64(i+1) {
			t.Fatalf("%d evictions, want %d", got.Evicted, i+1)
		}
	}
}

func TestExpiredSessionsGoFirst(t *testing.T) {
	s := open(t, &memstore.Options{MaxEntries: 3})
	create(t, s,
		recordFor(t, 1, "alice", start, 20*time.Minute, 0),
		recordFor(t, 2, "bob", start, 10*time.Hour, 0),
		recordFor(t, 3, "", start, time.Hour, 0))
	// Alice's session has expired by the time that the next one is made.
	create(t, s, recordFor(t, 4, "", start.Add(20*time.Minute), 90*time.Minute, 0))
	if has(t, s, 1) || !has(t, s, 2) || !has(t, s, 3) {
		t.Fatal("the expired session of a subject did not go first")
	}
	// Nothing has expired: the anonymous one that does first.
	create(t, s, recordFor(t, 5, "carol", start.Add(21*time.Minute), time.Hour, 0))
	if has(t, s, 3) || !has(t, s, 2) || !has(t, s, 4) {
		t.Fatal("the anonymous session that expires soonest did not go")
	}
	check(t, s)
}

// A millisecond decides: at Expires the session is expired, before it is not.
func TestASignedInSessionGoesAtItsDeadlineAndNotBefore(t *testing.T) {
	s := open(t, &memstore.Options{MaxEntries: 1})
	create(t, s, recordFor(t, 1, "alice", start, time.Minute, 0))
	if err := s.Create(t.Context(), record(t, 2, "", start.Add(time.Minute-time.Millisecond), 0)); !errors.Is(err, beaker.ErrStoreFull) {
		t.Fatalf("before the deadline: %v", err)
	}
	create(t, s, record(t, 3, "", start.Add(time.Minute), 0))
	if has(t, s, 1) || !has(t, s, 3) {
		t.Fatal("at the deadline: not evicted")
	}
	check(t, s)
}

func TestAStoreFullOfSignedInSessionsSaysSo(t *testing.T) {
	s := open(t, &memstore.Options{MaxEntries: 20})
	for n := range 20 {
		create(t, s, record(t, n, []string{"t", "u"}[n%2], start, 0))
	}
	before := s.Stats()
	for _, subject := range []string{"", "v"} {
		err := s.Create(t.Context(), record(t, 100, subject, start, 0))
		if !errors.Is(err, beaker.ErrStoreFull) || !strings.Contains(err.Error(), "20 sessions") || !strings.Contains(err.Error(), "Options.MaxEntries") {
			t.Errorf("subject %q: %v", subject, err)
		}
	}
	if got := s.Stats(); got != before {
		t.Errorf("a refused Create left %+v, before %+v", got, before)
	}
	if err := s.Delete(t.Context(), key(3)); err != nil {
		t.Fatal(err)
	}
	create(t, s, record(t, 100, "", start, 0)) // there is room again
	check(t, s)
}

func TestAStoreFullOfBytesSaysSo(t *testing.T) {
	size := memstore.Cost(record(t, 0, "u", start, 100))
	s := open(t, &memstore.Options{MaxBytes: 3*size + size/2})
	create(t, s, record(t, 0, "u", start, 100), record(t, 1, "u", start, 100), record(t, 2, "u", start, 100))
	before := s.Stats()
	err := s.Create(t.Context(), record(t, 9, "u", start, 100))
	if !errors.Is(err, beaker.ErrStoreFull) || !strings.Contains(err.Error(), "Options.MaxBytes") {
		t.Error(err)
	}
	if got := s.Stats(); got != before {
		t.Errorf("a refused Create left %+v, before %+v", got, before)
	}
	check(t, s)
}

func TestARefusedCreateEvictsNobody(t *testing.T) {
	s := open(t, &memstore.Options{MaxEntries: 3, MaxBytes: 10_000})
	create(t, s, record(t, 1, "", start, 10), record(t, 2, "", start, 10), record(t, 3, "u", start, 10))
	if _, err := s.RevokeSubject(t.Context(), "gone", start); err != nil {
		t.Fatal(err)
	}
	before := s.Stats()
	for _, tt := range []struct {
		desc string
		rec  *beaker.Record
		want error
	}{
		{"the key is taken", record(t, 1, "", start, 10), beaker.ErrExists},
		{"the subject is revoked", record(t, 9, "gone", start, 10), beaker.ErrRevoked},
		{"it could not fit into an empty store", record(t, 9, "", start, 20_000), beaker.ErrStoreFull},
	} {
		if err := s.Create(t.Context(), tt.rec); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.desc, err)
		}
		if got := s.Stats(); got != before {
			t.Errorf("%s: %+v, before %+v", tt.desc, got, before)
		}
	}
	check(t, s)
}

func TestBytesAreBoundedAndReturnToZero(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	const maxBytes = 100_000
	s := open(t, &memstore.Options{MaxBytes: maxBytes})
	for n := range 3000 {
		subject := ""
		if n%50 == 0 {
			subject = "u"
		}
		create(t, s, record(t, n, subject, start.Add(time.Duration(n)*time.Millisecond), rnd.IntN(2000)))
		if got := s.Stats().Bytes; got > maxBytes {
			t.Fatalf("%d bytes after %d creates", got, n+1)
		}
	}
	check(t, s)
	if got := s.Stats(); got.Bytes < maxBytes-2600 {
		t.Errorf("%+v: much room is left unused", got)
	}
	for n := range 3000 {
		if n%50 == 0 && !has(t, s, n) {
			t.Errorf("signed-in session %d was evicted", n)
		}
		if err := s.Delete(t.Context(), key(n)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Stats(); got.Sessions != 0 || got.Bytes != 0 {
		t.Errorf("after all are deleted: %+v", got)
	}
	check(t, s)
}

// set returns a change that gives session n a value of so many bytes.
func set(n, size int) *beaker.Change {
	return &beaker.Change{Now: start, Proof: proof(n), Set: []beaker.Value{{Name: "v", Data: make([]byte, size)}}}
}

func TestASessionThatGrowsMakesRoomAndIsNotItsOwnVictim(t *testing.T) {
	small := memstore.Cost(record(t, 0, "", start, 1000))
	// The session that grows is the one that expires first, so it would be the victim.
	s := open(t, &memstore.Options{MaxBytes: 4 * small})
	for n := range 4 {
		create(t, s, recordFor(t, n, "", start, idle+time.Duration(n)*time.Second, 1000))
	}
	// More than there is room for in an empty store: nobody need go for that.
	before := s.Stats()
	if _, err := s.Apply(t.Context(), key(0), set(0, int(4*small))); !errors.Is(err, beaker.ErrStoreFull) {
		t.Fatal(err)
	}
	if got := s.Stats(); got != before {
		t.Errorf("a change that cannot fit left %+v, before %+v", got, before)
	}
	if _, err := s.Apply(t.Context(), key(0), set(0, 1001)); err != nil {
		t.Fatal(err)
	}
	if !has(t, s, 0) || has(t, s, 1) || !has(t, s, 2) || !has(t, s, 3) {
		t.Fatal("not the next one in line was evicted")
	}
	check(t, s)
	if _, err := s.Apply(t.Context(), key(0), set(0, 3500)); err != nil {
		t.Fatal(err)
	}
	if !has(t, s, 0) || has(t, s, 2) || has(t, s, 3) {
		t.Fatal("it takes all the room that others may give")
	}
	check(t, s)

	// The same, by more than what is left.
	before = s.Stats()
	_, err := s.Apply(t.Context(), key(0), set(0, int(4*small)))
	if !errors.Is(err, beaker.ErrStoreFull) || !strings.Contains(err.Error(), "Options.MaxBytes") {
		t.Fatal(err)
	}
	rec, err := s.Load(t.Context(), key(0))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := rec.Lookup("v"); len(v) != 3500 || rec.Version() != 3 {
		t.Errorf("after a refused change: %d bytes, version %d", len(v), rec.Version())
	}
	if got := s.Stats(); got != before {
		t.Errorf("a refused change left %+v, before %+v", got, before)
	}
	check(t, s)
}

// Whatever shard and heap position the growing session has, the others in its shard
// can be evicted and it cannot.
func TestASessionThatGrowsIsKeptInAnyPosition(t *testing.T) {
	const n = 40
	size := memstore.Cost(record(t, 0, "", start, 100))
	for grows := range n {
		s := open(t, &memstore.Options{MaxBytes: n * size})
		for i := range n {
			create(t, s, recordFor(t, i, "", start, idle+time.Duration(i)*time.Second, 100))
		}
		for size := 200; ; size += 250 {
			if _, err := s.Apply(t.Context(), key(grows), set(grows, size)); err != nil {
				t.Fatal(err)
			}
			if !has(t, s, grows) {
				t.Fatalf("session %d was evicted for its own sake", grows)
			}
			if s.Stats().Sessions == 1 {
				break
			}
		}
		check(t, s)
	}
}

func TestASessionThatCannotGrowBesideSignedInOnesStaysAsItWas(t *testing.T) {
	size := memstore.Cost(record(t, 0, "u", start, 100))
	s := open(t, &memstore.Options{MaxBytes: 3 * size})
	create(t, s, record(t, 0, "u", start, 100), record(t, 1, "u", start, 100), record(t, 2, "u", start, 100))
	before := s.Stats()
	if _, err := s.Apply(t.Context(), key(1), set(1, 101)); !errors.Is(err, beaker.ErrStoreFull) {
		t.Fatal(err)
	}
	if got := s.Stats(); got != before {
		t.Errorf("%+v, before %+v", got, before)
	}
	// What does not grow is always possible: a touch, a removal, a logout.
	for _, ch := range []*beaker.Change{
		{Now: start, Proof: proof(1), Touch: start + 1},
		set(1, 100),
		{Now: start, Proof: proof(1), Remove: []string{"v"}},
		{Now: start, Proof: proof(1), Subject: new(string)},
	} {
		if _, err := s.Apply(t.Context(), key(1), ch); err != nil {
			t.Errorf("%+v: %v", ch, err)
		}
	}
	check(t, s)
}

func TestSigningInProtectsAndSigningOutGivesUp(t *testing.T) {
	s := open(t, &memstore.Options{MaxEntries: 2})
	create(t, s, record(t, 1, "", start, 0), record(t, 2, "", start+1, 0))
	alice, nobody := "alice", ""
	if _, err := s.Apply(t.Context(), key(1), &beaker.Change{Now: start, Began: start, Proof: proof(1), Subject: &alice, AuthenticatedAt: start}); err != nil {
		t.Fatal(err)
	}
	create(t, s, record(t, 3, "", start+2, 0))
	if !has(t, s, 1) || has(t, s, 2) {
		t.Fatal("the session that signed in was evicted")
	}
	if _, err := s.Apply(t.Context(), key(1), &beaker.Change{Now: start, Proof: proof(1), Subject: &nobody}); err != nil {
		t.Fatal(err)
	}
	check(t, s)
	create(t, s, record(t, 4, "", start+3, 0))
	if has(t, s, 1) || !has(t, s, 3) {
		t.Fatal("the session that signed out was kept")
	}
	check(t, s)
}

// ST-5: eviction takes expired sessions of subjects out of the index as well.
func TestEvictionKeepsTheIndexExact(t *testing.T) {
	s := open(t, &memstore.Options{MaxEntries: 10})
	for n := range 10 {
		create(t, s, record(t, n, "u", start, 0))
	}
	for n := range 10 {
		create(t, s, record(t, 100+n, "", start.Add(idle), 0))
		if got := memstore.IndexSize(s); got != 9-n {
			t.Fatalf("%d sessions in the index after %d evictions", got, n+1)
		}
	}
	check(t, s)
}
