package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// remedies are what to do about what Redis answers, by the word that the answer begins
// with. With all of these it has done nothing.
var remedies = map[string]string{
	"NOAUTH":      "the server wants a password: put it into the URL, or into rueidis.ClientOption",
	"WRONGPASS":   "the server does not take this user name and password",
	"NOPERM":      "the user may not do this: docs/redisstore.md has the ACL that the store needs",
	"LOADING":     "the server is reading its data from the disk: it answers when it has",
	"READONLY":    "this server is a replica: connect to the master, by way of sentinels or the cluster if that changes",
	"MASTERDOWN":  "this server is a replica that has lost its master: connect to the master",
	"OOM":         "the server's memory is full: raise maxmemory, or let sessions end sooner",
	"MISCONF":     "the server cannot write to its disk, and therefore takes no changes: look at its log",
	"NOREPLICAS":  "the server has fewer replicas than its min-replicas-to-write",
	"BUSY":        "the server is held up by another application's script",
	"MOVED":       "the server is part of a cluster: use a client for clusters (not ForceSingleClient), with the addresses of some of its nodes",
	"ASK":         "the server is part of a cluster: use a client for clusters (not ForceSingleClient), with the addresses of some of its nodes",
	"CROSSSLOT":   "the server is part of a cluster: use a client for clusters (not ForceSingleClient)",
	"CLUSTERDOWN": "a part of the cluster has no master: see CLUSTER NODES",
	"TRYAGAIN":    "the cluster is moving this slot",
	"NOSCRIPT":    "",
	"EXECABORT":   "",
	"DENIED":      "the server is in protected mode: give it a password or an address to bind to",
	"WRONGTYPE":   "there is something else under the name of a session: give each application that uses this server a Prefix of its own",
}

// scriptRights matches what Redis says, without a word of its own, of a command in a
// script that the user may not use. What came before it in the script was performed.
var scriptRights = regexp.MustCompile("^(The user executing the script can't run this command|ACL failure in script)")

// isAnswer reports whether an error is what Redis has answered.
func isAnswer(err error) bool {
	var answer *rueidis.RedisError
	return errors.As(err, &answer)
}

// codeOf returns the word that an answer of Redis begins with; "" if err is not one.
func codeOf(err error) string {
	var answer *rueidis.RedisError
	if !errors.As(err, &answer) || answer.IsNil() {
		return ""
	}
	text := answer.Error()
	// Redis before 7.0 puts its own words before the error of a command in a script.
	if _, inner, ok := strings.Cut(text, "@user_script"); ok && strings.HasPrefix(text, "Error running script") {
		if _, after, ok := strings.Cut(inner, ": -"); ok {
			text = after
		}
	}
	code, _, _ := strings.Cut(text, " ")
	if code == "" || strings.ContainsFunc(code, func(c rune) bool { return c < 'A' || c > 'Z' }) {
		return "ERR" // rueidis cuts it off
	}
	return code
}

func isCode(err error, codes ...string) bool {
	return err != nil && slices.Contains(codes, codeOf(err))
}

// redirect returns where a slot is or goes.
func redirect(err error) (addr string, ask bool) {
	var answer *rueidis.RedisError
	if !errors.As(err, &answer) {
		return "", false
	}
	if addr, ok := answer.IsMoved(); ok {
		return addr, false
	}
	addr, ask = answer.IsAsk()
	return addr, ask
}

// refused reports whether an error says that a command was not performed. Nothing else
// does: a connection that breaks says nothing about what was sent before, and a script
// that fails of an unknown reason may have failed half way.
func refused(err error) bool {
	if _, ok := remedies[codeOf(err)]; ok {
		return true
	}
	return unreachable(err) || errors.Is(err, rueidis.ErrNoSlot) || errors.Is(err, rueidis.ErrNoAddr)
}

// unreachable reports whether the connection could not be made.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// storeError keeps the client's error for errors.Is and errors.As, but not its text
// where that may hold parts of the URL.
type storeError struct {
	op, text string
	err      error
}

func (e *storeError) Error() string { return "redisstore: " + e.op + ": " + e.text }
func (e *storeError) Unwrap() error { return e.err }

// failed says which operation went wrong, why, and what to do about it.
func (s *Store) failed(ctx context.Context, op string, err error) error {
	if cerr := ended(ctx); cerr != nil && !errors.Is(err, cerr) {
		// rueidis may tell what it met while it repeated a read.
		err = fmt.Errorf("%w: %w", cerr, err)
	}
	return failed(op, err)
}

func failed(op string, err error) error {
	text := describe(err)
	if remedy := remedyOf(err); remedy != "" {
		text += " (" + remedy + ")"
	}
	out := error(&storeError{op: op, text: text, err: err})
	if codeOf(err) == "WRONGTYPE" {
		// To the visitor it is a session that cannot be read.
		out = fmt.Errorf("%w: %w", beaker.ErrCorrupt, out)
	}
	return out
}

// failedWrite is failed for what changes something.
func (s *Store) failedWrite(ctx context.Context, op string, err error) error {
	out := s.failed(ctx, op, err)
	if refused(err) {
		return out
	}
	return uncertain(out)
}

func uncertain(err error) error {
	if errors.Is(err, beaker.ErrUncertain) {
		return err
	}
	return fmt.Errorf("%w: %w", beaker.ErrUncertain, err)
}

// ended is ctx.Err, but does not wait for the timer: a connection whose deadline is the
// context's fails a moment before the context does.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) { //nolint:forbidigo // a real wait, not session time
		return context.DeadlineExceeded
	}
	return nil
}

// describe returns the text of err if it is known to hold no secret. What Redis says
// holds none, but for the words of a command that it does not know: of AUTH, say, where
// something else than Redis answers. Network errors hold none. What is left are mostly
// complaints about the client's options, and they may quote them.
func describe(err error) string {
	text := err.Error()
	if codeOf(err) != "" {
		text, _, _ = strings.Cut(text, ", with args beginning with")
		return text
	}
	lower := strings.ToLower(text)
	for _, sign := range [...]string{"://", "@", "password", "passwd"} {
		if !strings.Contains(lower, sign) {
			continue
		}
		var op *net.OpError
		switch {
		case errors.As(err, &op):
			return op.Error() // the part about the network
		case errors.Is(err, context.Canceled):
			return context.Canceled.Error()
		case errors.Is(err, context.DeadlineExceeded):
			return context.DeadlineExceeded.Error()
		}
		return "the client's message is withheld, as it may quote a password; errors.Unwrap has it"
	}
	return text
}

func remedyOf(err error) string {
	switch remedy := remedies[codeOf(err)]; {
	case remedy != "":
		return remedy
	case errors.As(err, new(*rightsError)), codeOf(err) != "" && scriptRights.MatchString(err.Error()):
		return remedies["NOPERM"]
	case unreachable(err):
		return "check that the server runs, and that the address is its own"
	case errors.Is(err, rueidis.ErrNoSlot):
		return "a part of the cluster has no master: see CLUSTER NODES"
	case errors.Is(err, rueidis.ErrClosing):
		return "the client was closed, or its connection broke"
	case errors.Is(err, rueidis.ErrNoCache):
		return "client-side caching needs Redis 6 or newer and RESP3: set ClientOption.DisableCache, and leave Options.Cache off"
	}
	return ""
}
