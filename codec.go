package beaker

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Codec turns one value into bytes and back. It is used concurrently. Values that
// were encoded by an earlier release of the application must still decode: sessions
// outlive deploys.
type Codec interface {
	// Encode returns v's bytes; it does not keep v.
	Encode(v any) ([]byte, error)
	// Decode stores the value in what ptr points to. For a pointer to an empty
	// interface it chooses the type. It does not keep data.
	Decode(data []byte, ptr any) error
}

// JSON is the default codec: encoding/json. Decoded into an empty interface, an
// integer is an int64, or a json.Number if it does not fit, and a number with a
// fraction or an exponent is a float64, the same before the session was saved and
// after. A null does not decode into a type that has none.
type JSON struct{}

// Encode is json.Marshal, but refuses a struct of which it would keep nothing. Bytes of a
// string that are not UTF-8 come back as U+FFFD, as from json.Marshal: set a []byte where
// they count. An error would let whoever sends such bytes break the page that notes them.
func (JSON) Encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		if b, ok := encodePlain(&v); ok {
			return b, nil
		}
	case int:
		b, _ := encodePlain(&v)
		return b, nil
	case int64:
		b, _ := encodePlain(&v)
		return b, nil
	case bool:
		b, _ := encodePlain(&v)
		return b, nil
	}
	if err := losesAll(v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// losesAll finds the struct that looks well and comes back empty: one without exported
// fields, which encoding/json writes as {}.
func losesAll(v any) error {
	t := reflect.TypeOf(v)
	if t == nil {
		return nil
	}
	switch v.(type) {
	case json.Marshaler, encoding.TextMarshaler:
		return nil
	}
	for range 8 { // a type may be a pointer to itself
		if t.Kind() != reflect.Pointer {
			break
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || reflect.PointerTo(t).Implements(marshaler) || reflect.PointerTo(t).Implements(textMarshaler) {
		return nil
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() || f.Anonymous {
			return nil
		}
	}
	return emptyTypeError{t}
}

// emptyTypeError names a type and nothing of a value.
type emptyTypeError struct{ t reflect.Type }

func (e emptyTypeError) Error() string {
	return fmt.Sprintf("%v has no exported field, so that nothing of it would be kept: begin the fields' names with capital letters", e.t)
}

var (
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// encodePlain is JSON.Encode for what sessions hold most, short strings and integers:
// the same bytes without reflection.
func encodePlain[T any](p *T) (data []byte, ok bool) {
	switch p := any(p).(type) {
	case *string:
		if v := *p; plain(v) {
			b := make([]byte, 0, len(v)+2)
			return append(append(append(b, '"'), v...), '"'), true
		}
	case *int:
		return strconv.AppendInt(nil, int64(*p), 10), true
	case *int64:
		return strconv.AppendInt(nil, *p, 10), true
	case *bool:
		return strconv.AppendBool(nil, *p), true
	}
	return nil, false
}

// plain reports whether s is its own JSON form: printable ASCII that encoding/json
// does not escape.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

var errNull = errors.New("null has no value of this type")

// Decode is json.Unmarshal but for what the type's comment says.
func (JSON) Decode(data []byte, ptr any) error {
	if p, ok := ptr.(*any); ok && p != nil {
		v, err := decodeAny(data)
		if err != nil {
			return err
		}
		*p = v
		return nil
	}
	if string(bytes.TrimSpace(data)) == "null" && !takesNull(ptr) {
		return errNull
	}
	return json.Unmarshal(data, ptr)
}

// plainJSON is JSON.Decode for what needs neither reflection nor a copy.
func plainJSON[T any](data string) (t T, ok bool) {
	switch p := any(&t).(type) {
	case *string:
		if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' && plain(data[1:n-1]) {
			*p, ok = data[1:n-1], true
		}
	case *int64:
		if v, err := strconv.ParseInt(data, 10, 64); err == nil && isInteger(data) {
			*p, ok = v, true
		}
	case *int:
		if v, err := strconv.Atoi(data); err == nil && isInteger(data) {
			*p, ok = v, true
		}
	case *bool:
		*p, ok = data == "true", data == "true" || data == "false"
	}
	return t, ok
}

// isInteger reports whether what strconv takes for an integer is one in JSON too: no
// plus sign, no leading zeros.
func isInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s == "0" || s[0] >= '1' && s[0] <= '9'
}

func takesNull(ptr any) bool {
	if _, ok := ptr.(json.Unmarshaler); ok {
		return true
	}
	t := reflect.TypeOf(ptr)
	if t == nil || t.Kind() != reflect.Pointer {
		return true // not ours to say: json.Unmarshal refuses it
	}
	switch t.Elem().Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return true
	}
	return false
}

func decodeAny(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if dec.InputOffset() != int64(len(bytes.TrimRight(data, " \t\r\n"))) {
		return nil, errors.New("bytes after the value")
	}
	return numbers(v), nil
}

// numbers replaces each json.Number in v.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if v == "-0" || strings.ContainsAny(string(v), ".eE") { // no integer is negative and zero
			if f, err := v.Float64(); err == nil {
				return f
			}
			return v
		}
		if n, err := v.Int64(); err == nil {
			return n
		}
		return v
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	}
	return v
}

// EncodeError is what Session.Err returns after Set was given a value that the codec
// cannot encode. The name keeps the value that it had.
type EncodeError struct {
	Name string
	Err  error
}

// Error names the codec's error by its type, for its text may quote the value; only
// those that are about a type are certain to name no more than the type.
func (e *EncodeError) Error() string {
	var ute *json.UnsupportedTypeError
	var ete emptyTypeError
	switch {
	case errors.As(e.Err, &ute):
		return fmt.Sprintf("beaker: value %q does not encode: %v", e.Name, ute)
	case errors.As(e.Err, &ete):
		return fmt.Sprintf("beaker: value %q does not encode: %v", e.Name, ete)
	}
	return fmt.Sprintf("beaker: value %q does not encode: %T", e.Name, e.Err)
}

// Unwrap returns the codec's error, which may quote the value.
func (e *EncodeError) Unwrap() error { return e.Err }

// DecodeError means that a value is there and does not decode into the type asked
// for. It stays where it is.
type DecodeError struct {
	Name string
	Type string // the Go type asked for
	Err  error
}

// Error leaves out the codec's error, which may quote the value.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("beaker: value %q does not decode as %s: another type was stored under this name; give each a name of its own", e.Name, e.Type)
}

// Unwrap returns the codec's error, which may quote the value.
func (e *DecodeError) Unwrap() error { return e.Err }

// ErrNoValue means that there is no value of that name.
var ErrNoValue = errors.New("beaker: no such value")
