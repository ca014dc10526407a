//go:build linux

package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// RedisSentinel is a master with a replica, and three sentinels that watch them.
type RedisSentinel struct {
	Name      string       // of the master, for clients
	Nodes     []*RedisNode // the one that began as master, and its replica
	Sentinels []*RedisNode
}

const sentinels = 3

// StartRedisSentinel starts them and waits until each knows all others. A master that
// does not answer for as long as downAfter is given up.
func StartRedisSentinel(ctx context.Context, downAfter time.Duration, args ...string) (*RedisSentinel, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s := &RedisSentinel{Name: "sessions"}
	if err := s.start(ctx, downAfter, args); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *RedisSentinel) start(ctx context.Context, downAfter time.Duration, args []string) error {
	master, err := StartRedisNode(ctx, args...)
	if err != nil {
		return err
	}
	s.Nodes = append(s.Nodes, master)
	port := strconv.Itoa(master.port)
	replica, err := StartRedisNode(ctx, append([]string{"--replicaof", "127.0.0.1 " + port}, args...)...)
	if err != nil {
		return err
	}
	s.Nodes = append(s.Nodes, replica)
	if err := await(ctx, "replication", replica.has("master_link_status", "up")); err != nil {
		return err
	}
	s.Sentinels = make([]*RedisNode, sentinels)
	errs := make([]error, sentinels)
	var wg sync.WaitGroup
	for i := range s.Sentinels {
		wg.Go(func() { s.Sentinels[i], errs[i] = startSentinel(ctx, s.Name, port, downAfter) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.Healthy(ctx)
}

func startSentinel(ctx context.Context, name, masterPort string, downAfter time.Duration) (*RedisNode, error) {
	program, err := Program("redis-server") // a sentinel is one too; the name redis-sentinel is a package of its own
	if err != nil {
		return nil, err
	}
	n := &RedisNode{}
	if n.port, err = FreePort(); err != nil {
		return nil, err
	}
	if n.dir, err = NewDir(""); err != nil {
		return nil, err
	}
	n.Addr = "127.0.0.1:" + strconv.Itoa(n.port)
	conf := filepath.Join(n.dir, "sentinel.conf") // it writes there what it learns
	ms := downAfter.Milliseconds()
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %s 2\n", n.port, n.dir, name, masterPort) +
		fmt.Sprintf("sentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s %d\n", name, ms, name, 6*ms)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(n.dir))
	}
	n.Process, err = Start(ctx, Spec{Args: []string{program, conf, "--sentinel"}, Dir: n.dir, Ready: func(ctx context.Context) error {
		_, err := n.Do(ctx, "PING")
		return err
	}})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(n.dir))
	}
	return n, nil
}

// Healthy waits until each sentinel knows the replica and the other sentinels, and
// finds everyone well.
func (s *RedisSentinel) Healthy(ctx context.Context) error {
	for _, n := range s.Sentinels {
		if err := await(ctx, "a healthy set of sentinels", func(ctx context.Context) (bool, error) {
			m, err := s.asked(ctx, n)
			return m["num-slaves"] == "1" && m["num-other-sentinels"] == strconv.Itoa(sentinels-1) && m["flags"] == "master", err
		}); err != nil {
			return err
		}
	}
	return nil
}

// asked returns what a sentinel knows of the master.
func (s *RedisSentinel) asked(ctx context.Context, n *RedisNode) (map[string]string, error) {
	v, err := n.Do(ctx, "SENTINEL", "MASTER", s.Name)
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	m := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		name, _ := list[i].(string)
		m[name], _ = list[i+1].(string)
	}
	return m, nil
}

// Addrs returns where clients find the sentinels.
func (s *RedisSentinel) Addrs() []string {
	var all []string
	for _, n := range s.Sentinels {
		all = append(all, n.Addr)
	}
	return all
}

// TakenOver waits until a node is master, by its own word and by every sentinel's.
func (s *RedisSentinel) TakenOver(ctx context.Context, n *RedisNode) error {
	if err := await(ctx, "a failover", func(ctx context.Context) (bool, error) { return n.IsMaster(ctx), nil }); err != nil {
		return err
	}
	for _, sentinel := range s.Sentinels {
		if err := await(ctx, "a failover that all know of", func(ctx context.Context) (bool, error) {
			m, err := s.asked(ctx, sentinel)
			return m["port"] == strconv.Itoa(n.port), err
		}); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all of them, the sentinels first.
func (s *RedisSentinel) Close() error {
	var errs []error
	for _, n := range append(s.Sentinels, s.Nodes...) {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}
