//go:build linux

package engines

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// RedisNode is a Redis server: one by itself, a cluster's, or one that sentinels watch.
type RedisNode struct {
	*Process
	Addr string // host:port, for clients

	port, bus int
	dir       string
}

// StartRedisNode starts a redis-server with nothing in it that keeps nothing on disk.
// Later settings in args take precedence.
func StartRedisNode(ctx context.Context, args ...string) (*RedisNode, error) {
	program, err := Program("redis-server")
	if err != nil {
		return nil, err
	}
	for range 5 {
		var n *RedisNode
		n, err = tryRedisNode(ctx, program, args)
		if err == nil || !strings.Contains(err.Error(), "Address already in use") {
			return n, err
		}
	}
	return nil, err
}

// tryRedisNode fails where somebody was faster to take one of the ports.
func tryRedisNode(ctx context.Context, program string, args []string) (*RedisNode, error) {
	var err error
	n := &RedisNode{}
	if n.port, err = FreePort(); err != nil {
		return nil, err
	}
	if n.bus, err = FreePort(); err != nil {
		return nil, err
	}
	if n.dir, err = NewDir(""); err != nil {
		return nil, err
	}
	n.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port))
	all := append([]string{
		program, "--port", strconv.Itoa(n.port), "--cluster-port", strconv.Itoa(n.bus), "--bind", "127.0.0.1", "--dir", n.dir,
		"--save", "", "--appendonly", "no", "--enable-debug-command", "local",
		// A replica is there as soon as it can be.
		"--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb",
		"--repl-ping-replica-period", "1",
		// A replica that was stopped is not given up: its lag is what tests are about.
		"--client-output-buffer-limit", "replica 0 0 0", "--repl-timeout", "600",
	}, args...)
	n.Process, err = Start(ctx, Spec{Args: all, Dir: n.dir, Ready: func(ctx context.Context) error {
		_, err := n.Do(ctx, "PING")
		return err
	}})
	if err != nil {
		_ = os.RemoveAll(n.dir) // the first error tells more
		return nil, err
	}
	return n, nil
}

// Do sends a command on a connection of its own; see RedisConn.Do for the answer.
func (n *RedisNode) Do(ctx context.Context, args ...string) (any, error) {
	c, err := DialRedis(ctx, n.Addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing is lost by it
	return c.Do(ctx, args...)
}

// Info returns a field of INFO or CLUSTER INFO; "" if it is not there.
func (n *RedisNode) Info(ctx context.Context, field string) (string, error) {
	cmd := []string{"INFO", "everything"}
	if strings.HasPrefix(field, "cluster_") {
		cmd = []string{"CLUSTER", "INFO"}
	}
	v, err := n.Do(ctx, cmd...)
	if err != nil {
		return "", err
	}
	text, _ := v.(string)
	for in := bufio.NewScanner(strings.NewReader(text)); in.Scan(); {
		if value, ok := strings.CutPrefix(in.Text(), field+":"); ok {
			return value, nil
		}
	}
	return "", nil
}

// Close ends the server without ceremony, stopped or not, and removes its folder.
func (n *RedisNode) Close() error {
	n.Kill()
	return os.RemoveAll(n.dir)
}

// await asks until cond holds or ctx ends. What the servers of a group agree on among
// themselves they tell nobody.
func await(ctx context.Context, what string, cond func(context.Context) (bool, error)) error {
	for {
		ok, err := cond(ctx)
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("engines: %s does not come about: %w", what, errors.Join(ctx.Err(), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// has returns a condition: a field of a node's INFO has a value.
func (n *RedisNode) has(field, value string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		got, err := n.Info(ctx, field)
		return got == value, err
	}
}

// Fall makes a replica of this server fall behind, so that what the server
// acknowledges from now on is lost if it dies: the replica is stopped, and the buffers
// between the two are filled with size bytes that carry nothing. Killing a master whose
// replica is merely a moment late proves nothing, because the kernel still delivers what
// was written to the socket.
//
// padding is the name of a key that this server may keep.
func (n *RedisNode) Fall(ctx context.Context, replica *RedisNode, padding string, size int) error {
	replica.Pause()
	c, err := DialRedis(ctx, n.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	const chunk = 1 << 20
	filler := strings.Repeat("x", chunk)
	for sent := 0; sent < size; sent += chunk {
		if _, err := c.Do(ctx, "SET", padding, filler, "EX", "600"); err != nil {
			return err
		}
	}
	return nil
}

// IsMaster reports whether the server takes writes for itself, by its own word.
func (n *RedisNode) IsMaster(ctx context.Context) bool {
	v, err := n.Do(ctx, "ROLE")
	list, _ := v.([]any)
	return err == nil && len(list) > 0 && list[0] == "master"
}
