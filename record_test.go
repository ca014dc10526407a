package beaker_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

const recordEpoch = beaker.Millis(1_767_225_600_000) // 2026-01-01

// plainMeta is a record's that nothing special was done to.
func plainMeta() beaker.Meta {
	return beaker.Meta{
		Key: beaker.RecordKey{1}, Proof: beaker.Proof{2}, Version: 1, Created: recordEpoch, Touched: recordEpoch,
		Idle: 30 * time.Minute, Absolute: recordEpoch.Add(12 * time.Hour),
	}
}

// fullMeta has every field set.
func fullMeta() beaker.Meta {
	m := plainMeta()
	m.PrevProof, m.PrevUntil, m.RotatedAt, m.Version = beaker.Proof{3}, recordEpoch.Add(90*time.Second), recordEpoch.Add(time.Minute), 9
	m.Subject, m.AuthenticatedAt = "fred", recordEpoch.Add(time.Second)
	m.Cookie = &beaker.CookieAttributes{Domain: "example.com", Path: "/app", SameSite: http.SameSiteNoneMode, Partitioned: true, Expires: beaker.ExpiresAfter(time.Hour)}
	return m
}

func mustRecord(tb testing.TB, m beaker.Meta, values ...beaker.Value) *beaker.Record {
	tb.Helper()
	rec, err := beaker.NewRecord(m, values)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func encodeRecord(tb testing.TB, rec *beaker.Record) []byte {
	tb.Helper()
	b, err := rec.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func val(name, data string) beaker.Value { return beaker.Value{Name: name, Data: []byte(data)} }

func valuesOf(rec *beaker.Record) map[string]string { return maps.Collect(rec.Values()) }

// resum gives bytes that were changed the checksum of a record.
func resum(b []byte) []byte {
	b = slices.Clone(b)
	body := b[:len(b)-4]
	return binary.BigEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestRecordSurvivesItsBinaryForm(t *testing.T) {
	for _, c := range []struct {
		desc   string
		meta   func(*beaker.Meta)
		values []beaker.Value
	}{
		{"nothing in it", nil, nil},
		{"values in any order", nil, []beaker.Value{val("b", "2"), val("", "0"), val("a", "1")}},
		{"empty data", nil, []beaker.Value{{Name: "a"}}},
		{"any bytes", nil, []beaker.Value{val("\x00f\xff\x80", "\x00\x01\xff")}},
		{"a long name and long data", nil, []beaker.Value{val(strings.Repeat("n", 255), strings.Repeat("d", 70_000))}},
		{"the longest subject", func(m *beaker.Meta) { m.Subject = strings.Repeat("é", 127) + "x" }, nil},
		{"a cookie of its own that is all default", func(m *beaker.Meta) { m.Cookie = &beaker.CookieAttributes{} }, nil},
		{"no idle limit", func(m *beaker.Meta) { m.Idle = beaker.NoLimit }, nil},
		{"the latest times", func(m *beaker.Meta) { m.Absolute, m.Touched, m.Version = 1<<51, 1<<51, 1<<53 }, nil},
		{"the earliest times", func(m *beaker.Meta) { m.Absolute, m.Touched, m.Created, m.Idle = 0, 0, 0, time.Millisecond }, nil},
		{"everything", func(m *beaker.Meta) { *m = fullMeta() }, []beaker.Value{val("a", "1")}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			meta := plainMeta()
			if c.meta != nil {
				c.meta(&meta)
			}
			rec := mustRecord(t, meta, c.values...)
			if got := rec.Meta(); !reflect.DeepEqual(got, meta) {
				t.Errorf("Meta is not what was given: %#v", got.Cookie)
			}
			b := encodeRecord(t, rec)
			parsed, err := beaker.ParseRecord(b)
			if err != nil {
				t.Fatal(err)
			}
			restored, err := beaker.RestoreRecord(rec.Meta(), rec.AppendValues(nil))
			if err != nil {
				t.Fatal(err)
			}
			for what, got := range map[string]*beaker.Record{"ParseRecord": parsed, "RestoreRecord": restored} {
				if !reflect.DeepEqual(got.Meta(), meta) || !maps.Equal(valuesOf(got), valuesOf(rec)) {
					t.Errorf("%s: not the same record", what)
				}
				if !bytes.Equal(encodeRecord(t, got), b) {
					t.Errorf("%s: encodes as something else", what)
				}
			}
			want := map[string]string{}
			for _, v := range c.values {
				want[v.Name] = string(v.Data)
			}
			if got := valuesOf(rec); !maps.Equal(got, want) || rec.Len() != len(want) {
				t.Errorf("values %q, want %q", got, want)
			}
		})
	}
}

func TestAppendBinaryAndAppendValuesKeepWhatIsThere(t *testing.T) {
	rec := mustRecord(t, fullMeta(), val("a", "1"))
	prefix := []byte("before")
	got, err := rec.AppendBinary(slices.Clone(prefix))
	if err != nil || !bytes.Equal(got, append(slices.Clone(prefix), encodeRecord(t, rec)...)) {
		t.Errorf("AppendBinary does not append (%v)", err)
	}
	if got := rec.AppendValues(slices.Clone(prefix)); !bytes.Equal(got, append(slices.Clone(prefix), rec.AppendValues(nil)...)) {
		t.Error("AppendValues does not append")
	}
	// A record that cannot be encoded leaves dst as it was.
	meta := plainMeta()
	meta.Cookie = &beaker.CookieAttributes{SameSite: 99}
	if bad, err := beaker.NewRecord(meta, nil); err == nil {
		if got, err := bad.AppendBinary(slices.Clone(prefix)); err == nil || !bytes.Equal(got, prefix) {
			t.Errorf("a cookie that cannot be encoded: %q, %v", got, err)
		}
	}
}

func TestNewRecordRefusesWhatNoCallerHas(t *testing.T) {
	for _, c := range []struct {
		desc  string
		spoil func(*beaker.Meta)
		want  error // beside an error at all
	}{
		{"zero key", func(m *beaker.Meta) { m.Key = beaker.RecordKey{} }, nil},
		{"zero proof", func(m *beaker.Meta) { m.Proof = beaker.Proof{} }, nil},
		{"version 0", func(m *beaker.Meta) { m.Version = 0 }, nil},
		{"version above 2^53", func(m *beaker.Meta) { m.Version = 1<<53 + 1 }, nil},
		{"no idle timeout", func(m *beaker.Meta) { m.Idle = 0 }, nil},
		{"idle timeout below a millisecond", func(m *beaker.Meta) { m.Idle = time.Millisecond - 1 }, nil},
		{"negative idle timeout", func(m *beaker.Meta) { m.Idle = math.MinInt64 }, nil},
		{"negative created", func(m *beaker.Meta) { m.Created = -1 }, nil},
		{"negative touched", func(m *beaker.Meta) { m.Touched = -1 }, nil},
		{"negative absolute", func(m *beaker.Meta) { m.Absolute = -1 }, nil},
		{"absolute above 2^51", func(m *beaker.Meta) { m.Absolute = 1<<51 + 1 }, nil},
		{"touched above 2^51", func(m *beaker.Meta) { m.Touched = math.MaxInt64 }, nil},
		{"authenticated out of range", func(m *beaker.Meta) { m.AuthenticatedAt = math.MinInt64 }, nil},
		{"rotated out of range", func(m *beaker.Meta) { *m = fullMeta(); m.RotatedAt = 1<<51 + 1 }, nil},
		{"grace out of range", func(m *beaker.Meta) { *m = fullMeta(); m.PrevUntil = -1 }, nil},
		{"a grace without a previous proof", func(m *beaker.Meta) { m.PrevUntil = 5 }, nil},
		{"a rotation without a previous proof", func(m *beaker.Meta) { m.RotatedAt = 5 }, nil},
		{"a subject that is too long", func(m *beaker.Meta) { m.Subject = strings.Repeat("x", 256) }, beaker.ErrInvalidSubject},
		{"a subject with a line end", func(m *beaker.Meta) { m.Subject = "a\nb" }, beaker.ErrInvalidSubject},
		{"a subject with a C1 control", func(m *beaker.Meta) { m.Subject = "a\u0085b" }, beaker.ErrInvalidSubject},
		{"a subject with DEL", func(m *beaker.Meta) { m.Subject = "a\x7f" }, beaker.ErrInvalidSubject},
		{"a subject that is not UTF-8", func(m *beaker.Meta) { m.Subject = "\xff" }, beaker.ErrInvalidSubject},
	} {
		t.Run(c.desc, func(t *testing.T) {
			meta := plainMeta()
			c.spoil(&meta)
			if _, err := beaker.NewRecord(meta, nil); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("NewRecord: %v", err)
			}
			if _, err := beaker.RestoreRecord(meta, []byte{0}); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("RestoreRecord: %v", err)
			}
		})
	}
	if _, err := beaker.NewRecord(plainMeta(), []beaker.Value{val("a", "1"), val("b", "1"), val("a", "2")}); err == nil {
		t.Error("two values of one name were accepted")
	}
}

// A shared record cannot be changed through what went in or came out.
func TestRecordIsImmutable(t *testing.T) {
	meta := fullMeta()
	values := []beaker.Value{val("b", "2"), val("a", "1")}
	rec := mustRecord(t, meta, values...)
	want := encodeRecord(t, rec)

	meta.Cookie.Domain = "evil.example"
	values[0].Name, values[1].Data[0] = "x", 'x'
	out := rec.Meta()
	out.Cookie.Path = "/evil"
	rec.AppendValues(nil)[0] = 99
	hinted := rec.WithHint("cas 7")
	if !bytes.Equal(encodeRecord(t, rec), want) {
		t.Error("the record changed with what it was made of, or what it gave out")
	}
	if rec.Hint() != nil || hinted.Hint() != "cas 7" {
		t.Errorf("WithHint: the original has %v, the copy %v", rec.Hint(), hinted.Hint())
	}
	if !bytes.Equal(encodeRecord(t, hinted), want) {
		t.Error("the hint is encoded")
	}

	src := slices.Clone(want)
	parsed, err := beaker.ParseRecord(src)
	if err != nil {
		t.Fatal(err)
	}
	restoredFrom := rec.AppendValues(nil)
	restored, err := beaker.RestoreRecord(rec.Meta(), restoredFrom)
	if err != nil {
		t.Fatal(err)
	}
	clear(src)
	clear(restoredFrom)
	if !bytes.Equal(encodeRecord(t, parsed), want) || !bytes.Equal(encodeRecord(t, restored), want) {
		t.Error("a record keeps the bytes that it was read from")
	}
}

// CR-1, SR-6: damage is refused, wherever it is, and told apart from "no session".
func TestParseRecordRefusesEveryDamage(t *testing.T) {
	good := encodeRecord(t, mustRecord(t, fullMeta(), val("a", "1"), val("name", `"Fred"`)))
	refused := func(t *testing.T, desc string, b []byte) {
		t.Helper()
		rec, err := beaker.ParseRecord(b)
		if rec != nil || !errors.Is(err, beaker.ErrCorrupt) || errors.Is(err, beaker.ErrNewerFormat) || errors.Is(err, beaker.ErrNotFound) {
			t.Fatalf("%s: %v, %v", desc, rec, err)
		}
	}
	t.Run("any bit flipped", func(t *testing.T) {
		for i := 1; i < len(good); i++ {
			for bit := range 8 {
				b := slices.Clone(good)
				b[i] ^= 1 << bit
				refused(t, fmt.Sprintf("bit %d of byte %d", bit, i), b)
			}
		}
		for bit := range 8 { // the format: damage there may look like a later release
			b := slices.Clone(good)
			b[0] ^= 1 << bit
			if _, err := beaker.ParseRecord(b); !errors.Is(err, beaker.ErrCorrupt) && !errors.Is(err, beaker.ErrNewerFormat) {
				t.Errorf("bit %d of the format: %v", bit, err)
			}
		}
	})
	t.Run("cut at any length", func(t *testing.T) {
		for n := range good {
			refused(t, fmt.Sprintf("%d bytes", n), good[:n])
			if n >= 5 {
				refused(t, fmt.Sprintf("%d bytes with a checksum", n), resum(good[:n]))
			}
		}
	})
	t.Run("extended", func(t *testing.T) {
		for _, more := range [][]byte{{0}, {1}, {0, 0, 0, 0}, good, []byte("\r\n")} {
			long := append(slices.Clone(good), more...)
			refused(t, fmt.Sprintf("%d bytes more", len(more)), long)
			refused(t, fmt.Sprintf("%d bytes more with a checksum", len(more)), resum(long))
		}
	})
	t.Run("any bit flipped, with a new checksum", func(t *testing.T) {
		// What the checksum does not catch says something else, in the one form it has.
		other := 0
		for i := 1; i < len(good)-4; i++ {
			for bit := range 8 {
				b := slices.Clone(good)
				b[i] ^= 1 << bit
				b = resum(b)
				rec, err := beaker.ParseRecord(b)
				switch {
				case errors.Is(err, beaker.ErrCorrupt):
				case err != nil:
					t.Fatalf("bit %d of byte %d: %v", bit, i, err)
				default:
					other++
					if !bytes.Equal(encodeRecord(t, rec), b) {
						t.Fatalf("bit %d of byte %d: decodes, and encodes as something else", bit, i)
					}
				}
			}
		}
		if other == 0 {
			t.Error("nothing decoded: this test proves nothing")
		}
	})
}

func TestParseRecordOfALaterFormat(t *testing.T) {
	good := encodeRecord(t, mustRecord(t, fullMeta(), val("a", "1")))
	later := slices.Clone(good)
	later[0] = 2
	later = append(later[:len(later)-4], "what that release adds....."...)
	for desc, b := range map[string][]byte{"format 2": resum(later), "the highest format": resum(append([]byte{8}, later[1:]...))} {
		_, err := beaker.ParseRecord(b)
		if !errors.Is(err, beaker.ErrNewerFormat) || errors.Is(err, beaker.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrNewerFormat and not ErrCorrupt: the record is to be left alone", desc, err)
		}
	}
	if _, err := beaker.ParseRecord([]byte("a stray text that is as long as a record" + strings.Repeat(".", 200))); !errors.Is(err, beaker.ErrCorrupt) {
		t.Errorf("a text: %v, want ErrCorrupt", err)
	}
	older := slices.Clone(good)
	older[0] = 0
	for desc, b := range map[string][]byte{"format 0": resum(older), "nothing": nil, "one byte": {1}} {
		if _, err := beaker.ParseRecord(b); !errors.Is(err, beaker.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", desc, err)
		}
	}
}

// DO-4: lengths and counts of the input are believed only as far as there is input.
func TestHostileValuesAreRefusedWithoutWork(t *testing.T) {
	huge := string(binary.AppendUvarint(nil, math.MaxUint64))
	large := string(binary.AppendUvarint(nil, 1<<31))
	for _, c := range []struct{ desc, values string }{
		{"no bytes", ""},
		{"a count without values", "\x01"},
		{"a count of 2^31", large},
		{"a count of 2^64-1", huge},
		{"a count that is larger than what follows", "\x03\x01a\x01x\x01b\x01x"},
		{"a count that is smaller than what follows", "\x01\x01a\x01x\x01b\x01x"},
		{"a count of 0 with a value", "\x00\x01a\x01x"},
		{"a name of 2^31 bytes", "\x01" + large + "a\x01x"},
		{"a name of 2^64-1 bytes", "\x01" + huge + "a\x01x"},
		{"data of 2^31 bytes", "\x01\x01a" + large + "x"},
		{"data of 2^64-1 bytes", "\x01\x01a" + huge + "x"},
		{"data that is missing", "\x01\x01a"},
		{"names that are not sorted", "\x02\x01b\x01x\x01a\x01x"},
		{"a name twice", "\x02\x01a\x01x\x01a\x01y"},
		{"the empty name twice", "\x02\x00\x01x\x00\x01y"},
		{"a count that is not minimal", "\x80\x00"},
		{"a count of one that is not minimal", "\x81\x00\x01a\x01x"},
		{"a length that is not minimal", "\x01\x81\x00a\x01x"},
		{"a length that does not end", "\x01\x80\x80"},
		{"a length of eleven bytes", "\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01a\x01x"},
		{"a length above 2^64", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02a\x01x"},
		{"a length that wraps around to 1", "\x01\x81\x80\x80\x80\x80\x80\x80\x80\x80\x02a\x01x"},
		{"bytes at the end", "\x01\x01a\x01x\x00"},
	} {
		t.Run(c.desc, func(t *testing.T) {
			good := encodeRecord(t, mustRecord(t, plainMeta())) // its values are one byte, before the checksum
			b := resum(append(append(good[:len(good)-5], c.values...), 0, 0, 0, 0))
			n := allocated(func() {
				if _, err := beaker.ParseRecord(b); !errors.Is(err, beaker.ErrCorrupt) {
					t.Errorf("ParseRecord: %v", err)
				}
				if _, err := beaker.RestoreRecord(plainMeta(), []byte(c.values)); !errors.Is(err, beaker.ErrCorrupt) {
					t.Errorf("RestoreRecord: %v", err)
				}
			})
			if n > 64<<10 {
				t.Errorf("refusing %d bytes allocated %d", len(b), n)
			}
		})
	}
	t.Run("a million values", func(t *testing.T) {
		const count = 1 << 20 // names of four bytes, in order
		values := binary.AppendUvarint(nil, count)
		for i := range uint32(count) {
			values = binary.BigEndian.AppendUint32(append(values, 4), i)
			values = append(values, 0)
		}
		var rec *beaker.Record
		var err error
		n := allocated(func() { rec, err = beaker.RestoreRecord(plainMeta(), values) })
		if err != nil || rec.Len() != count {
			t.Fatal(err)
		}
		if n > 2*uint64(len(values)) {
			t.Errorf("%d bytes of values allocated %d", len(values), n)
		}
	})
}

// A store never decodes more than the value that it is asked for, and finds each.
func TestLookupFindsWhatAMapWould(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		want := map[string]string{}
		for range rnd.IntN(40) {
			want[randomText(rnd, 6)] = randomText(rnd, 200)
		}
		var values []beaker.Value
		for name, data := range want {
			values = append(values, val(name, data))
		}
		rec := mustRecord(t, plainMeta(), values...)
		if rec.Len() != len(want) {
			t.Fatalf("Len is %d, want %d", rec.Len(), len(want))
		}
		for name, data := range want {
			if got, ok := rec.Lookup(name); !ok || got != data {
				t.Fatalf("Lookup(%q): %q, %v", name, got, ok)
			}
		}
		for range 20 {
			name := randomText(rnd, 6)
			_, there := want[name]
			if _, ok := rec.Lookup(name); ok != there {
				t.Fatalf("Lookup(%q): %v, want %v", name, ok, there)
			}
		}
		var names []string
		for name, data := range rec.Values() {
			if want[name] != data {
				t.Fatalf("Values has %q for %q", data, name)
			}
			names = append(names, name)
		}
		if !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("Values is not sorted: %q", names)
		}
		seen := 0
		for range rec.Values() { // an iteration may be left early
			if seen++; seen == 2 {
				break
			}
		}
		if seen != min(2, len(want)) {
			t.Fatalf("an early break was after %d", seen)
		}
	}
}

// randomText has few letters, so that names meet and are prefixes of each other.
func randomText(rnd *rand.Rand, most int) string {
	b := make([]byte, rnd.IntN(most+1))
	for i := range b {
		b[i] = "\x00ab\xff"[rnd.IntN(4)]
	}
	return string(b)
}

// TO-1: expired at that very millisecond, alive the one before.
func TestRecordExpiresToTheMillisecond(t *testing.T) {
	for _, c := range []struct {
		desc string
		meta func(*beaker.Meta)
		want beaker.Millis
	}{
		{"idle", nil, recordEpoch.Add(30 * time.Minute)},
		{"touched since", func(m *beaker.Meta) { m.Touched = recordEpoch + 5 }, recordEpoch.Add(30*time.Minute) + 5},
		{"absolute is earlier", func(m *beaker.Meta) { m.Absolute = recordEpoch + 7 }, recordEpoch + 7},
		{"both at once", func(m *beaker.Meta) { m.Absolute = recordEpoch.Add(30 * time.Minute) }, recordEpoch.Add(30 * time.Minute)},
		{"no idle limit", func(m *beaker.Meta) { m.Idle = beaker.NoLimit }, recordEpoch.Add(12 * time.Hour)},
		{"no idle limit and the last deadline", func(m *beaker.Meta) { m.Idle, m.Absolute, m.Touched = beaker.NoLimit, 1<<51, 1<<51 }, 1 << 51},
		{"an idle timeout of a fraction is cut", func(m *beaker.Meta) { m.Idle = 1500 * time.Microsecond }, recordEpoch + 1},
	} {
		t.Run(c.desc, func(t *testing.T) {
			meta := plainMeta()
			if c.meta != nil {
				c.meta(&meta)
			}
			rec := mustRecord(t, meta)
			if got := rec.Expires(); got != c.want {
				t.Fatalf("expires at %d, want %d", got, c.want)
			}
			for delta, want := range map[beaker.Millis]bool{-1: false, 0: true, 1: true} {
				if got := rec.Expired(c.want + delta); got != want {
					t.Errorf("%+d ms: expired is %v", delta, got)
				}
			}
		})
	}
}

func TestCheckProof(t *testing.T) {
	const grace, inFlight = 30_000, 60_000
	rotatedAt := recordEpoch.Add(time.Minute)
	rotate := func(grace beaker.Millis) func(*beaker.Meta) {
		return func(m *beaker.Meta) {
			m.PrevProof, m.RotatedAt, m.PrevUntil = beaker.Proof{3}, rotatedAt, rotatedAt+grace
		}
	}
	current, previous, foreign := beaker.Proof{2}, beaker.Proof{3}, beaker.Proof{4}
	for _, c := range []struct {
		desc  string
		meta  func(*beaker.Meta)
		proof beaker.Proof
		now   beaker.Millis
		want  beaker.ProofStatus
	}{
		{"current", nil, current, recordEpoch, beaker.ProofCurrent},
		{"current after a rotation", rotate(grace), current, rotatedAt, beaker.ProofCurrent},
		{"zero", nil, beaker.Proof{}, recordEpoch, beaker.ProofDead},
		{"zero after a rotation", rotate(grace), beaker.Proof{}, rotatedAt, beaker.ProofDead},
		{"foreign", nil, foreign, recordEpoch, beaker.ProofDead},
		{"foreign after a rotation", rotate(grace), foreign, rotatedAt, beaker.ProofDead},
		{"previous, when there is none", nil, previous, recordEpoch, beaker.ProofDead},
		{"previous at once", rotate(grace), previous, rotatedAt, beaker.ProofPrevious},
		{"previous in the last millisecond of the grace", rotate(grace), previous, rotatedAt + grace - 1, beaker.ProofPrevious},
		{"previous when the grace is over", rotate(grace), previous, rotatedAt + grace, beaker.ProofReplaced},
		{"previous in the last millisecond of being in flight", rotate(grace), previous, rotatedAt + grace + inFlight - 1, beaker.ProofReplaced},
		{"previous long after", rotate(grace), previous, rotatedAt + grace + inFlight, beaker.ProofDead},
		{"previous without a grace", rotate(0), previous, rotatedAt, beaker.ProofReplaced},
		{"previous without a grace, in flight", rotate(0), previous, rotatedAt + inFlight - 1, beaker.ProofReplaced},
		{"previous without a grace, long after", rotate(0), previous, rotatedAt + inFlight, beaker.ProofDead},
		{"one bit of the current is wrong", nil, beaker.Proof{2, 31: 1}, recordEpoch, beaker.ProofDead},
	} {
		t.Run(c.desc, func(t *testing.T) {
			meta := plainMeta()
			if c.meta != nil {
				c.meta(&meta)
			}
			if got := mustRecord(t, meta).CheckProof(c.proof, c.now); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestMillis(t *testing.T) {
	if beaker.MillisOf(time.Time{}) != 0 || !beaker.Millis(0).Time().IsZero() {
		t.Error("no time is not 0")
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_999_999, time.FixedZone("", 3600))
	m := beaker.MillisOf(at)
	if want := at.UTC().Truncate(time.Millisecond); !m.Time().Equal(want) || m.Time().Location() != time.UTC {
		t.Errorf("%v, want %v", m.Time(), want)
	}
	if got := m.Add(1_999_999); got != m+1 {
		t.Errorf("Add does not cut to the millisecond: %d", got-m)
	}
	// Any touched plus NoLimit stays exact in a float64, for Lua.
	if sum := beaker.Millis(1<<51) + beaker.Millis(beaker.NoLimit/time.Millisecond); sum > 1<<53 {
		t.Errorf("the largest sum is %d", sum)
	}
}

func TestSizeGrowsWithWhatTheRecordHolds(t *testing.T) {
	small := mustRecord(t, plainMeta()).Size()
	for desc, rec := range map[string]*beaker.Record{
		"values": mustRecord(t, plainMeta(), val("a", strings.Repeat("x", 1000))),
		"all":    mustRecord(t, fullMeta(), val("a", strings.Repeat("x", 1000))),
	} {
		if got := rec.Size(); got < small+1000 || got > small+1500 {
			t.Errorf("%s: %d, without %d", desc, got, small)
		}
	}
}

func TestRecordKeyInText(t *testing.T) {
	key := beaker.RecordKey{0: 0xAB, 31: 0x01}
	if got, want := key.String(), "ab"+strings.Repeat("00", 30)+"01"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
