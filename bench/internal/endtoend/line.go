// Package endtoend measures contenders behind real HTTP servers over the loopback
// interface: each in a process of its own, driven by wrk.
package endtoend

import (
	"time"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// Line is what was found of one server in one scenario.
type Line struct {
	Store, Name string
	Path        string
	Loads       []Load // one a round
}

// Scenario names what the requests of the line do.
func (l *Line) Scenario() string {
	switch l.Path {
	case pathRead:
		return contest.Read.String()
	case pathIncrement:
		return contest.Increment.String()
	case pathHeaders:
		return "null, as S1"
	}
	return "null"
}

// Load is what one run of wrk found.
type Load struct {
	Rate float64       // requests a second
	CPU  time.Duration // of the server, a request
	P50  time.Duration
	P99  time.Duration
}

func (l *Line) stat(f func(Load) float64) contest.Stat {
	var all []float64
	for _, x := range l.Loads {
		all = append(all, f(x))
	}
	return contest.StatOf(all)
}

// Rate is requests a second.
func (l *Line) Rate() contest.Stat { return l.stat(func(x Load) float64 { return x.Rate }) }

// CPU is the server's processor time for a request, in nanoseconds.
func (l *Line) CPU() contest.Stat { return l.stat(func(x Load) float64 { return float64(x.CPU) }) }

// P99 is the time in nanoseconds that 99 of 100 requests do not exceed.
func (l *Line) P99() contest.Stat { return l.stat(func(x Load) float64 { return float64(x.P99) }) }

const (
	pathRead, pathIncrement, pathCreate, pathNumber = "/read", "/increment", "/create", "/number"
	pathNull                                        = "/null"
	// pathHeaders has no session either, but is sent a cookie and sends the header and
	// the bytes that S1 does: what a session costs net/http, whoever's it is.
	pathHeaders = "/headers"
)

// cookieChars is how long the value of this library's cookie is.
const cookieChars = 112
