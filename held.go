package beaker

import (
	"context"
	"log/slog"
	"sync"
)

// eventMutex is a mutex that keeps the events which arise while it is locked, and tells
// the observer when it is not any more: an observer that wants to know more about the
// session would wait for ever for the lock of whoever is telling it.
type eventMutex struct {
	mu   sync.Mutex
	held *heldEvents
}

// Lock locks.
func (l *eventMutex) Lock() { l.mu.Lock() }

// Unlock unlocks, then tells.
func (l *eventMutex) Unlock() {
	held := l.held
	l.held = nil
	l.mu.Unlock()
	if held != nil {
		held.tell()
	}
}

// heldEvents are events that are to be told. They are pooled: nearly every request has
// one.
type heldEvents struct {
	m      *Manager
	events []heldEvent
}

type heldEvent struct {
	ctx context.Context
	Event
}

var heldPool = sync.Pool{New: func() any { return &heldEvents{events: make([]heldEvent, 0, 4)} }}

func (h *heldEvents) tell() {
	for i := range h.events {
		h.m.observe(h.events[i].ctx, h.events[i].Event)
	}
	clear(h.events)
	h.m, h.events = nil, h.events[:0]
	heldPool.Put(h)
}

// observe keeps an event until the session's mutex, which is held, is unlocked.
func (s *Session) observe(ctx context.Context, e Event) {
	if s.m.quiet && e.Name.level() < slog.LevelWarn {
		return
	}
	if s.mu.held == nil {
		h := heldPool.Get().(*heldEvents)
		h.m, s.mu.held = s.m, h
	}
	s.mu.held.events = append(s.mu.held.events, heldEvent{ctx, e})
}
