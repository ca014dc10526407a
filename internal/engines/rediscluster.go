//go:build linux

package engines

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"
)

// RedisCluster is a cluster of three masters with one replica each.
type RedisCluster struct {
	Nodes []*RedisNode // first the three that began as masters, then their replicas in that order

	ids []string

	mu    sync.Mutex
	moved map[int]int // where slots are that were moved
}

const (
	clusterMasters = 3
	clusterSlots   = 16384
)

// StartRedisCluster starts a cluster and waits until all slots are served and all
// replicas follow. A master that does not answer is given up after nodeTimeout; make it
// long where nothing is to fail, because a busy machine can be silent for a second.
func StartRedisCluster(ctx context.Context, nodeTimeout time.Duration, args ...string) (*RedisCluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	c := &RedisCluster{Nodes: make([]*RedisNode, 2*clusterMasters), ids: make([]string, 2*clusterMasters), moved: map[int]int{}}
	errs := make([]error, len(c.Nodes))
	var wg sync.WaitGroup
	for i := range c.Nodes {
		wg.Go(func() {
			c.Nodes[i], errs[i] = StartRedisNode(ctx, append([]string{
				"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
				"--cluster-node-timeout", strconv.FormatInt(nodeTimeout.Milliseconds(), 10),
				// However far behind a replica is, it may take over: that is what a test shows.
				"--cluster-replica-validity-factor", "0",
				// A replica stays with its master when the master's slots are moved away.
				"--cluster-allow-replica-migration", "no",
			}, args...)...)
		})
	}
	wg.Wait()
	err := errors.Join(errs...)
	if err == nil {
		err = c.join(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// join makes one cluster of the nodes.
func (c *RedisCluster) join(ctx context.Context) error {
	for i, n := range c.Nodes {
		id, err := n.Do(ctx, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		c.ids[i], _ = id.(string)
		if _, err := n.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		if i < clusterMasters {
			first, last := clusterSlots*i/clusterMasters, clusterSlots*(i+1)/clusterMasters-1
			if _, err := n.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)); err != nil {
				return err
			}
		}
		// Each of them is told of each, because gossip takes seconds.
		for _, other := range c.Nodes[:i] {
			if _, err := n.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(other.port), strconv.Itoa(other.bus)); err != nil {
				return err
			}
		}
	}
	for i, n := range c.Nodes {
		if err := await(ctx, "a cluster", func(ctx context.Context) (bool, error) {
			nodes, err := n.Do(ctx, "CLUSTER", "NODES")
			text, _ := nodes.(string)
			return strings.Count(text, "\n") == len(c.Nodes) && !strings.Contains(text, "handshake"), err
		}); err != nil {
			return err
		}
		if i >= clusterMasters {
			if _, err := n.Do(ctx, "CLUSTER", "REPLICATE", c.ids[i-clusterMasters]); err != nil {
				return err
			}
		}
	}
	return c.Healthy(ctx)
}

// Healthy waits until every node serves, every replica follows its master, and all of
// them know.
func (c *RedisCluster) Healthy(ctx context.Context) error {
	for _, n := range c.Nodes {
		if err := await(ctx, "a healthy cluster", func(ctx context.Context) (bool, error) {
			if ok, err := n.has("cluster_state", "ok")(ctx); !ok {
				return false, err
			}
			nodes, err := n.Do(ctx, "CLUSTER", "NODES")
			text, _ := nodes.(string)
			if strings.Count(text, " master ")+strings.Count(text, "myself,master ") != clusterMasters ||
				strings.Count(text, " slave ")+strings.Count(text, "myself,slave ") != clusterMasters || strings.Contains(text, "fail") {
				return false, err
			}
			if n.IsMaster(ctx) {
				return n.has("connected_slaves", "1")(ctx)
			}
			return n.has("master_link_status", "up")(ctx)
		}); err != nil {
			return err
		}
	}
	return nil
}

// Addrs returns where clients find the cluster.
func (c *RedisCluster) Addrs() []string {
	var all []string
	for _, n := range c.Nodes {
		all = append(all, n.Addr)
	}
	return all
}

// Replica returns the node that takes over when a master of the beginning dies.
func (c *RedisCluster) Replica(master int) *RedisNode { return c.Nodes[master+clusterMasters] }

// TakenOver waits until a replica is master, by its own word, and serves.
func (c *RedisCluster) TakenOver(ctx context.Context, n *RedisNode) error {
	return await(ctx, "a failover", func(ctx context.Context) (bool, error) {
		if !n.IsMaster(ctx) {
			return false, nil
		}
		return n.has("cluster_state", "ok")(ctx)
	})
}

// Slot returns the slot of a key: CRC-16 (XMODEM) of what is between its first braces,
// or of all of it.
func (c *RedisCluster) Slot(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	crc := uint16(0)
	for _, b := range []byte(key) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % clusterSlots
}

// Owner returns the number of the node that serves a slot, as long as no master fails.
func (c *RedisCluster) Owner(slot int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i, ok := c.moved[slot]; ok {
		return i
	}
	for i := clusterMasters - 1; ; i-- {
		if slot >= clusterSlots*i/clusterMasters {
			return i
		}
	}
}

// SlotMove moves one slot to another master while clients go on, as redis-cli's reshard
// does, in steps, so that a test can stay in the middle: between Begin and Finish the
// old master answers ASK for what it has no more.
type SlotMove struct {
	c        *RedisCluster
	slot     string
	number   int
	from, to int // indexes in Nodes
}

// Move prepares to move a slot from one node to another, given by their indexes.
func (c *RedisCluster) Move(slot, from, to int) *SlotMove {
	return &SlotMove{c, strconv.Itoa(slot), slot, from, to}
}

// Begin tells both nodes.
func (m *SlotMove) Begin(ctx context.Context) error {
	if _, err := m.c.Nodes[m.to].Do(ctx, "CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.c.ids[m.from]); err != nil {
		return err
	}
	_, err := m.c.Nodes[m.from].Do(ctx, "CLUSTER", "SETSLOT", m.slot, "MIGRATING", m.c.ids[m.to])
	return err
}

// Keys moves up to n of the slot's keys and says how many it moved.
func (m *SlotMove) Keys(ctx context.Context, n int) (int, error) {
	src := m.c.Nodes[m.from]
	v, err := src.Do(ctx, "CLUSTER", "GETKEYSINSLOT", m.slot, strconv.Itoa(n))
	if err != nil {
		return 0, err
	}
	keys, _ := v.([]any)
	if len(keys) == 0 {
		return 0, nil
	}
	cmd := []string{"MIGRATE", "127.0.0.1", strconv.Itoa(m.c.Nodes[m.to].port), "", "0", "5000", "KEYS"}
	for _, k := range keys {
		name, _ := k.(string)
		cmd = append(cmd, name)
	}
	if _, err := src.Do(ctx, cmd...); err != nil {
		return 0, err
	}
	return len(keys), nil
}

// Finish moves the rest, gives the slot to its new master, and waits until the nodes
// agree on the epoch. Without that, a move in the other direction may follow so soon that
// a node believes an old message of the old master, gives the slot back, and deletes its
// keys: that is how Redis is, and nothing that a client could do anything about.
func (m *SlotMove) Finish(ctx context.Context) error {
	for {
		n, err := m.Keys(ctx, 100)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	// The new owner first: from then on there is always one.
	order := []int{m.to, m.from}
	for i := range m.c.Nodes {
		if i != m.to && i != m.from {
			order = append(order, i)
		}
	}
	for _, i := range order {
		n := m.c.Nodes[i]
		if !n.IsMaster(ctx) {
			continue // replicas hear it from their master
		}
		if _, err := n.Do(ctx, "CLUSTER", "SETSLOT", m.slot, "NODE", m.c.ids[m.to]); err != nil {
			return err
		}
	}
	m.c.mu.Lock()
	m.c.moved[m.number] = m.to
	m.c.mu.Unlock()
	return await(ctx, "an epoch that all nodes agree on", m.c.agreed)
}

// agreed reports whether all masters know the newest change of what they serve.
func (c *RedisCluster) agreed(ctx context.Context) (bool, error) {
	newest := ""
	for _, n := range c.Nodes[:clusterMasters] {
		epoch, err := n.Info(ctx, "cluster_current_epoch")
		if err != nil || newest != "" && epoch != newest {
			return false, err
		}
		newest = epoch
	}
	return true, nil
}

// Close ends all nodes.
func (c *RedisCluster) Close() error {
	var errs []error
	for _, n := range c.Nodes {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}
