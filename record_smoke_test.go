package beaker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func TestRecordRoundTrip(t *testing.T) {
	r, err := beaker.NewRecord(beaker.Meta{Key: beaker.RecordKey{1}, Proof: beaker.Proof{2}, Version: 1, Created: 5, Touched: 5, Idle: time.Minute, Absolute: 1e6, Subject: "u"},
		[]beaker.Value{{"b", []byte("2")}, {"a", []byte("1")}})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := r.AppendBinary(nil)
	r2, err := beaker.ParseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := beaker.Merge(r2, &beaker.Change{Now: 6, Proof: beaker.Proof{2}, Set: []beaker.Value{{"c", []byte("3")}, {"a", []byte("9")}}, Remove: []string{"b"}})
	if err != nil {
		t.Fatal(err)
	}
	s := ""
	for k, v := range m.Values() {
		s += k + "=" + v + " "
	}
	if s != "a=9 c=3 " || m.Version() != 2 {
		t.Fatal(s, fmt.Sprintf("%+v", m))
	}
}
