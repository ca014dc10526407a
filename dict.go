package beaker

import (
	"iter"
	"slices"
	"strings"
)

// What a session has in common with a dictionary.

// Get returns the value of a name, decoded. With the default codec an integer is an
// int64, whatever it was set as; use a [Key] to get the type that was set. It is false
// if there is no value, and also if there is one that does not decode, which is an
// event.
func (s *Session) Get(name string) (any, bool) {
	data, ok := s.raw(name)
	if !ok {
		return nil, false
	}
	return s.decode(name, data)
}

func (s *Session) decode(name, data string) (any, bool) {
	var v any
	if err := s.codec().Decode([]byte(data), &v); err != nil {
		s.badValue(name, &DecodeError{Name: name, Type: "any", Err: err})
		return nil, false
	}
	return v, true
}

// Has reports whether there is a value of that name.
func (s *Session) Has(name string) bool {
	_, ok := s.raw(name)
	return ok
}

// Set sets the value of a name: UTF-8, at most 255 bytes, not starting with NUL. The
// value is encoded now, so changing it afterwards changes nothing in the session.
//
// It does not fail aloud: if the value does not encode, or the session cannot be
// written, the name keeps its value, Err returns the error, and the response will be
// an error page, since the handler meant to save something and could not.
func (s *Session) Set(name string, value any) {
	if err := checkName(name); err != nil {
		s.fail(name, err)
		return
	}
	data, err := s.codec().Encode(value)
	if err != nil {
		s.fail(name, &EncodeError{Name: name, Err: err})
		return
	}
	s.put(name, data)
}

// put is Set for a value that is encoded.
func (s *Session) put(name string, data []byte) {
	s.change(name, func() { s.p.put(name, data) })
}

// Delete removes a value.
func (s *Session) Delete(name string) {
	s.change(name, func() {
		if _, ok := s.rawLocked(name); ok {
			s.p.drop(name)
		}
	})
}

// Clear removes all values, flashes included. It does not end the session: for a
// logout use Destroy.
func (s *Session) Clear() {
	s.change("", func() { s.p.clear, s.p.set, s.p.remove = true, nil, nil })
}

// Pop returns a value and removes it, in this request's view: of two requests that
// overlap, both may get it. Use [Manager.Take] where only one may.
func (s *Session) Pop(name string) (any, bool) {
	v, ok := s.Get(name)
	if ok {
		s.Delete(name)
	}
	return v, ok
}

// Len returns the number of values.
func (s *Session) Len() int { return len(s.Keys()) }

// Keys returns the names, sorted.
func (s *Session) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names(false)
}

// All iterates over names and decoded values as they are when it is called, sorted by
// name. A value that does not decode is left out, which is an event.
func (s *Session) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, name := range s.Keys() {
			if v, ok := s.Get(name); ok && !yield(name, v) {
				return
			}
		}
	}
}

// names returns the names in this request's view, sorted.
func (s *Session) names(internal bool) []string {
	var all []string
	keep := func(name string) bool { return strings.HasPrefix(name, internalPrefix) == internal }
	if rec := s.record(); rec != nil && !s.p.clear {
		for name := range rec.Values() {
			if keep(name) && !slices.Contains(s.p.remove, name) {
				all = append(all, name)
			}
		}
	}
	for _, v := range s.p.set {
		if i, ok := slices.BinarySearch(all, v.Name); keep(v.Name) && !ok {
			all = slices.Insert(all, i, v.Name)
		}
	}
	return all
}
