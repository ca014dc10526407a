package beaker_test

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

const mergeNow = recordEpoch + 10_000

// changeBy returns a change that asks for nothing.
func changeBy(p beaker.Proof) *beaker.Change {
	return &beaker.Change{Now: mergeNow, Proof: p}
}

func mustMerge(tb testing.TB, rec *beaker.Record, ch *beaker.Change) *beaker.Record {
	tb.Helper()
	out, err := beaker.Merge(rec, ch)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// Whatever Merge returns can be stored and read again.
func mustStore(tb testing.TB, rec *beaker.Record) {
	tb.Helper()
	if _, err := beaker.ParseRecord(encodeRecord(tb, rec)); err != nil {
		tb.Errorf("the merged record does not decode: %v", err)
	}
}

func TestMergeLaysValuesOverEachOther(t *testing.T) {
	old := []beaker.Value{val("a", "1"), val("b", "2"), val("c", "3")}
	for _, c := range []struct {
		desc string
		ch   beaker.Change
		want map[string]string
	}{
		{"set a new name", beaker.Change{Set: []beaker.Value{val("d", "4")}}, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}},
		{"set replaces", beaker.Change{Set: []beaker.Value{val("b", "9")}}, map[string]string{"a": "1", "b": "9", "c": "3"}},
		{"set in any order", beaker.Change{Set: []beaker.Value{val("z", "26"), val("", "0"), val("b", "9"), val("aa", "5")}}, map[string]string{"": "0", "a": "1", "aa": "5", "b": "9", "c": "3", "z": "26"}},
		{"set to nothing is not remove", beaker.Change{Set: []beaker.Value{{Name: "b"}}}, map[string]string{"a": "1", "b": "", "c": "3"}},
		{"remove", beaker.Change{Remove: []string{"c", "a"}}, map[string]string{"b": "2"}},
		{"remove what is not there", beaker.Change{Remove: []string{"nobody"}}, map[string]string{"a": "1", "b": "2", "c": "3"}},
		{"remove twice", beaker.Change{Remove: []string{"a", "a"}}, map[string]string{"b": "2", "c": "3"}},
		{"remove everything", beaker.Change{Remove: []string{"a", "b", "c"}}, map[string]string{}},
		{"clear", beaker.Change{Clear: true}, map[string]string{}},
		{"clear, then set", beaker.Change{Clear: true, Set: []beaker.Value{val("b", "9"), val("x", "1")}}, map[string]string{"b": "9", "x": "1"}},
		{"clear, then remove, then set", beaker.Change{Clear: true, Remove: []string{"a"}, Set: []beaker.Value{val("x", "1")}}, map[string]string{"x": "1"}},
		{"remove, then set", beaker.Change{Remove: []string{"a"}, Set: []beaker.Value{val("x", "1"), val("c", "9")}}, map[string]string{"b": "2", "c": "9", "x": "1"}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			rec := mustRecord(t, plainMeta(), old...)
			before := encodeRecord(t, rec)
			ch := c.ch
			ch.Now, ch.Proof = mergeNow, beaker.Proof{2}
			out := mustMerge(t, rec, &ch)
			if got := valuesOf(out); !maps.Equal(got, c.want) || out.Len() != len(c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if out.Version() != rec.Version()+1 {
				t.Errorf("version %d after %d", out.Version(), rec.Version())
			}
			if !bytes.Equal(encodeRecord(t, rec), before) {
				t.Error("the record that was merged into has changed")
			}
			mustStore(t, out)
		})
	}
}

// What the caller does with its slices afterwards does not reach the record, and
// Merge does not reorder them.
func TestMergeKeepsNothingOfTheChange(t *testing.T) {
	rec := mustRecord(t, plainMeta(), val("a", "1"))
	subject := "fred"
	ch := changeBy(beaker.Proof{2})
	ch.Set = []beaker.Value{val("z", "26"), val("b", "2")}
	ch.Remove = []string{"a"}
	ch.Subject = &subject
	ch.Cookie = &beaker.CookieAttributes{Path: "/x"}
	ch.Rotate = &beaker.Rotation{Next: beaker.Proof{5}, Grace: time.Second}
	out := mustMerge(t, rec, ch)
	if ch.Set[0].Name != "z" || string(ch.Set[0].Data) != "26" {
		t.Error("Merge sorted the caller's slice")
	}
	want := encodeRecord(t, out)

	ch.Set[0].Data[0], ch.Set[1] = 'x', val("evil", "1")
	ch.Remove[0] = "b"
	subject = "mallory"
	ch.Cookie.Path = "/evil"
	ch.Rotate.Next, ch.Rotate.Grace = beaker.Proof{6}, time.Hour
	if !bytes.Equal(encodeRecord(t, out), want) {
		t.Error("the merged record changed with the change")
	}
}

func TestMergeWithNothingToWriteReturnsTheRecordItself(t *testing.T) {
	meta := fullMeta() // rotated from 3 to 2, grace until 90 s
	rec := mustRecord(t, meta, val("a", "1")).WithHint("cas 7")
	for _, c := range []struct {
		desc string
		ch   beaker.Change
	}{
		{"nothing is asked", beaker.Change{Proof: meta.Proof}},
		{"a touch at the time of the last", beaker.Change{Proof: meta.Proof, Touch: meta.Touched}},
		{"a touch that is older", beaker.Change{Proof: meta.Proof, Touch: meta.Touched - 1}},
		{"a condition that holds", beaker.Change{Proof: meta.Proof, IfVersion: meta.Version}},
		{"a rotation that was done already", beaker.Change{Proof: meta.PrevProof, Rotate: &beaker.Rotation{Next: meta.Proof}}},
		{"a rotation that was done already, with what went with it", beaker.Change{
			Proof: meta.PrevProof, Rotate: &beaker.Rotation{Next: meta.Proof, Grace: time.Minute}, Touch: mergeNow, IfVersion: meta.Version - 1, Set: []beaker.Value{val("b", "2")},
		}},
		{"a rotation that was done already, by an operator", beaker.Change{AnyProof: true, Rotate: &beaker.Rotation{Next: meta.Proof}}},
		{"a rotation that was done already, long after the grace", beaker.Change{Now: recordEpoch.Add(20 * time.Minute), Proof: meta.PrevProof, Rotate: &beaker.Rotation{Next: meta.Proof}}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			if c.ch.Now == 0 {
				c.ch.Now = mergeNow
			}
			if out := mustMerge(t, rec, &c.ch); out != rec {
				t.Errorf("not the record itself: %v", out)
			}
		})
	}
}

// A merged record has no hint: the store's token belongs to what was stored.
func TestMergeDropsTheHint(t *testing.T) {
	rec := mustRecord(t, plainMeta()).WithHint("cas 7")
	for desc, ch := range map[string]*beaker.Change{
		"touch": {Now: mergeNow, Proof: beaker.Proof{2}, Touch: mergeNow},
		"data":  {Now: mergeNow, Proof: beaker.Proof{2}, Clear: true},
	} {
		if out := mustMerge(t, rec, ch); out.Hint() != nil {
			t.Errorf("%s: the hint %v is left", desc, out.Hint())
		}
	}
}

// TO-5: a touch carries a time, never data, and only ever forward.
func TestMergeTouchIsAMaximumAndNoNewVersion(t *testing.T) {
	rec := mustRecord(t, plainMeta(), val("a", "1"))
	out := mustMerge(t, rec, &beaker.Change{Now: mergeNow, Proof: beaker.Proof{2}, Touch: mergeNow})
	want := rec.Meta()
	want.Touched = mergeNow
	if !reflect.DeepEqual(out.Meta(), want) || !maps.Equal(valuesOf(out), valuesOf(rec)) {
		t.Error("a touch changed more than the time of use")
	}
	back := mustMerge(t, out, &beaker.Change{Now: mergeNow, Proof: beaker.Proof{2}, Touch: mergeNow - 1, Set: []beaker.Value{val("b", "2")}})
	if back.Touched() != mergeNow {
		t.Error("an older touch that came with data won")
	}
	on := mustMerge(t, out, &beaker.Change{Now: mergeNow, Proof: beaker.Proof{2}, Touch: mergeNow + 1, Set: []beaker.Value{val("b", "2")}})
	if on.Touched() != mergeNow+1 || on.Version() != 2 {
		t.Error("a touch that came with data was lost")
	}
}

// TO-2: nothing but Absolute moves the absolute deadline.
func TestMergeChangesOnlyWhatIsAsked(t *testing.T) {
	subject, anonymous := "wilma", ""
	own := &beaker.CookieAttributes{Path: "/x", SameSite: http.SameSiteStrictMode}
	for _, c := range []struct {
		desc string
		ch   beaker.Change
		want func(*beaker.Meta)
	}{
		{"idle", beaker.Change{Idle: time.Hour}, func(m *beaker.Meta) { m.Idle = time.Hour }},
		{"idle is cut to the millisecond", beaker.Change{Idle: time.Second + 1}, func(m *beaker.Meta) { m.Idle = time.Second }},
		{"no idle limit", beaker.Change{Idle: beaker.NoLimit}, func(m *beaker.Meta) { m.Idle = beaker.NoLimit }},
		{"the longest duration is no limit", beaker.Change{Idle: math.MaxInt64}, func(m *beaker.Meta) { m.Idle = beaker.NoLimit }},
		{"absolute", beaker.Change{Absolute: mergeNow + 5}, func(m *beaker.Meta) { m.Absolute = mergeNow + 5 }},
		{"the last absolute deadline", beaker.Change{Absolute: 1 << 51}, func(m *beaker.Meta) { m.Absolute = 1 << 51 }},
		{"subject", beaker.Change{Subject: &subject, AuthenticatedAt: mergeNow}, func(m *beaker.Meta) { m.Subject, m.AuthenticatedAt = "wilma", mergeNow }},
		{"anonymous", beaker.Change{Subject: &anonymous}, func(m *beaker.Meta) { m.Subject, m.AuthenticatedAt = "", 0 }},
		{"the time of a sign-in without one", beaker.Change{Clear: true, AuthenticatedAt: mergeNow}, func(*beaker.Meta) {}},
		{"cookie", beaker.Change{Cookie: own}, func(m *beaker.Meta) { m.Cookie = own }},
		{"values", beaker.Change{Set: []beaker.Value{val("b", "2")}}, func(*beaker.Meta) {}},
		{"rotation", beaker.Change{Rotate: &beaker.Rotation{Next: beaker.Proof{9}}}, func(m *beaker.Meta) {
			m.PrevProof, m.Proof, m.RotatedAt, m.PrevUntil = m.Proof, beaker.Proof{9}, mergeNow, mergeNow
		}},
		{"rotation with grace", beaker.Change{Rotate: &beaker.Rotation{Next: beaker.Proof{9}, Grace: 1500 * time.Microsecond}}, func(m *beaker.Meta) {
			m.PrevProof, m.Proof, m.RotatedAt, m.PrevUntil = m.Proof, beaker.Proof{9}, mergeNow, mergeNow+1
		}},
		{"rotation with a negative grace", beaker.Change{Rotate: &beaker.Rotation{Next: beaker.Proof{9}, Grace: -time.Hour}}, func(m *beaker.Meta) {
			m.PrevProof, m.Proof, m.RotatedAt, m.PrevUntil = m.Proof, beaker.Proof{9}, mergeNow, mergeNow
		}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			rec := mustRecord(t, fullMeta(), val("a", "1"))
			c.ch.Now, c.ch.Proof = mergeNow, beaker.Proof{2}
			out := mustMerge(t, rec, &c.ch)
			want := fullMeta()
			c.want(&want)
			want.Version++
			if got := out.Meta(); !reflect.DeepEqual(got, want) {
				t.Errorf("not what was asked:\n%#v\n%#v", flat(got), flat(want))
			}
			if c.ch.Set == nil && !c.ch.Clear && !maps.Equal(valuesOf(out), valuesOf(rec)) {
				t.Error("the values changed")
			}
			mustStore(t, out)
		})
	}
}

// flat is a Meta that prints.
func flat(m beaker.Meta) []any {
	c := beaker.CookieAttributes{}
	if m.Cookie != nil {
		c = *m.Cookie
	}
	return []any{m.Key.String(), m.Proof[0], m.PrevProof[0], m.PrevUntil, m.RotatedAt, m.Version, m.Created, m.Touched, m.Idle, m.Absolute, m.Subject, m.AuthenticatedAt, c}
}

func TestMergeRefuses(t *testing.T) {
	long, control, raw := strings.Repeat("x", 256), "a\x00b", "\xff"
	set := []beaker.Value{val("b", "2")}
	meta := fullMeta()
	expires := recordEpoch.Add(30 * time.Minute)
	for _, c := range []struct {
		desc string
		ch   beaker.Change
		want error // nil: any that is not one of the contract's
	}{
		{"the zero change", beaker.Change{}, beaker.ErrNotFound},
		{"the zero proof", beaker.Change{Set: set}, beaker.ErrNotFound},
		{"a foreign proof", beaker.Change{Proof: beaker.Proof{8}, Set: set}, beaker.ErrNotFound},
		{"a foreign proof that only touches", beaker.Change{Proof: beaker.Proof{8}, Touch: mergeNow}, beaker.ErrNotFound},
		{"the proof that the rotation would give", beaker.Change{Proof: beaker.Proof{9}, Rotate: &beaker.Rotation{Next: beaker.Proof{9}}}, beaker.ErrNotFound},
		{"the current proof rotating to itself when it is not the last rotation", beaker.Change{Proof: beaker.Proof{8}, Rotate: &beaker.Rotation{Next: meta.Proof}}, beaker.ErrNotFound},
		{"the previous proof after its grace", beaker.Change{Proof: meta.PrevProof, Now: meta.PrevUntil, Set: set}, beaker.ErrNotFound},
		{"the previous proof after its grace that only touches", beaker.Change{Proof: meta.PrevProof, Now: meta.PrevUntil, Touch: meta.PrevUntil}, beaker.ErrNotFound},
		{"a rotation by the previous proof in its grace", beaker.Change{Proof: meta.PrevProof, Rotate: &beaker.Rotation{Next: beaker.Proof{9}}}, beaker.ErrNotFound},
		{"an expired record", beaker.Change{Proof: meta.Proof, Now: expires, Set: set}, beaker.ErrNotFound},
		{"an expired record and an operator", beaker.Change{AnyProof: true, Now: expires, Set: set}, beaker.ErrNotFound},
		{"an expired record and a touch", beaker.Change{Proof: meta.Proof, Now: expires, Touch: expires}, beaker.ErrNotFound},
		{"an expired record and a longer life", beaker.Change{Proof: meta.Proof, Now: expires, Idle: time.Hour}, beaker.ErrNotFound},
		{"an expired record and a rotation that was done already", beaker.Change{Proof: meta.PrevProof, Now: expires, Rotate: &beaker.Rotation{Next: meta.Proof}}, beaker.ErrNotFound},
		{"another version", beaker.Change{Proof: meta.Proof, IfVersion: meta.Version - 1, Set: set}, beaker.ErrConflict},
		{"another version that only touches", beaker.Change{Proof: meta.Proof, IfVersion: meta.Version + 1, Touch: mergeNow}, beaker.ErrConflict},
		{"another version that asks for nothing", beaker.Change{Proof: meta.Proof, IfVersion: meta.Version + 1}, beaker.ErrConflict},
		{"a foreign proof learns nothing of the version", beaker.Change{Proof: beaker.Proof{8}, IfVersion: meta.Version + 1}, beaker.ErrNotFound},
		{"too many keys", beaker.Change{Proof: meta.Proof, Set: set, Limits: beaker.Limits{MaxKeys: 1}}, beaker.ErrTooLarge},
		{"too many bytes", beaker.Change{Proof: meta.Proof, Set: set, Limits: beaker.Limits{MaxBytes: 8}}, beaker.ErrTooLarge},
		{"too many bytes for a key that is there", beaker.Change{Proof: meta.Proof, Set: []beaker.Value{val("a", "1234")}, Limits: beaker.Limits{MaxBytes: 7}}, beaker.ErrTooLarge},
		{"a rotation to the zero proof", beaker.Change{Proof: meta.Proof, Rotate: &beaker.Rotation{}}, nil},
		{"an idle timeout below a millisecond", beaker.Change{Proof: meta.Proof, Idle: time.Millisecond - 1}, nil},
		{"a negative idle timeout", beaker.Change{Proof: meta.Proof, Idle: -1}, nil},
		{"the most negative idle timeout", beaker.Change{Proof: meta.Proof, Idle: math.MinInt64}, nil},
		{"a negative absolute deadline", beaker.Change{Proof: meta.Proof, Absolute: -1}, nil},
		{"an absolute deadline that is too late", beaker.Change{Proof: meta.Proof, Absolute: 1<<51 + 1}, nil},
		{"a subject that is too long", beaker.Change{Proof: meta.Proof, Subject: &long}, beaker.ErrInvalidSubject},
		{"a subject with a control character", beaker.Change{Proof: meta.Proof, Subject: &control}, beaker.ErrInvalidSubject},
		{"a subject that is not UTF-8", beaker.Change{Proof: meta.Proof, Subject: &raw}, beaker.ErrInvalidSubject},
	} {
		t.Run(c.desc, func(t *testing.T) {
			rec := mustRecord(t, meta, val("a", "1"))
			before := encodeRecord(t, rec)
			if c.ch.Now == 0 {
				c.ch.Now = mergeNow
			}
			out, err := beaker.Merge(rec, &c.ch)
			if out != nil || err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("%v, %v; want %v", out, err, c.want)
			}
			if c.want == nil && (errors.Is(err, beaker.ErrNotFound) || errors.Is(err, beaker.ErrConflict) || errors.Is(err, beaker.ErrTooLarge)) {
				t.Errorf("a caller's mistake looks like the store's: %v", err)
			}
			if !bytes.Equal(encodeRecord(t, rec), before) {
				t.Error("the record has changed")
			}
		})
	}
}

func TestMergeOfThePreviousProofInItsGrace(t *testing.T) {
	meta := fullMeta()
	rec := mustRecord(t, meta, val("a", "1"))
	for desc, ch := range map[string]*beaker.Change{
		"data":  {Now: meta.PrevUntil - 1, Proof: meta.PrevProof, Set: []beaker.Value{val("b", "2")}},
		"touch": {Now: meta.PrevUntil - 1, Proof: meta.PrevProof, Touch: meta.PrevUntil - 1},
	} {
		out, err := beaker.Merge(rec, ch)
		if err != nil || out == rec {
			t.Errorf("%s: %v", desc, err)
			continue
		}
		if m := out.Meta(); m.Proof != meta.Proof || m.PrevProof != meta.PrevProof || m.PrevUntil != meta.PrevUntil || m.RotatedAt != meta.RotatedAt {
			t.Errorf("%s: the proofs changed", desc)
		}
	}
}

func TestMergeOfAnOperatorNeedsNoProof(t *testing.T) {
	rec := mustRecord(t, plainMeta(), val("a", "1"))
	for desc, proof := range map[string]beaker.Proof{"none": {}, "a foreign one": {8}} {
		out, err := beaker.Merge(rec, &beaker.Change{Now: mergeNow, AnyProof: true, Proof: proof, Clear: true})
		if err != nil || out.Len() != 0 {
			t.Errorf("%s: %v", desc, err)
		}
	}
}

// DO-2: exactly the limits is allowed, and what only shrinks is never refused.
func TestMergeLimits(t *testing.T) {
	rec := mustRecord(t, plainMeta(), val("a", "1"), val("b", "2"), val("c", "3")) // 1 + 3*4 bytes
	set := []beaker.Value{val("d", "4")}
	for _, c := range []struct {
		desc string
		ch   beaker.Change
		ok   bool
	}{
		{"as many keys as may be", beaker.Change{Set: set, Limits: beaker.Limits{MaxKeys: 4}}, true},
		{"one key more", beaker.Change{Set: set, Limits: beaker.Limits{MaxKeys: 3}}, false},
		{"as many bytes as may be", beaker.Change{Set: set, Limits: beaker.Limits{MaxBytes: 17}}, true},
		{"one byte more", beaker.Change{Set: set, Limits: beaker.Limits{MaxBytes: 16}}, false},
		{"no limits", beaker.Change{Set: []beaker.Value{val("d", strings.Repeat("x", 1<<20))}}, true},
		{"the key takes the place of another", beaker.Change{Set: set, Remove: []string{"a"}, Limits: beaker.Limits{MaxKeys: 3, MaxBytes: 13}}, true},
		{"what counts is the result", beaker.Change{Clear: true, Set: set, Limits: beaker.Limits{MaxKeys: 1, MaxBytes: 5}}, true},
		{"an old session above new limits shrinks", beaker.Change{Remove: []string{"a"}, Limits: beaker.Limits{MaxKeys: 1, MaxBytes: 1}}, true},
		{"an old session above new limits changes otherwise", beaker.Change{Idle: time.Hour, Limits: beaker.Limits{MaxKeys: 1, MaxBytes: 1}}, true},
	} {
		t.Run(c.desc, func(t *testing.T) {
			c.ch.Now, c.ch.Proof = mergeNow, beaker.Proof{2}
			_, err := beaker.Merge(rec, &c.ch)
			var large *beaker.TooLargeError
			switch {
			case c.ok && err != nil:
				t.Error(err)
			case !c.ok && !errors.As(err, &large):
				t.Errorf("%v, want a TooLargeError", err)
			case !c.ok && (large.Keys != 4 || large.Bytes != 17 || large.MaxKeys != c.ch.Limits.MaxKeys || large.MaxBytes != c.ch.Limits.MaxBytes):
				t.Errorf("%+v does not say what is too large", large)
			}
		})
	}
}

// A request that never knew that its rotation was done repeats it, and then goes on
// with the proof that it made.
func TestMergeRotationIsIdempotent(t *testing.T) {
	rec := mustRecord(t, plainMeta(), val("n", "1"))
	ch := &beaker.Change{Now: mergeNow, Proof: beaker.Proof{2}, Rotate: &beaker.Rotation{Next: beaker.Proof{5}}, Set: []beaker.Value{val("n", "2")}}
	once := mustMerge(t, rec, ch)
	if twice := mustMerge(t, once, ch); twice != once {
		t.Error("the repeated rotation wrote again")
	}
	other := *ch
	other.Rotate = &beaker.Rotation{Next: beaker.Proof{6}}
	if _, err := beaker.Merge(once, &other); !errors.Is(err, beaker.ErrNotFound) {
		t.Errorf("another rotation with the replaced proof: %v", err)
	}
	// A rotation in between: the first one is history, and repeating it is refused.
	next := mustMerge(t, once, &beaker.Change{Now: mergeNow, Proof: beaker.Proof{5}, Rotate: &beaker.Rotation{Next: beaker.Proof{7}}})
	if _, err := beaker.Merge(next, ch); !errors.Is(err, beaker.ErrNotFound) {
		t.Errorf("a rotation from before the last: %v", err)
	}
	if out := mustMerge(t, once, &beaker.Change{Now: mergeNow, Proof: beaker.Proof{5}, Set: []beaker.Value{val("n", "3")}}); out.Version() != 3 {
		t.Errorf("the new proof does not apply: version %d", out.Version())
	}
}

func TestChangesData(t *testing.T) {
	empty := ""
	for desc, c := range map[string]struct {
		ch   beaker.Change
		want bool
	}{
		"nothing":      {beaker.Change{}, false},
		"touch":        {beaker.Change{Now: 1, Touch: 1, Began: 1, Proof: beaker.Proof{1}, IfVersion: 1, AnyProof: true, AuthenticatedAt: 1, Limits: beaker.Limits{MaxKeys: 1}}, false},
		"empty slices": {beaker.Change{Set: []beaker.Value{}, Remove: []string{}}, false},
		"clear":        {beaker.Change{Clear: true}, true},
		"remove":       {beaker.Change{Remove: []string{"a"}}, true},
		"set":          {beaker.Change{Set: []beaker.Value{{}}}, true},
		"idle":         {beaker.Change{Idle: 1}, true},
		"absolute":     {beaker.Change{Absolute: 1}, true},
		"subject":      {beaker.Change{Subject: &empty}, true},
		"cookie":       {beaker.Change{Cookie: &beaker.CookieAttributes{}}, true},
		"rotate":       {beaker.Change{Rotate: &beaker.Rotation{}}, true},
	} {
		if got := c.ch.ChangesData(); got != c.want {
			t.Errorf("%s: %v", desc, got)
		}
	}
}
