package memstore_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// signIn returns a change that gives session n a subject, asked for at a time.
func signIn(n int, subject string, began beaker.Millis) *beaker.Change {
	return &beaker.Change{Now: began, Began: began, Proof: proof(n), Subject: &subject, AuthenticatedAt: began}
}

// TE-2: all sessions of a subject end but those named, and nobody else's.
func TestRevokingASubjectEndsItsSessionsOnly(t *testing.T) {
	s := open(t, nil)
	for n := range 300 {
		create(t, s, record(t, n, []string{"", "alice", "alic", "alice "}[n%4], start, 0))
	}
	kept := []beaker.RecordKey{key(1), key(5), key(2)} // the last one is alic's
	n, err := s.RevokeSubject(t.Context(), "alice", start, kept...)
	if err != nil || n != 73 {
		t.Fatalf("%d, %v; want 73 of 75", n, err)
	}
	for n := range 300 {
		if want := n%4 != 1 || n == 1 || n == 5; has(t, s, n) != want {
			t.Errorf("session %d is there: %v", n, !want)
		}
	}
	check(t, s)
	if _, err := s.RevokeSubject(t.Context(), "", start); !errors.Is(err, beaker.ErrInvalidSubject) {
		t.Errorf("anonymous sessions: %v", err)
	}
	if n, err := s.RevokeSubject(t.Context(), "nobody", start); n != 0 || err != nil {
		t.Errorf("a subject without sessions: %d, %v", n, err)
	}
}

// TE-2: a sign-in that began at or before the revocation and finishes after it.
func TestALateSignInIsRefusedAndTheSessionGone(t *testing.T) {
	s := open(t, nil)
	at := start.Add(time.Minute)
	if _, err := s.RevokeSubject(t.Context(), "alice", at); err != nil {
		t.Fatal(err)
	}
	// An older revocation that arrives later does not weaken it.
	if _, err := s.RevokeSubject(t.Context(), "alice", start); err != nil {
		t.Fatal(err)
	}
	for n, tt := range []struct {
		desc  string
		from  string
		began beaker.Millis
		want  error
	}{
		{"anonymous, began before", "", at - 1, beaker.ErrRevoked},
		{"anonymous, began at that time", "", at, beaker.ErrRevoked},
		{"anonymous, began after", "", at + 1, nil},
		{"another subject's, began at that time", "bob", at, beaker.ErrRevoked},
		{"another subject's, began after", "bob", at + 1, nil},
	} {
		create(t, s, record(t, n, tt.from, start, 0))
		if _, err := s.Apply(t.Context(), key(n), signIn(n, "alice", tt.began)); !errors.Is(err, tt.want) {
			t.Errorf("Apply, %s: %v, want %v", tt.desc, err, tt.want)
		}
		if got := has(t, s, n); got != (tt.want == nil) {
			t.Errorf("Apply, %s: the session is there: %v", tt.desc, got)
		}
		err := s.Create(t.Context(), record(t, 100+n, "alice", tt.began, 0))
		if !errors.Is(err, tt.want) || has(t, s, 100+n) != (tt.want == nil) {
			t.Errorf("Create, %s: %v, want %v", tt.desc, err, tt.want)
		}
		check(t, s)
	}
}

// A refusal because of a mark needs no room, even where the change would.
func TestALateSignInIntoAFullStoreEvictsNobody(t *testing.T) {
	size := memstore.Cost(record(t, 0, "", start, 100))
	s := open(t, &memstore.Options{MaxBytes: 3 * size})
	create(t, s, record(t, 0, "", start, 100), record(t, 1, "", start, 100), record(t, 2, "", start, 100))
	if _, err := s.RevokeSubject(t.Context(), "alice", start); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), key(2), signIn(2, "alice", start)); !errors.Is(err, beaker.ErrRevoked) {
		t.Fatal(err)
	}
	if !has(t, s, 0) || !has(t, s, 1) || has(t, s, 2) || s.Stats().Evicted != 0 {
		t.Errorf("%+v", s.Stats())
	}
	check(t, s)
}

// ErrRevoked is for who may change the session at all: a wrong proof deletes nothing.
func TestALateSignInWithADeadProofDeletesNothing(t *testing.T) {
	s := open(t, nil)
	create(t, s, record(t, 1, "", start, 0))
	if _, err := s.RevokeSubject(t.Context(), "alice", start); err != nil {
		t.Fatal(err)
	}
	ch := signIn(1, "alice", start)
	ch.Proof = proof(2)
	if _, err := s.Apply(t.Context(), key(1), ch); !errors.Is(err, beaker.ErrNotFound) || !has(t, s, 1) {
		t.Fatalf("%v, session there: %v", err, has(t, s, 1))
	}
}

// A repetition of a sign-in whose answer was lost does nothing, so it is not a
// sign-in that comes too late.
func TestARepeatedSignInIsNotJudgedAgain(t *testing.T) {
	s := open(t, nil)
	create(t, s, record(t, 1, "", start, 0))
	ch := signIn(1, "alice", start)
	ch.Rotate = &beaker.Rotation{Next: proof(99)}
	v, err := s.Apply(t.Context(), key(1), ch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RevokeSubject(t.Context(), "alice", start, key(1)); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Apply(t.Context(), key(1), ch); err != nil || again != v || !has(t, s, 1) {
		t.Fatalf("version %d, %v; want %d", again, err, v)
	}
}

func TestMarksAreKeptADayAndNoLonger(t *testing.T) {
	const day = 24 * time.Hour
	s := open(t, nil)
	revoke := func(subject string, at beaker.Millis) {
		t.Helper()
		if _, err := s.RevokeSubject(t.Context(), subject, at); err != nil {
			t.Fatal(err)
		}
	}
	purge := func(now beaker.Millis) {
		t.Helper()
		if _, err := s.Purge(t.Context(), now, 100); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 100 {
		revoke(fmt.Sprint("early ", n), start)
		revoke(fmt.Sprint("late ", n), start.Add(10*time.Hour))
		revoke(fmt.Sprint("raised ", n), start)
		revoke(fmt.Sprint("raised ", n), start.Add(20*time.Hour))
	}
	for _, tt := range []struct {
		now  time.Duration
		want int
	}{
		{0, 300},
		{day - time.Millisecond, 300},
		{day, 200},
		{day + 10*time.Hour - time.Millisecond, 200},
		{day + 10*time.Hour, 100},
		{day + 20*time.Hour - time.Millisecond, 100},
	} {
		purge(start.Add(tt.now))
		if got := memstore.Marks(s); got != tt.want {
			t.Errorf("%v after: %d marks, want %d", tt.now, got, tt.want)
		}
	}
	if err := s.Create(t.Context(), record(t, 1, "raised 7", start.Add(20*time.Hour), 0)); !errors.Is(err, beaker.ErrRevoked) {
		t.Errorf("the mark that was raised: %v", err)
	}
	purge(start.Add(day + 20*time.Hour))
	if got := memstore.Marks(s); got != 0 {
		t.Errorf("%d marks at the end", got)
	}
	// A mark that is made later, but of an earlier time, is not waited for.
	revoke("x", start.Add(50*day))
	revoke("x2", start)
	purge(start.Add(day + 21*time.Hour))
	if got := memstore.Marks(s); got != 1 {
		t.Errorf("%d marks, want the one of the future", got)
	}
	revoke("for ever", math.MaxInt64)
	purge(start.Add(1000 * day))
	if err := s.Create(t.Context(), record(t, 2, "for ever", start.Add(1000*day), 0)); !errors.Is(err, beaker.ErrRevoked) {
		t.Errorf("a mark at the end of time: %v", err)
	}
}

// ST-5: the index lists exactly the live signed-in sessions, however they came and
// went.
func TestTheIndexNeverLeaks(t *testing.T) {
	s := open(t, nil)
	const n = 100_000
	for i := range n {
		create(t, s, recordFor(t, i, fmt.Sprint("user ", i%5000), start, time.Minute+time.Duration(i)*time.Millisecond, 0))
	}
	if got := memstore.IndexSize(s); got != n {
		t.Fatalf("%d in the index, want %d", got, n)
	}
	for i := range 1000 {
		if err := s.Delete(t.Context(), key(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1000; i < 2000; i++ {
		if _, err := s.Apply(t.Context(), key(i), signIn(i, "", start)); err != nil { // signs out
			t.Fatal(err)
		}
	}
	for i := 2000; i < 3000; i++ {
		if _, err := s.Apply(t.Context(), key(i), signIn(i, "somebody else", start)); err != nil {
			t.Fatal(err)
		}
	}
	if got := memstore.IndexSize(s); got != n-2000 {
		t.Errorf("%d in the index, want %d", got, n-2000)
	}
	check(t, s)
	for {
		got, err := s.Purge(t.Context(), start.Add(time.Minute+60*time.Second), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if got < 1000 {
			break
		}
	}
	live := 0
	for i := range n {
		if rec, err := s.Load(t.Context(), key(i)); err == nil && rec.Subject() != "" {
			live++
		}
	}
	if got := memstore.IndexSize(s); got != live || live != n-60_001 {
		t.Errorf("%d in the index, %d live, want %d", got, live, n-60_001)
	}
	check(t, s)
	if got, err := s.Purge(t.Context(), start.Add(200*time.Hour), n); err != nil || got != live {
		t.Fatalf("%d, %v; want %d", got, err, live)
	}
	if got := memstore.IndexSize(s); got != 0 || s.Stats().Sessions != 0 {
		t.Errorf("%d in the index of an empty store", got)
	}
	check(t, s)
}

func TestManySessionsOfOneSubject(t *testing.T) {
	s := open(t, nil)
	const n = 20_000
	for i := range n {
		create(t, s, record(t, i*7919%n, "service", start, 0))
	}
	check(t, s)
	if got, err := s.RevokeSubject(t.Context(), "service", start, key(4), key(n-1)); err != nil || got != n-2 {
		t.Fatalf("%d, %v", got, err)
	}
	if page, _, err := s.List(t.Context(), beaker.ListQuery{Subject: "service"}); err != nil ||
		!slices.EqualFunc(page, []int{4, n - 1}, func(r *beaker.Record, n int) bool { return r.Key() == key(n) }) {
		t.Fatalf("%v, %v", page, err)
	}
	check(t, s)
}
