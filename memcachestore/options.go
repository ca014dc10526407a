package memcachestore

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Options are the choices of a store. All stores over the same sessions must be given
// the same Prefix and Generation.
type Options struct {
	// Generation names the list of servers as it is now, in all keys. It must be set:
	// 1 to 32 letters, digits, dots, underscores and hyphens, "1" for a start. Whenever
	// a server is added to the list, removed, replaced by another or renamed, set it to
	// what it never was before, and stop all processes that have the old one: sessions
	// that were ended would come back otherwise.
	Generation string

	// Prefix begins all keys, so that applications can share a server; empty means
	// [DefaultPrefix]. At most 64 characters, of those that Generation may have.
	Prefix string

	// MaxItemBytes is the largest item that the servers take, key and overhead
	// included, which is memcached's option -I; zero means [DefaultMaxItemBytes], which
	// is its default. What is larger is refused with [beaker.ErrTooLarge].
	MaxItemBytes int

	// Timeout is how long [Open] lets the client wait for a connection, and for an
	// answer; zero means [DefaultTimeout]. New leaves it to the client that it is given.
	Timeout time.Duration

	// MaxIdleConns is how many connections to each server Open lets the client keep;
	// zero means [DefaultMaxIdleConns]. More than that are open while there are more
	// calls at once. A server accepts 1024 of all processes together, unless its
	// option -c says otherwise. New leaves it to the client that it is given.
	MaxIdleConns int
}

// Defaults of [Options].
const (
	DefaultPrefix       = "beaker"
	DefaultMaxItemBytes = 1 << 20
	DefaultTimeout      = time.Second
	DefaultMaxIdleConns = 64
)

const (
	maxPrefix     = 64
	maxGeneration = 32
	// A server refuses an -I below 1k and above 1g.
	minItemBytes, maxItemBytes = 1 << 10, 1 << 30
)

// checked returns the options with the defaults filled in, or all that is wrong.
func (o *Options) checked() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("memcachestore: "+format, args...)) }

	const letters = "letters, digits, dots, underscores and hyphens"
	switch {
	case c.Generation == "":
		bad("Options.Generation is empty: set it, to %q for a start, and to another whenever the list of servers changes", "1")
	case len(c.Generation) > maxGeneration || !plain(c.Generation):
		bad("Options.Generation is %.40q: use %s, at most %d", c.Generation, letters, maxGeneration)
	}
	switch {
	case c.Prefix == "":
		c.Prefix = DefaultPrefix
	case len(c.Prefix) > maxPrefix || !plain(c.Prefix):
		bad("Options.Prefix is %.80q: use %s, at most %d", c.Prefix, letters, maxPrefix)
	}
	switch {
	case c.MaxItemBytes == 0:
		c.MaxItemBytes = DefaultMaxItemBytes
	case c.MaxItemBytes < minItemBytes || c.MaxItemBytes > maxItemBytes:
		bad("Options.MaxItemBytes is %d: use what the servers' option -I says, %d to %d, or 0 for %d",
			c.MaxItemBytes, minItemBytes, maxItemBytes, DefaultMaxItemBytes)
	}
	if c.Timeout < 0 {
		bad("Options.Timeout is %v: use a positive duration, or 0 for %v", c.Timeout, DefaultTimeout)
	}
	if c.MaxIdleConns < 0 || c.MaxIdleConns > math.MaxInt16 {
		bad("Options.MaxIdleConns is %d: use 1 to %d, or 0 for %d", c.MaxIdleConns, math.MaxInt16, DefaultMaxIdleConns)
	}
	return c, errors.Join(errs...)
}

// plain reports whether s can be a part of a key: nothing that the protocol takes for
// the end of one, nor the colon that separates the parts.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
	})
}
