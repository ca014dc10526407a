package sqlstore

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// White box: what lies in the columns is seen here without a database.

// FuzzRow: whatever stands in the columns, a row is a record or an error of the contract.
//
//beaker:decodes row.record row.recordOf
func FuzzRow(f *testing.F) {
	rec, err := beaker.NewRecord(beaker.Meta{
		Key: beaker.RecordKey{1}, Proof: beaker.Proof{2}, Version: 3, Created: 1000, Touched: 2000, Idle: time.Hour, Absolute: 1e9, Subject: "fred",
	}, []beaker.Value{{Name: "a", Data: []byte("1")}})
	if err != nil {
		f.Fatal(err)
	}
	data, err := dataOf(rec)
	if err != nil {
		f.Fatal(err)
	}
	for _, accessed := range []int64{-1, 0, 2000, 3000, 4_000_000, 1 << 62} {
		f.Add(accessed, data)
	}
	f.Add(int64(1), data[:len(data)-1])
	f.Add(int64(1), []byte{})
	f.Fuzz(func(t *testing.T, accessed int64, data []byte) {
		r := row{accessed: accessed, data: data}
		got, err := r.record()
		if err != nil {
			if got != nil || errors.Is(err, beaker.ErrCorrupt) == errors.Is(err, beaker.ErrNewerFormat) {
				t.Errorf("neither corrupt nor newer: %v", err)
			}
			return
		}
		if got.Touched() < beaker.Millis(accessed) {
			t.Errorf("used at %d, the record says %d", accessed, got.Touched())
		}
		if same, err := r.recordOf(got.Key()); err != nil || same.Key() != got.Key() {
			t.Errorf("its own key: %v", err)
		}
		if other, err := r.recordOf(beaker.RecordKey{0xff}); err == nil && other.Key() != (beaker.RecordKey{0xff}) {
			t.Error("another session's row is taken")
		}
	})
}

// FuzzCursor: cursors come from links and forms, and go into a statement as a parameter.
//
//beaker:decodes parseCursor
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(hex.EncodeToString(make([]byte, 32)))
	f.Add("09AF" + hex.EncodeToString(make([]byte, 30)))
	f.Add(hex.EncodeToString(make([]byte, 33)))
	f.Add("' OR 1=1 --")
	f.Fuzz(func(t *testing.T, cursor string) {
		key, err := parseCursor(cursor)
		switch {
		case err != nil && key != nil:
			t.Errorf("%q was refused and left %x behind", cursor, key)
		case err == nil && len(key) != 32, err == nil && cursor != "" && hex.EncodeToString(key) != cursor:
			t.Errorf("%q is taken as %x", cursor, key)
		}
	})
}
