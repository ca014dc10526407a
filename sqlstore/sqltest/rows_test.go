package sqltest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

func TestRowsThatDoNotDecode(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		good := created(t, s, newMeta(), "k", "v")
		bad := created(t, s, newMeta(), "k", "v")
		key := bad.Key()
		hash := fmt.Sprintf("hash=%s", literal(e, key[:]))
		set := func(what string) {
			t.Helper()
			mustExec(t, db, "UPDATE "+p.quoted("")+" SET "+what+" WHERE "+hash)
		}
		data, err := bad.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		damaged := bytes.Clone(data)
		damaged[100]++
		for _, c := range []struct {
			data     []byte
			accessed int64
			want     error
		}{
			{[]byte{}, 0, beaker.ErrCorrupt},
			{[]byte{0, 0}, 0, beaker.ErrCorrupt},
			{data[:len(data)-1], 0, beaker.ErrCorrupt},
			{damaged, 0, beaker.ErrCorrupt},
			{newerFormat(data), 0, beaker.ErrNewerFormat},
			{data, math.MaxInt64, beaker.ErrCorrupt},
		} {
			set(fmt.Sprintf("data=%s,accessed=%d", literal(e, c.data), c.accessed))
			if _, err := s.Load(t.Context(), key); !errors.Is(err, c.want) {
				t.Errorf("%x: Load: %v, want %v", c.data, err, c.want)
			}
			ch := changeOf(bad)
			ch.Set = values("k", "w")
			if _, err := s.Apply(t.Context(), key, ch); !errors.Is(err, c.want) {
				t.Errorf("%x: Apply: %v, want %v", c.data, err, c.want)
			}
			page, _, err := s.List(t.Context(), beaker.ListQuery{})
			if err != nil || len(page) != 1 || page[0].Key() != good.Key() {
				t.Errorf("%x: List: %d records, %v; want the other one", c.data, len(page), err)
			}
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	})
}

// newerFormat is a record as a later release may write it: another format, and the
// checksum that every format ends with.
func newerFormat(data []byte) []byte {
	body := bytes.Clone(data[:len(data)-4])
	body[0]++
	return binary.BigEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// literal is bytes as SQL.
func literal(e engine, b []byte) string {
	if e.dialect == sqlstore.PostgreSQL {
		return fmt.Sprintf(`'\x%x'::bytea`, b)
	}
	return fmt.Sprintf("x'%x'", b)
}
