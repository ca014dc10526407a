package memcachestore

import (
	"errors"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// White box: an item is parsed here without a server.

// FuzzItem: whatever memcached answers is the session that was asked for, none, or an
// error of the contract.
//
//beaker:decodes Store.parse
func FuzzItem(f *testing.F) {
	key := beaker.RecordKey{1}
	rec, err := beaker.NewRecord(beaker.Meta{Key: key, Proof: beaker.Proof{2}, Version: 1, Created: 1, Touched: 1, Idle: time.Hour, Absolute: 1e9}, []beaker.Value{{Name: "a", Data: []byte("1")}})
	if err != nil {
		f.Fatal(err)
	}
	data, err := rec.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	item := append(data, make([]byte, markBytes)...)
	other := append([]byte(nil), item...)
	other[3] ^= 1
	for _, b := range [][]byte{item, other, item[:len(item)-1], item[:markBytes], item[:markBytes-1], {}} {
		f.Add(b)
	}
	s := &Store{}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := s.parse(&memcache.Item{Value: b, CasID: 1}, key)
		if err == nil {
			if h.rec.Key() != key {
				t.Errorf("%x: the session of another key", b)
			}
			return
		}
		n := 0
		for _, is := range []error{beaker.ErrNotFound, beaker.ErrCorrupt, beaker.ErrNewerFormat} {
			if errors.Is(err, is) {
				n++
			}
		}
		if n != 1 || h.rec != nil || errors.Is(err, beaker.ErrNotFound) != (len(b) == 0) {
			t.Errorf("%x: %v", b, err)
		}
	})
}
