package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Redis runs a script as one step: nothing comes between, and nothing is seen of a part
// of it. Each uses one key, so that it runs in a cluster too, also while its slot moves.
var (
	//go:embed lua/create.lua
	createText string
	//go:embed lua/apply.lua
	applyText string
	//go:embed lua/delete.lua
	deleteText string
	//go:embed lua/revoke.lua
	revokeText string
	//go:embed lua/purge.lua
	purgeText string
	//go:embed lua/index.lua
	indexText string
	//go:embed lua/mark.lua
	markText string
	//go:embed lua/rights.lua
	rightsText string
)

// script is a script by its text and by the name that Redis gives to it, which is its
// SHA-1. It is Redis that computes it: under GODEBUG=fips140=only this process may not,
// not even to name a script.
//
// It is not rueidis.Lua, which would do the same, because that takes its arguments in
// slices made for each call, and does not send WAIT along.
type script struct{ op, text, sha string }

// call is one run of a script.
type call struct {
	*script
	key  string
	args []string
	// wait is for what must not be undone by a failover: see Options.WaitReplicas.
	wait bool
}

func (c *call) command(b rueidis.Builder, bySHA bool) rueidis.Completed {
	if bySHA {
		return b.Evalsha().Sha1(c.sha).Numkeys(1).Key(c.key).Arg(c.args...).Build()
	}
	return b.Eval().Script(c.text).Numkeys(1).Key(c.key).Arg(c.args...).Build()
}

// run runs a script and returns its answer. The error says whether it may have been run.
// A node that does not know the script is sent its text: once, as then it does.
func (s *Store) run(ctx context.Context, c *call) (rueidis.RedisMessage, error) {
	if c.wait && s.o.WaitReplicas > 0 {
		return s.runAndWait(ctx, c)
	}
	a := s.do(ctx, s.client, c.command(s.client.B(), true))
	if isCode(a.err, "NOSCRIPT") {
		a = s.do(ctx, s.client, c.command(s.client.B(), false))
	}
	if a.err != nil {
		return a.msg, s.failedWrite(ctx, c.op, a.err)
	}
	return a.msg, nil
}

// waiters is how many connections of its own a call has waiting for replicas at once.
const waiters = 16

// runAll runs many scripts and returns an answer or an error for each. What waits for
// replicas needs a connection each, since each may be on another node; one WAIT for all,
// afterwards, may be answered by a master that has just taken over and knows of nothing.
func (s *Store) runAll(ctx context.Context, calls []call) []answer {
	answers := make([]answer, len(calls))
	if len(calls) > 0 && calls[0].wait && s.o.WaitReplicas > 0 {
		var wg sync.WaitGroup
		var next atomic.Int64
		for range min(waiters, len(calls)) {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(calls); i = int(next.Add(1)) - 1 {
					answers[i].msg, answers[i].err = s.runAndWait(ctx, &calls[i])
				}
			})
		}
		wg.Wait()
		return answers
	}
	todo := make([]int, len(calls))
	for i := range todo {
		todo[i] = i
	}
	for _, bySHA := range [...]bool{true, false} {
		if len(todo) == 0 {
			break
		}
		cmds := make(rueidis.Commands, len(todo))
		for j, i := range todo {
			cmds[j] = calls[i].command(s.client.B(), bySHA)
		}
		var again []int
		for j, a := range s.doAll(ctx, cmds) {
			i := todo[j]
			if bySHA && isCode(a.err, "NOSCRIPT") {
				again = append(again, i)
				continue
			}
			if a.err != nil {
				a.err = s.failedWrite(ctx, calls[i].op, a.err)
			}
			answers[i] = a
		}
		todo = again
	}
	return answers
}

var errReplicas = errors.New("fewer replicas than Options.WaitReplicas have it: repeat it when they are back; until then a failover may undo it")

// waitSlack is what an operation with WAIT may take beyond WaitTimeout where the context
// has no deadline: rueidis does not bound commands that block.
const waitSlack = 10 * time.Second

const maxRedirects = 8

// runAndWait runs a script and has the answer wait for replicas. WAIT is about what was
// sent before it on its own connection, so the two go over one that nobody else uses,
// and in one turn. rueidis does not redirect such a connection.
func (s *Store) runAndWait(ctx context.Context, c *call) (rueidis.RedisMessage, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.o.WaitTimeout+waitSlack)
		defer cancel()
	}
	node, asking, bySHA := s.client, false, true
	for redirects := 0; ; {
		done, wait := s.runAndWaitOnce(ctx, node, c, asking, bySHA)
		msg, err := done.msg, done.err
		if err == nil && refusal(&msg) {
			return msg, nil // nothing was done that could be undone
		}
		if err == nil {
			return msg, s.waited(ctx, c.op, wait)
		}
		if bySHA && isCode(err, "NOSCRIPT") {
			bySHA = false
			continue
		}
		addr, ask := redirect(err)
		if redirects++; addr == "" || redirects > maxRedirects {
			return msg, s.failedWrite(ctx, c.op, err)
		}
		asking, bySHA = ask, true
		if node, err = s.node(ctx, addr, c.key); err != nil {
			return msg, s.failed(ctx, c.op, err)
		}
	}
}

// refusal reports whether a script has refused to do anything, as apply.lua and
// index.lua say it. That there was nothing left to do is none: it may have been done by
// a call before, for which no replica was there.
func refusal(msg *rueidis.RedisMessage) bool {
	if list, err := msg.ToArray(); err == nil {
		if len(list) == 0 || !list[0].IsInt64() {
			return false
		}
		msg = &list[0]
	}
	n, err := msg.ToInt64()
	return err == nil && n <= 0
}

func (s *Store) runAndWaitOnce(ctx context.Context, node rueidis.Client, c *call, asking, bySHA bool) (done, wait answer) {
	mine := *c // the connection may be made when the caller has gone
	both, err := within(ctx, &s.limits, true, func() (both [2]answer) {
		// The error is that of the function.
		_ = node.Dedicated(func(conn rueidis.DedicatedClient) error {
			cmds := make(rueidis.Commands, 0, 3)
			if asking {
				cmds = append(cmds, conn.B().Asking().Build())
			}
			cmds = append(cmds, mine.command(conn.B(), bySHA),
				conn.B().Wait().Numreplicas(int64(s.o.WaitReplicas)).Timeout(s.o.WaitTimeout.Milliseconds()).Build())
			results := conn.DoMulti(ctx, cmds...)
			both = [2]answer{answerOf(results[len(results)-2]), answerOf(results[len(results)-1])}
			return nil
		})
		return both
	})
	if err != nil {
		return answer{err: err}, answer{err: err}
	}
	return both[0], both[1]
}

// node returns the client of the node that a redirection names.
func (s *Store) node(ctx context.Context, addr, key string) (rueidis.Client, error) {
	if node := s.client.Nodes()[addr]; node != nil {
		return node, nil
	}
	// A node that is new to the client. It follows the redirection of a read, and then
	// knows it.
	if err := s.do(ctx, s.client, s.client.B().Exists().Key(key).Build()).err; err != nil {
		return nil, err
	}
	if node := s.client.Nodes()[addr]; node != nil {
		return node, nil
	}
	return nil, errors.New("a redirection to the unknown node " + addr)
}

// waited returns an error unless enough replicas have got what was run before.
func (s *Store) waited(ctx context.Context, op string, wait answer) error {
	n, err := wait.number()
	switch {
	case err != nil:
		return uncertain(s.failed(ctx, op, err))
	case n < int64(s.o.WaitReplicas):
		return uncertain(&storeError{op: op, text: errReplicas.Error(), err: errReplicas})
	}
	return nil
}
