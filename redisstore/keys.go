package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/seed12c5fab1/beaker"
)

// DefaultPrefix begins the names of all keys if [Options.Prefix] is empty.
const DefaultPrefix = "beaker:"

// A prefix has no braces, which would put all sessions into one slot of a cluster, and
// nothing that SCAN takes for a pattern.
var validPrefix = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,100}$`)

func checkPrefix(prefix string) error {
	if !validPrefix.MatchString(prefix) {
		return fmt.Errorf("redisstore: Options.Prefix is %q: use letters, digits and _ . : / -, at most 100", prefix)
	}
	return nil
}

const keyDigits = 2 * len(beaker.RecordKey{})

// sessionKey is the name of a session's hash: the prefix and the session's handle.
func (s *Store) sessionKey(key *beaker.RecordKey) string {
	var buf [128 + keyDigits]byte
	return string(hex.AppendEncode(append(buf[:0], s.o.Prefix...), key[:]))
}

// keyOf returns the key of the session that a name is of. Names of others that begin
// with the prefix are none: those of another application with a longer prefix, say.
func (s *Store) keyOf(name string) (key beaker.RecordKey, ok bool) {
	digits, ok := strings.CutPrefix(name, s.o.Prefix)
	if !ok || len(digits) != keyDigits || strings.ContainsFunc(digits, notLowerHex) {
		return key, false
	}
	_, err := hex.Decode(key[:], []byte(digits))
	return key, err == nil
}

func notLowerHex(c rune) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'f') }

// A subject's index: see lua/index.lua.
const (
	indexInfix  = "subject:"
	indexDigits = 32
)

// indexKey is the name of a subject's index. A hash stands for the subject, which may
// hold anything. 128 bits of it are enough: if two subjects had one index, each would
// still have its own sessions only, for those name theirs.
func (s *Store) indexKey(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return s.o.Prefix + indexInfix + hex.EncodeToString(sum[:indexDigits/2])
}

// isIndex reports whether a name is that of a subject's index.
func (s *Store) isIndex(name string) bool {
	digits, ok := strings.CutPrefix(name, s.o.Prefix+indexInfix)
	return ok && len(digits) == indexDigits && !strings.ContainsFunc(digits, notLowerHex)
}
