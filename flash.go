package beaker

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"strings"
)

const flashPrefix = internalPrefix + "f"

// maxFlashes is how many messages wait for a page: nobody reads more.
const maxFlashes = 32

// flashID is what follows flashPrefix in a name: sorted by it, messages are in the order in
// which they were added. The clock of the node that added the last may have been ahead, so
// the next comes after it in any case. The random bytes keep two requests apart that add
// at the same moment.
type flashID struct {
	at   Millis
	seq  uint16
	rand [4]byte
}

func (id flashID) name() string {
	b := make([]byte, 0, len(flashPrefix)+14)
	b = append(b, flashPrefix...)
	b = binary.BigEndian.AppendUint64(b, uint64(id.at))
	b = binary.BigEndian.AppendUint16(b, id.seq)
	return string(append(b, id.rand[:]...))
}

// after returns the id of a message that is added now, after those with the names.
func (id flashID) after(names []string) flashID {
	id.seq = 1
	if len(names) == 0 {
		return id
	}
	last := []byte(strings.TrimPrefix(names[len(names)-1], flashPrefix))
	if len(last) != 14 {
		return id // not ours: nothing to go by
	}
	at, seq := Millis(binary.BigEndian.Uint64(last)), binary.BigEndian.Uint16(last[8:])
	switch {
	case at < id.at || at > maxMillis:
	case seq == math.MaxUint16:
		id.at = at + 1
	default:
		id.at, id.seq = at, seq+1
	}
	return id
}

// AddFlash adds a message for the next page. Each is an entry of its own, so that
// requests that overlap do not lose each other's. Of messages that nobody reads the last 32
// are kept.
func (s *Session) AddFlash(v any) {
	data, err := s.codec().Encode(v)
	if err != nil {
		s.fail("flash", &EncodeError{Name: "flash", Err: err})
		return
	}
	id := flashID{at: s.m.now()}
	_, _ = rand.Read(id.rand[:]) // never fails: crypto/rand crashes the program instead
	s.change("flash", func() {
		names := s.flashNamesLocked()
		s.p.put(id.after(names).name(), data)
		for most := min(maxFlashes, max(1, s.m.limits.MaxKeys/2)); len(names) >= most; names = names[1:] {
			s.p.drop(names[0])
		}
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
	return s.flashNamesLocked()
}

func (s *Session) flashNamesLocked() []string {
	return slices.DeleteFunc(s.names(true), func(name string) bool { return !strings.HasPrefix(name, flashPrefix) })
}
