// Package contest lets contenders (this library, hand-written floors, other libraries)
// do the same things, sees that each does them right, and measures what they cost.
package contest

import "strings"

// Scenario is what one request asks of a contender.
type Scenario int

// The scenarios. The letters are those of docs/performance.md.
const (
	Untouched Scenario = iota // S0: a session cookie comes, the handler does not look at the session
	Read                      // S1: loads a session of 3 keys, reads one
	Increment                 // S2: the same session, adds one to an integer, saves
	Create                    // S3: no cookie: a session of 3 keys begins
	ReadLarge                 // S4: S1 with a session of 20 keys
	SignIn                    // S6: an anonymous session gets a user, one key and a new id
	Touch                     // S1 with the time of use to be written
)

// Scenarios are all of them, in the order in which they are shown.
var Scenarios = []Scenario{Untouched, Read, Increment, Create, ReadLarge, SignIn, Touch}

// String returns the letter.
func (s Scenario) String() string {
	return [...]string{"S0", "S1", "S2", "S3", "S4", "S6", "S1 touch"}[s]
}

// Title says it in words.
func (s Scenario) Title() string {
	return [...]string{
		"untouched", "read 1 of 3", "increment", "create", "read 1 of 20", "sign in", "read, touch due",
	}[s]
}

// The data of a session: 3 keys of about 200 bytes in JSON. UID is what a read must
// find.
const (
	KeyUID  = "uid"
	KeyN    = "n"
	KeyData = "data"

	UID   = "5f0c9a3e-7d0b-4b53-9d0a-0c6bb8b6f7de"
	First = 1 // the integer of a new session
)

// Data is the third value: 140 characters.
var Data = strings.Repeat("x", 140)

// More are the 17 other keys of the large session, 2 KB in all, and their value.
var (
	More      = moreKeys()
	MoreValue = strings.Repeat("y", 100)
)

func moreKeys() (keys []string) {
	for c := 'a'; len(keys) < 17; c++ {
		keys = append(keys, "key"+string(c))
	}
	return keys
}

// OK is what handlers answer that have nothing to say.
const OK = "ok"
