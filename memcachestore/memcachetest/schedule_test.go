package memcachetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/memcachestore"
)

// party is somebody who sends commands to the server, one after the other.
type party struct {
	name string
	do   func() error

	store *memcachestore.Store // its own, over its own wire
	at    chan string          // a command that waits to go
	turn  chan struct{}        // lets it go
	done  chan struct{}
	err   error
	ends  int // the step after which it was done
}

// step waits for the party's turn, for what it does without its store.
func (p *party) step(what string) {
	p.at <- what
	<-p.turn
}

// scene is what is done in every order. Prepare sets what the parties do. Check is told
// the order, for its messages.
type scene struct {
	names   []string
	prepare func(parties map[string]*party)
	check   func(order string)
}

// everyOrder plays a scene in all orders in which the commands of its parties can reach
// the server, and returns how many there are.
func everyOrder(t *testing.T, p *place, s scene) int {
	t.Helper()
	parties := map[string]*party{}
	for _, name := range s.names {
		st, w := p.watched(t)
		one := &party{name: name, store: st}
		parties[name] = one
		w.on(func(command string) fate {
			if one.at != nil { // it is not being prepared
				one.step(command)
			}
			return goes
		})
	}
	var choices []int // of the parties that could go at each step, which one did
	for n := 1; ; n++ {
		s.prepare(parties)
		options, order := play(t, s.names, parties, choices)
		for len(choices) < len(options) {
			choices = append(choices, 0)
		}
		for _, one := range parties {
			one.at = nil
		}
		s.check(order)
		if t.Failed() {
			t.Fatalf("the order was %s", order)
		}
		// The next order differs at the last step at which another party could have gone.
		last := len(options) - 1
		for last >= 0 && choices[last]+1 >= options[last] {
			last--
		}
		switch {
		case last < 0:
			return n
		case n > 100_000:
			t.Fatal("there is no end of orders")
		}
		choices = append(choices[:last], choices[last]+1)
	}
}

// play lets the parties go in the order that choices say, and after that the first that
// can. It returns how many could go at each step, and what happened.
func play(t *testing.T, names []string, parties map[string]*party, choices []int) (options []int, order string) {
	t.Helper()
	waiting := map[string]string{}
	var log []string
	next := func(name string) {
		p := parties[name]
		select {
		case command := <-p.at:
			waiting[name] = command
		case <-p.done:
			delete(waiting, name)
			p.ends = len(options)
			log = append(log, fmt.Sprintf("%s ends: %v", name, p.err))
		case <-time.After(time.Minute): // a guard, nothing depends on it
			t.Fatalf("%s neither goes on nor ends", name)
		}
	}
	for _, name := range names {
		p := parties[name]
		p.at, p.turn, p.done = make(chan string), make(chan struct{}), make(chan struct{})
		go func() {
			p.err = p.do()
			close(p.done)
		}()
		next(name)
	}
	for len(waiting) > 0 {
		var can []string
		for _, name := range names {
			if _, ok := waiting[name]; ok {
				can = append(can, name)
			}
		}
		choice := 0
		if len(options) < len(choices) {
			choice = choices[len(options)]
		}
		options = append(options, len(can))
		name := can[choice]
		verb, _, _ := strings.Cut(waiting[name], " ")
		log = append(log, name+": "+verb)
		parties[name].turn <- struct{}{}
		next(name)
	}
	return options, strings.Join(log, ", ")
}
