package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// checkTimeout is longer than a silent connection lasts, unless ConnWriteTimeout is very
// long.
const checkTimeout = time.Minute

// checkWithin is check until ctx ends, with a deadline in any case: a context that may
// end, but not at a time that is known, makes rueidis start two goroutines for the
// connection, which all later commands then go through, one at a time or not.
func (s *Store) checkWithin(ctx context.Context) error {
	err, ended := within(ctx, &s.limits, true, func() error {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		return s.check(ctx)
	})
	if ended != nil {
		return s.failed(ctx, opCheck, ended)
	}
	return err
}

const opCheck = "check at start"

// check finds what would make every request fail, and learns the names of the scripts.
func (s *Store) check(ctx context.Context) error {
	scripts := []struct {
		*script
		op, text string
	}{
		{&s.createScript, "create", createText},
		{&s.applyScript, "apply", applyText},
		{&s.deleteScript, "delete", deleteText},
		{&s.revokeScript, "revoke", revokeText},
		{&s.purgeScript, "purge", purgeText},
		{&s.indexScript, "sign in", indexText},
		{&s.markScript, "revoke", markText},
	}
	cmds := make(rueidis.Commands, len(scripts))
	for i, sc := range scripts {
		cmds[i] = s.client.B().ScriptLoad().Script(sc.text).Build()
	}
	for i, resp := range s.client.DoMulti(ctx, cmds...) {
		sha, err := resp.ToString()
		if err != nil {
			return s.failed(ctx, opCheck, err)
		}
		*scripts[i].script = script{scripts[i].op, scripts[i].text, sha}
	}

	// Reading and writing is the only way to learn whether one may. There is no such
	// session, before or after.
	var nobody beaker.RecordKey
	_, _ = rand.Read(nobody[:]) // never fails
	name := s.sessionKey(&nobody)
	if err := s.client.Do(ctx, s.client.B().Hgetall().Key(name).Build()).Error(); err != nil {
		return s.failed(ctx, opCheck, err)
	}
	// A sign-out at once is a touch, a rotation and a deletion of what is not there.
	if _, err := s.run(ctx, &call{script: &s.deleteScript, key: name}); err != nil {
		return fmt.Errorf("redisstore: %s: %w", opCheck, err)
	}
	if err := s.checkRights(ctx, name); err != nil {
		return err
	}
	s.warnOfEviction(ctx)
	return nil
}

// checkRights tries all commands that scripts use. It sends the text of its script, as is
// done where a node does not know one.
func (s *Store) checkRights(ctx context.Context, name string) error {
	c := call{script: &script{op: opCheck, text: rightsText}, key: name}
	refused, err := s.do(ctx, s.client, c.command(s.client.B(), false)).strings()
	if err != nil {
		return s.failedWrite(ctx, opCheck, err)
	}
	if len(refused) == 0 {
		return nil
	}
	return s.failed(ctx, opCheck, &rightsError{refused})
}

// rightsError is commands that the user may not use.
type rightsError struct{ commands []string }

func (e *rightsError) Error() string {
	return "NOPERM: the user may not use " + strings.Join(e.commands, ", ")
}

// policyTimeout bounds how long a node is asked for what may well be forbidden.
const policyTimeout = 2 * time.Second

// warnOfEviction tells the logger if a node may evict keys. A node that does not say is
// taken for one that does not.
func (s *Store) warnOfEviction(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, policyTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for addr, node := range s.client.Nodes() {
		wg.Go(func() {
			// INFO is allowed where CONFIG is not, as by those who rent servers out.
			info, err := node.Do(ctx, node.B().Arbitrary("INFO", "memory").Build()).ToString()
			if err != nil {
				return
			}
			policy, limit := infoField(info, "maxmemory_policy"), infoField(info, "maxmemory")
			if policy == "" || policy == "noeviction" {
				return
			}
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn,
				"redisstore: Redis evicts keys when its memory is full: sessions end early, and RevokeAll misses sessions "+
					"if the index of their subject is evicted first; set maxmemory-policy to noeviction",
				slog.String("server", addr), slog.String("maxmemory_policy", policy), slog.String("maxmemory", limit))
		})
	}
	wg.Wait()
}

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
