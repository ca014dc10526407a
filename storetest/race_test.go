package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// Parties that wait for each other have overlapped for certain, and must be counted so.
func TestRoundsThatOverlapAreCounted(t *testing.T) {
	const rounds = 8
	e := newEnv(&recorder{ctx: t.Context()}, &suite{rounds: rounds})
	n := 0
	e.race(func(release func(left, right func(beaker.Store)) order) {
		n++
		if n <= orderedRounds {
			release(func(beaker.Store) {}, func(beaker.Store) {})
			return
		}
		meet := make(chan struct{})
		if got := release(func(beaker.Store) { meet <- struct{}{} }, func(beaker.Store) { <-meet }); got != overlapped {
			t.Errorf("round %d: order %d, want overlapped", n, got)
		}
	})
	if e.raced != rounds || e.overlapped != rounds || n != rounds+orderedRounds {
		t.Errorf("%d of %d rounds overlapped and %d ran, want %d of %d", e.overlapped, e.raced, n, rounds, rounds)
	}
}

// Each order is run with either store on either side before any round that races.
func TestBothOrdersAreRunFirst(t *testing.T) {
	a, b := newReference(), newReference()
	e := newEnv(&recorder{ctx: t.Context()}, &suite{rounds: 1, nodes: true})
	e.a, e.b = a, b
	seen := map[string]bool{}
	n := 0
	e.race(func(release func(left, right func(beaker.Store)) order) {
		n++
		var ran string
		got := release(
			func(s beaker.Store) {
				if n <= orderedRounds {
					ran += "left" + map[beaker.Store]string{a: "A", b: "B"}[s]
				}
			},
			func(s beaker.Store) {
				if n <= orderedRounds {
					ran += "right" + map[beaker.Store]string{a: "A", b: "B"}[s]
				}
			},
		)
		if n <= orderedRounds {
			seen[ran] = true
			if want := map[bool]order{true: leftFirst, false: rightFirst}[ran[0] == 'l']; got != want {
				t.Errorf("%s: order %d, want %d", ran, got, want)
			}
		}
	})
	want := map[string]bool{"leftArightB": true, "leftBrightA": true, "rightBleftA": true, "rightAleftB": true}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("ran %v, want %v", seen, want)
	}
}

// A field that diff does not compare is a field that no check checks.
func TestDiffComparesEveryFieldOfMeta(t *testing.T) {
	e := newEnv(&recorder{ctx: t.Context()}, &suite{})
	want := e.full()
	fields := reflect.TypeFor[beaker.Meta]()
	for i := range fields.NumField() {
		m := want.Meta()
		f := reflect.ValueOf(&m).Elem().Field(i)
		switch v := f.Addr().Interface().(type) {
		case *beaker.RecordKey:
			v[31] ^= 1
		case *beaker.Proof:
			v[31] ^= 1
		case *beaker.Millis:
			*v++
		case *beaker.Version:
			*v++
		case *time.Duration:
			*v += time.Millisecond
		case *string:
			*v += "x"
		case **beaker.CookieAttributes:
			(*v).Path += "x"
		default:
			t.Fatalf("a field of an unknown type: %s", fields.Field(i).Name)
		}
		if diff(want, remade(want, func(to *beaker.Meta) { *to = m })) == "" {
			t.Errorf("diff does not see a change of %s", fields.Field(i).Name)
		}
	}
	for desc, other := range map[string]*beaker.Record{
		"a value that is missing": revalued(want, func(n, d string) (string, string, bool) { return n, d, n != "name" }),
		"a value that differs":    revalued(want, func(n, d string) (string, string, bool) { return n, d + "x", true }),
		"a value of another name": revalued(want, func(n, d string) (string, string, bool) { return n + "x", d, true }),
		"no cookie attributes":    remade(want, func(m *beaker.Meta) { m.Cookie = nil }),
		"no record at all":        nil,
		"an extra value":          e.record(want.Meta(), append(pairs("extra", "1"), valuesOf(want)...)...),
	} {
		if diff(want, other) == "" || diff(other, want) == "" {
			t.Errorf("diff does not see %s", desc)
		}
	}
	if d := diff(want, want.WithHint(1)); d != "" {
		t.Errorf("diff compares hints: %s", d)
	}
	if d := diff(nil, nil); d != "" {
		t.Errorf("no record differs from no record: %s", d)
	}
}

func valuesOf(rec *beaker.Record) (values []beaker.Value) {
	for name, data := range rec.Values() {
		values = append(values, beaker.Value{Name: name, Data: []byte(data)})
	}
	return values
}

func TestRoundsFollowTheEnvironment(t *testing.T) {
	t.Setenv("BEAKER_RACE_ROUNDS", "123")
	if n := raceRounds(t); n != 123 {
		t.Errorf("%d rounds, want 123", n)
	}
	for _, v := range []string{"0", "-1", "many", "1e3"} {
		t.Setenv("BEAKER_RACE_ROUNDS", v)
		root := &recorder{ctx: t.Context()}
		if got := root.sub("rounds", func(t tb) { raceRounds(t) }); !got.Failed() {
			t.Errorf("BEAKER_RACE_ROUNDS %q is taken", v)
		}
	}
}
