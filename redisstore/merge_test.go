//go:build linux

package redisstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// The script that applies changes is a second definition of what beaker.Merge is the
// first of. Here chance makes changes of every kind, likely and unlikely, and the two
// must agree: on the record, on the version, and on every part of an error.
func TestTheScriptMergesAsMergeDoes(t *testing.T) {
	histories, steps := 12, 150
	if os.Getenv("BEAKER_SOAK") == "1" {
		histories, steps = 200, 1000
	}
	s := newPlace(t).store(t, redisstore.Options{})
	refused := map[string]int{}
	for h := range histories {
		rnd := rand.New(rand.NewPCG(uint64(h), 1)) // a reproducible history, no secret
		runHistory(t, s, rnd, steps, refused)
	}
	t.Logf("%d histories of %d changes; answers: %v", histories, steps, refused)
	for _, want := range []string{"ErrNotFound", "ErrConflict", "ErrTooLarge", "impossible", "ok"} {
		if refused[want] == 0 {
			t.Errorf("no change was answered with %s: this shows too little", want)
		}
	}
}

func runHistory(t *testing.T, s *redisstore.Store, rnd *rand.Rand, steps int, answers map[string]int) {
	t.Helper()
	now := epoch
	rec := created(t, s, newMeta(), "a", "1")
	proofs := []beaker.Proof{rec.Meta().Proof}
	for step := range steps {
		now += beaker.Millis(rnd.IntN(3) * rnd.IntN(60_000))
		ch := chance(rnd, rec, proofs, now)
		want, wantErr := beaker.Merge(rec, ch)
		v, err := s.Apply(t.Context(), rec.Key(), ch)
		answer := errorName(wantErr)
		answers[answer]++
		got := errorName(err)
		if got == "impossible" && (wantErr != nil || want == rec) {
			continue // what nobody can ask for is refused before the session is looked at
		}
		if got != answer {
			t.Fatalf("step %d: Apply: %v, Merge: %v\n%+v", step, err, wantErr, ch)
		}
		var large, wantLarge *beaker.TooLargeError
		if errors.As(wantErr, &wantLarge) && (!errors.As(err, &large) || *large != *wantLarge) {
			t.Fatalf("step %d: Apply: %+v, Merge: %+v", step, err, wantErr)
		}
		if wantErr == nil {
			if v != want.Version() {
				t.Fatalf("step %d: version %d, want %d", step, v, want.Version())
			}
			if want.Meta().Proof != rec.Meta().Proof {
				proofs = append(proofs, want.Meta().Proof)
			}
			rec = want
		}
		stored, err := s.Load(t.Context(), rec.Key())
		if err != nil {
			t.Fatalf("step %d: Load: %v\nafter %+v", step, err, ch)
		}
		if g, w := encoded(t, stored), encoded(t, rec); g != w {
			t.Fatalf("step %d: the store holds\n%q, want\n%q\nafter %+v", step, g, w, ch)
		}
		if rec.Expired(now) { // nothing more can happen to it
			m := newMeta()
			m.Created, m.Touched, m.Absolute = now, now, now+12*hour
			rec = created(t, s, m, "a", "1")
			proofs = []beaker.Proof{m.Proof}
		}
	}
}

func encoded(t *testing.T, rec *beaker.Record) string {
	t.Helper()
	b, err := rec.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func errorName(err error) string {
	for name, known := range map[string]error{
		"ErrNotFound": beaker.ErrNotFound, "ErrConflict": beaker.ErrConflict, "ErrTooLarge": beaker.ErrTooLarge,
	} {
		if errors.Is(err, known) {
			return name
		}
	}
	if err != nil {
		return "impossible"
	}
	return "ok"
}

var someNames = []string{"", "a", "b", "c", "m", "n", "p", ":", ":a", "\x00flash", "\xff\xfe", strings.Repeat("n", 127), strings.Repeat("n", 128), strings.Repeat("n", 255)}

// chance makes a change that somebody might want done to rec.
func chance(rnd *rand.Rand, rec *beaker.Record, proofs []beaker.Proof, now beaker.Millis) *beaker.Change {
	one := func(in int) bool { return rnd.IntN(in) == 0 }
	m := rec.Meta()
	ch := &beaker.Change{Now: now, Began: now, AnyProof: one(8)}
	if !one(20) {
		// The current proof, most of the time, or one of those before it.
		ch.Proof = proofs[max(0, len(proofs)-1-rnd.IntN(3)*rnd.IntN(2))]
	}
	switch { // at the very edges of what it waits for
	case one(25):
		ch.Now = rec.Expires() - beaker.Millis(rnd.IntN(2))
	case one(25) && m.PrevUntil != 0:
		ch.Now = m.PrevUntil - beaker.Millis(rnd.IntN(2))
	}
	names := rnd.Perm(len(someNames))
	if one(2) {
		for _, n := range names[:rnd.IntN(4)] {
			length := []int{0, 1, 20, 127, 128, 300, 20_000}[rnd.IntN(7)]
			ch.Set = append(ch.Set, beaker.Value{Name: someNames[n], Data: []byte(strings.Repeat("x", length))})
		}
	}
	if one(30) { // more than unpack takes at once
		for i := range 150 + rnd.IntN(100) {
			ch.Set = append(ch.Set, beaker.Value{Name: fmt.Sprintf("many-%d", i), Data: []byte("v")})
		}
	}
	if one(4) {
		for _, n := range names[2 : 2+rnd.IntN(5)] { // perhaps of the same names as above, perhaps twice
			ch.Remove = append(ch.Remove, someNames[n], someNames[n])
		}
	}
	if one(40) {
		for i := range 250 {
			ch.Remove = append(ch.Remove, fmt.Sprintf("many-%d", i))
		}
	}
	ch.Clear = one(12)
	if one(3) {
		ch.Touch = now - beaker.Millis(rnd.IntN(5000))
	}
	if one(6) {
		ch.IfVersion = m.Version - beaker.Version(rnd.IntN(2))
	}
	if one(3) {
		ch.Limits = beaker.Limits{MaxBytes: rnd.IntN(3) * rnd.IntN(25_000), MaxKeys: rnd.IntN(2) * rnd.IntN(12)}
	}
	if one(10) {
		ch.Idle = []time.Duration{beaker.NoLimit, time.Millisecond, time.Microsecond, -1, time.Duration(rnd.IntN(90)+1) * time.Minute}[rnd.IntN(5)]
	}
	if one(10) {
		ch.Absolute = []beaker.Millis{-1, now + 1, 1 << 51, 1<<51 + 1, now + 10*hour}[rnd.IntN(5)]
	}
	if one(8) {
		subject := []string{"", "", "fred", "user with spaces 1", "\u00e9\u4e2d", "a\nb", "a\xff", strings.Repeat("s", 256)}[rnd.IntN(8)]
		ch.Subject, ch.AuthenticatedAt = &subject, now*beaker.Millis(rnd.IntN(2))
	}
	if one(12) {
		ch.Cookie = &beaker.CookieAttributes{
			Path: "/p", Domain: []string{"", "example.com"}[rnd.IntN(2)], SameSite: http.SameSite(rnd.IntN(5)), Expires: beaker.ExpiresAfter(time.Hour),
		}
	}
	if one(8) {
		next := beaker.Proof(unique("next"))
		switch {
		case one(6):
			next = m.Proof // once more what was done already, perhaps
			ch.Proof = m.PrevProof
		case one(10):
			next = beaker.Proof{}
		}
		ch.Rotate = &beaker.Rotation{Next: next, Grace: time.Duration(rnd.IntN(3)-1) * time.Minute}
	}
	return ch
}
