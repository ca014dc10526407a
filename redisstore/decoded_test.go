package redisstore

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// White box: what is remembered beside rueidis's copies is seen in memory only.

func decodedRecord(t *testing.T, bytes int) decoded {
	t.Helper()
	rec, err := beaker.NewRecord(beaker.Meta{
		Key: beaker.RecordKey{1}, Proof: beaker.Proof{1}, Version: 1, Created: 1, Touched: 1, Idle: time.Minute, Absolute: 1000,
	}, []beaker.Value{{Name: "k", Data: []byte(strings.Repeat("x", bytes))}})
	if err != nil {
		t.Fatal(err)
	}
	return decoded{rec: rec}
}

func numberedKey(n int) *beaker.RecordKey {
	var key beaker.RecordKey
	binary.BigEndian.PutUint32(key[:], uint32(n))
	return &key
}

// Any number of sessions, and the one that is used all the time stays.
func TestDecodedCopiesAreBounded(t *testing.T) {
	c := newCache(time.Minute, false)
	d := decodedRecord(t, 10_000)
	each := 3 * d.rec.Size()
	used := numberedKey(0)
	c.remember(used, d)
	for i := range 10 * mostDecoded / each {
		c.remember(numberedKey(i+1), d)
		if _, got := c.find(used); got.rec == nil {
			t.Fatalf("the session in use is forgotten after %d others", i+1)
		}
		if got := (len(c.young) + len(c.old)) * each; got > 2*mostDecoded+3*each {
			t.Fatalf("%d bytes are remembered, at most twice %d are wanted", got, mostDecoded)
		}
	}
	if _, got := c.find(numberedKey(1)); got.rec != nil {
		t.Error("a session that nobody used is still remembered")
	}
}

// What a session held is not kept when it has changed, or is gone.
func TestAWriteForgetsWhatWasDecoded(t *testing.T) {
	c := newCache(time.Minute, false)
	d := decodedRecord(t, 10)
	key, other := numberedKey(1), numberedKey(2)
	for _, aged := range []bool{false, true} {
		c.remember(key, d)
		c.remember(other, d)
		if aged {
			c.age()
		}
		c.wrote(key, 2, 0)
		if _, got := c.find(key); got.rec != nil {
			t.Errorf("aged %v: a session that has changed is still remembered", aged)
		}
		if _, got := c.find(other); got.rec == nil {
			t.Errorf("aged %v: another session is forgotten too", aged)
		}
	}
}

// Reuses is for a test that has servers.
var Reuses = reuses
