package beaker

import (
	"crypto/rand"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
)

const flashPrefix = internalPrefix + "f"

// AddFlash adds a message for the next page. Each is an entry of its own, so that
// requests that overlap do not lose each other's.
func (s *Session) AddFlash(v any) {
	data, err := s.codec().Encode(v)
	if err != nil {
		s.fail("flash", &EncodeError{Name: "flash", Err: err})
		return
	}
	// Sorted by name is sorted by time; the random bytes keep two requests of one
	// millisecond apart.
	var id [14]byte
	binary.BigEndian.PutUint64(id[:], uint64(s.m.now()))
	_, _ = rand.Read(id[10:]) // never fails: crypto/rand crashes the program instead
	s.change("flash", func() {
		s.flashes++
		binary.BigEndian.PutUint16(id[8:], s.flashes)
		s.p.put(flashPrefix+string(id[:]), data)
	})
}

// Flashes returns the messages in the order in which they were added and removes
// them. They are removed when the session is saved, so a page that fails shows them
// again.
//
// They come as Get's values do: a struct is a map. [FlashesOf] gives them their type.
func (s *Session) Flashes() []any {
	var all []any
	for _, name := range s.flashNames() {
		if v, ok := s.Get(name); ok {
			all = append(all, v)
		}
		s.Delete(name)
	}
	return all
}

// FlashesOf is Session.Flashes for messages of one type. Messages that do not decode as T
// stay, and are an event each.
//
//	s.AddFlash(Notice{Level: "warning", Text: "Your card expires soon."})
//	for _, n := range beaker.FlashesOf[Notice](s) { ... }
func FlashesOf[T any](s *Session) []T {
	var all []T
	for _, name := range s.flashNames() {
		data, ok := s.raw(name)
		if !ok {
			continue
		}
		var v T
		if err := s.codec().Decode([]byte(data), &v); err != nil {
			s.badValue("flash", &DecodeError{Name: "flash", Type: reflect.TypeFor[T]().String(), Err: err})
			continue
		}
		all = append(all, v)
		s.Delete(name)
	}
	return all
}

// flashNames returns the names of the messages, the oldest first.
func (s *Session) flashNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(s.names(true), func(name string) bool { return !strings.HasPrefix(name, flashPrefix) })
}
