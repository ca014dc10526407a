package beaker_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

type person struct {
	Name string
	Age  int `json:"age"`
	Note *string
}

// What a session holds after it was saved, read without a type: the same as before.
func TestJSONReadsValuesAsTheyWereSaved(t *testing.T) {
	big := "123456789012345678901234567890"
	for _, c := range []struct {
		desc  string
		value any
		want  any // read into an empty interface
	}{
		{"nothing", nil, nil},
		{"text", "Fred Smith", "Fred Smith"},
		{"no text", "", ""},
		{"text that JSON escapes", "<b>\"x\\y\"&</b>\n\u2028\x00", "<b>\"x\\y\"&</b>\n\u2028\x00"},
		{"text beyond ASCII", "Grüße 👋", "Grüße 👋"},
		{"text that is not UTF-8", "a\xffb", "a\ufffdb"},
		{"DEL", "\x7f", "\x7f"},
		{"true", true, true},
		{"false", false, false},
		{"an int", 42, int64(42)},
		{"a negative int", -42, int64(-42)},
		{"zero", 0, int64(0)},
		{"an int8", int8(-8), int64(-8)},
		{"a uint16", uint16(16), int64(16)},
		{"the largest int64", int64(math.MaxInt64), int64(math.MaxInt64)},
		{"the smallest int64", int64(math.MinInt64), int64(math.MinInt64)},
		{"above 2^53, where a float64 would round", int64(1<<53 + 1), int64(1<<53 + 1)},
		{"a uint64 that is no int64", uint64(math.MaxUint64), json.Number("18446744073709551615")},
		{"a number that nothing fits", json.Number(big), json.Number(big)},
		{"a fraction", 1.5, 1.5},
		{"a tiny fraction", 5e-324, 5e-324},
		{"a large float", 1e300, 1e300},
		{"an exponent that no float64 holds", json.Number("1e999"), json.Number("1e999")},
		{"a float without a fraction is an integer to JSON", 2.0, int64(2)},
		{"a list", []any{1, "a", nil, 2.5, []int{3}}, []any{int64(1), "a", nil, 2.5, []any{int64(3)}}},
		{"a map", map[string]any{"n": 1, "deep": map[string]int{"m": 1 << 60}}, map[string]any{"n": int64(1), "deep": map[string]any{"m": int64(1 << 60)}}},
		{"bytes", []byte{1, 2}, "AQI="},
		{"a time", time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), "2026-01-02T03:04:05.000000006Z"},
		{"a struct", person{Name: "Fred", Age: 7}, map[string]any{"Name": "Fred", "age": int64(7), "Note": nil}},
		{"JSON as it is", json.RawMessage(`{"a":[1,2.0]}`), map[string]any{"a": []any{int64(1), 2.0}}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			b, err := beaker.JSON{}.Encode(c.value)
			if err != nil {
				t.Fatal(err)
			}
			if want, err := json.Marshal(c.value); err != nil || !bytes.Equal(b, want) {
				t.Errorf("encoded as %s, encoding/json says %s (%v)", b, want, err)
			}
			var got any
			if err := (beaker.JSON{}).Decode(b, &got); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%#v (%T), want %#v (%T); %v", got, got, c.want, c.want, err)
			}
		})
	}
}

// The short way of encoding text takes none that JSON escapes.
func TestJSONEncodesEveryCharacterAsEncodingJSONDoes(t *testing.T) {
	for c := range 0x3000 {
		text := "a" + string(rune(c)) + "b"
		got, err := beaker.JSON{}.Encode(text)
		want, werr := json.Marshal(text)
		if err != nil || werr != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		if back, err := decodes[string](string(got)); err != nil || back != text {
			t.Errorf("%q comes back as %q, %v", text, back, err)
		}
	}
}

// roundTrip saves a T and reads it as a T.
func roundTrip[T any](t *testing.T, want T) {
	t.Helper()
	b, err := beaker.JSON{}.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	var got T
	if err := (beaker.JSON{}).Decode(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v as %T: %#v, %v", want, want, got, err)
	}
}

func TestJSONReadsTypedValuesAsTheyWere(t *testing.T) {
	type named string
	note := "x"
	roundTrip(t, "text <&>")
	roundTrip(t, named("text"))
	roundTrip(t, 5)
	roundTrip(t, int64(math.MinInt64))
	roundTrip(t, uint64(math.MaxUint64))
	roundTrip(t, int8(-128))
	roundTrip(t, 2.0)
	roundTrip(t, float32(0.1))
	roundTrip(t, true)
	roundTrip(t, []string{"a", ""})
	roundTrip(t, []string(nil))
	roundTrip(t, map[string]int{"a": 1})
	roundTrip(t, map[string]int(nil))
	roundTrip(t, person{"Fred", 7, &note})
	roundTrip(t, (*person)(nil))
	roundTrip(t, &note)
	roundTrip(t, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	roundTrip(t, [2]int{1, 2})
	roundTrip(t, struct{}{})
	roundTrip(t, beaker.Handle{1})
	roundTrip(t, json.RawMessage(`{"a":1}`))
}

func decodes[T any](data string) (t T, err error) {
	err = beaker.JSON{}.Decode([]byte(data), &t)
	return t, err
}

// A null that becomes a zero would look like a value that was set.
func TestNullDecodesOnlyIntoWhatHasOne(t *testing.T) {
	refuses := func(desc string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("null became a %s", desc)
		}
	}
	takes := func(desc string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("null is a %s: %v", desc, err)
		}
	}
	_, err := decodes[string]("null")
	refuses("string", err)
	_, err = decodes[int]("null")
	refuses("int", err)
	_, err = decodes[int64]("null")
	refuses("int64", err)
	_, err = decodes[float64]("null")
	refuses("float64", err)
	_, err = decodes[bool]("null")
	refuses("bool", err)
	_, err = decodes[person]("null")
	refuses("struct", err)
	_, err = decodes[[2]int]("null")
	refuses("array", err)
	_, err = decodes[json.Number]("null")
	refuses("number", err)
	_, err = decodes[any]("null")
	takes("any", err)
	_, err = decodes[*int]("null")
	takes("pointer", err)
	_, err = decodes[[]int]("null")
	takes("slice", err)
	_, err = decodes[map[string]int]("null")
	takes("map", err)
	raw, err := decodes[json.RawMessage]("null")
	takes("raw message", err)
	if string(raw) != "null" {
		t.Errorf("a type that reads null itself was not asked: %q", raw)
	}
}

func TestJSONRefusesWhatDoesNotFit(t *testing.T) {
	refuses := func(desc string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s was accepted", desc)
		}
	}
	_, err := decodes[int64]("9223372036854775808")
	refuses("an integer that is too large", err)
	_, err = decodes[int64]("1.5")
	refuses("a fraction as an integer", err)
	_, err = decodes[int64](`"1"`)
	refuses("text as an integer", err)
	_, err = decodes[int]("007")
	refuses("an integer with zeros in front", err)
	_, err = decodes[int]("+1")
	refuses("an integer with a plus sign", err)
	_, err = decodes[int]("-")
	refuses("a sign", err)
	_, err = decodes[int]("")
	refuses("nothing", err)
	_, err = decodes[int8]("128")
	refuses("an int8 that is too large", err)
	_, err = decodes[uint]("-1")
	refuses("a negative uint", err)
	_, err = decodes[string]("1")
	refuses("an integer as text", err)
	_, err = decodes[string](`"a`)
	refuses("text without an end", err)
	_, err = decodes[string](`"`)
	refuses("one quote", err)
	_, err = decodes[string](`"a"b"`)
	refuses("text with a quote", err)
	_, err = decodes[string]("\"a\nb\"")
	refuses("text with a line end", err)
	_, err = decodes[bool]("1")
	refuses("1 as a bool", err)
	_, err = decodes[bool]("True")
	refuses("True as a bool", err)
	for _, text := range []string{"", " ", "tru", "nul", "1 2", "[1", "{} x", "NaN", "'a'", "01", strings.Repeat("[", 100_000)} {
		_, err = decodes[any](text)
		refuses(fmt.Sprintf("%.10q", text), err)
	}
	for desc, v := range map[string]any{"a channel": make(chan int), "a function": func() {}, "NaN": math.NaN(), "infinity": math.Inf(1), "a map by struct": map[person]int{{}: 1}} {
		if _, err := (beaker.JSON{}).Encode(v); err == nil {
			t.Errorf("%s was encoded", desc)
		}
	}
}

// The codec keeps neither what it encodes nor what it decodes.
func TestJSONKeepsNothing(t *testing.T) {
	list := []string{"a"}
	b, err := beaker.JSON{}.Encode(list)
	if err != nil {
		t.Fatal(err)
	}
	list[0] = "b"
	if string(b) != `["a"]` {
		t.Errorf("%s", b)
	}
	data := []byte(`"text"`)
	var s string
	var v any
	if err := errors.Join(beaker.JSON{}.Decode(data, &s), beaker.JSON{}.Decode(data, &v)); err != nil {
		t.Fatal(err)
	}
	copy(data, `"XXXX"`)
	if s != "text" || v != "text" {
		t.Errorf("%q, %q: the data was kept", s, v)
	}
}

// LG-1: the error names the value and the type, and does not quote the value, which the
// codec's own error may do.
func TestDecodeErrorDoesNotQuoteTheValue(t *testing.T) {
	const value = "4111111111111111.5"
	_, cause := decodes[int64](value)
	if cause == nil || !strings.Contains(cause.Error(), value) {
		t.Fatalf("encoding/json does not quote the value any more, and this proves nothing: %v", cause)
	}
	err := error(&beaker.DecodeError{Name: "card", Type: "int64", Err: cause})
	for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %q", err, err, err), fmt.Errorf("load: %w", err).Error()} {
		if strings.Contains(text, value) || !strings.Contains(text, "card") || !strings.Contains(text, "int64") {
			t.Errorf("%s", text)
		}
	}
	var typeErr *json.UnmarshalTypeError
	if !errors.As(err, &typeErr) {
		t.Error("the codec's error cannot be found")
	}
	enc := &beaker.EncodeError{Name: "f", Err: cause}
	if !errors.Is(enc, cause) || !strings.Contains(enc.Error(), `"f"`) {
		t.Errorf("%v", enc)
	}
}

type itself *itself

// A type may be a pointer to itself.
func TestJSONEncodesAPointerToItself(t *testing.T) {
	var p itself
	if data, err := (beaker.JSON{}).Encode(p); err != nil || string(data) != "null" {
		t.Errorf("%s, %v", data, err)
	}
}
