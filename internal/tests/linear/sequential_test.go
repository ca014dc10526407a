package linear_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/seed12c5fab1/beaker"
)

type kind int

const (
	create kind = iota
	load
	apply
	remove
	purge
)

// call is what an operation was asked.
type call struct {
	kind kind
	rec  *beaker.Record // create
	ch   *beaker.Change // apply
	now  beaker.Millis  // purge
}

// answer is what it returned.
type answer struct {
	result  string // "ok" or the name of an error of the contract; else the error's text
	version beaker.Version
	record  string // load: the record, encoded
	purged  int
}

var contractErrors = []struct {
	name string
	err  error
}{
	{"ErrNotFound", beaker.ErrNotFound},
	{"ErrExists", beaker.ErrExists},
	{"ErrConflict", beaker.ErrConflict},
	{"ErrTooLarge", beaker.ErrTooLarge},
}

func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	for _, e := range contractErrors {
		if errors.Is(err, e.err) {
			return e.name
		}
	}
	return "failed: " + err.Error()
}

// expected reports whether a result is one of the contract's. Others are reported as
// they are: no order of calls explains them.
func (a answer) expected() bool { return !strings.HasPrefix(a.result, "failed: ") }

// stored is the sequential store: one record, or none.
type stored struct {
	rec *beaker.Record
	enc string // of rec; what states are compared by
}

func store(rec *beaker.Record) stored { return stored{rec, encoded(rec)} }

func encoded(rec *beaker.Record) string {
	b, err := rec.AppendBinary(nil)
	if err != nil {
		panic(err) // only the zero Record has no encoding
	}
	return string(b)
}

// step is the whole contract for one key, in sequence.
func (s stored) step(c call) (answer, stored) {
	switch c.kind {
	case create:
		if s.rec != nil {
			return answer{result: "ErrExists"}, s
		}
		return answer{result: "ok"}, store(c.rec)
	case load:
		if s.rec == nil {
			return answer{result: "ErrNotFound"}, s
		}
		return answer{result: "ok", record: s.enc}, s
	case apply:
		if s.rec == nil {
			return answer{result: "ErrNotFound"}, s
		}
		out, err := beaker.Merge(s.rec, c.ch)
		if err != nil {
			return answer{result: resultOf(err)}, s
		}
		return answer{result: "ok", version: out.Version()}, store(out)
	case remove:
		return answer{result: "ok"}, stored{}
	default:
		if s.rec != nil && s.rec.Expired(c.now) {
			return answer{result: "ok", purged: 1}, stored{}
		}
		return answer{result: "ok"}, s
	}
}

var model = porcupine.Model{
	Init: func() any { return stored{} },
	Step: func(state, input, output any) (bool, any) {
		want, next := state.(stored).step(input.(call))
		return want == output.(answer), next
	},
	Equal: func(a, b any) bool { return a.(stored).enc == b.(stored).enc },
}

func (c call) String() string {
	switch c.kind {
	case create:
		return "Create by " + nameOf(c.rec.Meta().Proof)
	case load:
		return "Load"
	case remove:
		return "Delete"
	case purge:
		return fmt.Sprintf("Purge at %+d", c.now-base)
	}
	ch := c.ch
	var b strings.Builder
	fmt.Fprintf(&b, "Apply at %+d by %s", ch.Now-base, nameOf(ch.Proof))
	if ch.AnyProof {
		b.WriteString(" (any)")
	}
	if ch.IfVersion != 0 {
		fmt.Fprintf(&b, " if version %d", ch.IfVersion)
	}
	if ch.Clear {
		b.WriteString(" clear")
	}
	for _, name := range ch.Remove {
		fmt.Fprintf(&b, " remove %s", name)
	}
	for _, v := range ch.Set {
		fmt.Fprintf(&b, " %s=%s", v.Name, v.Data)
	}
	if ch.Touch != 0 {
		fmt.Fprintf(&b, " touch %+d", ch.Touch-base)
	}
	if ch.Idle != 0 {
		fmt.Fprintf(&b, " idle %v", ch.Idle)
	}
	if ch.Subject != nil {
		fmt.Fprintf(&b, " subject %q", *ch.Subject)
	}
	if ch.Rotate != nil {
		fmt.Fprintf(&b, " rotate to %s, grace %v", nameOf(ch.Rotate.Next), ch.Rotate.Grace)
	}
	return b.String()
}

func (a answer) String() string {
	switch {
	case a.record != "":
		rec, err := beaker.ParseRecord([]byte(a.record))
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		m := rec.Meta()
		fmt.Fprintf(&b, "version %d, touched %+d, idle %v, subject %q, proof %s before %s until %+d:",
			m.Version, m.Touched-base, m.Idle, m.Subject, nameOf(m.Proof), nameOf(m.PrevProof), m.PrevUntil-base)
		for name, data := range rec.Values() {
			fmt.Fprintf(&b, " %s=%s", name, data)
		}
		return b.String()
	case a.version != 0:
		return fmt.Sprintf("version %d", a.version)
	case a.purged != 0:
		return fmt.Sprintf("%d purged", a.purged)
	}
	return a.result
}

// nameOf returns the text that proofOf made a proof of.
func nameOf(p beaker.Proof) string {
	if p.IsZero() {
		return "nobody"
	}
	return strings.TrimRight(string(p[:]), "\x00")
}

func proofOf(name string) (p beaker.Proof) {
	copy(p[:], name)
	return p
}
