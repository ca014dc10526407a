package beaker

import (
	"context"
	"reflect"
)

// Key is a value's name together with its type, so that a value is written and read
// as the same type everywhere and a typing error does not compile. Make it a package
// variable:
//
//	var UserID = beaker.NewKey[int64]("user_id")
//
// It is a plain value: copy it, use it concurrently and with every manager.
type Key[T any] struct{ name string }

// NewKey returns the key for a name: at most 255 bytes of UTF-8 that do not start
// with NUL. With any other name nothing is ever found, and Set fails as Session.Set
// does.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Name returns the name, which is what the untyped methods use.
func (k Key[T]) Name() string { return k.name }

// Values is what a Key reads from: a *Session, or an Info of a listing.
type Values interface {
	// raw returns the value in encoded form.
	raw(name string) (data string, ok bool)
	codec() Codec
	badValue(name string, err error)
}

// Get returns the value. It is the zero value and false if there is none, and also if
// there is one that does not decode as T, which is an event; Lookup tells the two
// apart. A string may share its memory with the whole session: strings.Clone one that is
// to be kept for long.
func (k Key[T]) Get(v Values) (T, bool) {
	t, err := k.Lookup(v)
	return t, err == nil
}

// Lookup returns the value, [ErrNoValue] if there is none, or a [*DecodeError] if
// there is one that does not decode as T.
func (k Key[T]) Lookup(v Values) (t T, err error) {
	data, ok := v.raw(k.name)
	if !ok {
		return t, ErrNoValue
	}
	if _, ok := v.codec().(JSON); ok {
		if t, ok := plainJSON[T](data); ok {
			return t, nil
		}
	}
	return decodeInto[T](k.name, data, v)
}

func decodeInto[T any](name, data string, v Values) (T, error) {
	var t, zero T
	if err := v.codec().Decode([]byte(data), &t); err != nil {
		err = &DecodeError{Name: name, Type: reflect.TypeFor[T]().String(), Err: err}
		v.badValue(name, err)
		return zero, err
	}
	return t, nil
}

// Set sets the value; see [Session.Set].
func (k Key[T]) Set(s *Session, value T) {
	if _, ok := s.codec().(JSON); ok && checkName(k.name) == nil {
		if data, ok := encodePlain(&value); ok { // without an interface that holds a copy
			s.put(k.name, data)
			return
		}
	}
	s.Set(k.name, value)
}

// Has reports whether there is a value of that name, of whatever type.
func (k Key[T]) Has(s *Session) bool { return s.Has(k.name) }

// Delete removes the value.
func (k Key[T]) Delete(s *Session) { s.Delete(k.name) }

// Pop returns the value and removes it, in this request's view: of two requests that
// overlap, both may get it. Use Take where only one may. A value that does not decode
// as T stays.
func (k Key[T]) Pop(s *Session) (T, bool) {
	t, ok := k.Get(s)
	if ok {
		s.Delete(k.name)
	}
	return t, ok
}

// Take returns the value and removes it from the store, now and atomically: of any
// number of requests, one gets it. It is for one-time tokens. A value that does not
// decode as T is a [*DecodeError] and stays.
func (k Key[T]) Take(ctx context.Context, m *Manager) (value T, ok bool, err error) {
	if m.sealed {
		return value, false, errSealed("take")
	}
	err = m.Update(ctx, func(s *Session) error {
		v, err := k.Lookup(s)
		switch {
		case err == ErrNoValue: //nolint:errorlint // our own, never wrapped
			value, ok = v, false
			return nil
		case err != nil:
			return err
		}
		value, ok = v, true
		s.Delete(k.name)
		return nil
	})
	if err != nil {
		var zero T
		return zero, false, err
	}
	return value, ok, nil
}
