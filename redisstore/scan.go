package redisstore

import (
	"context"
	"errors"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// position is a place in the keyspace: all that comes before it was gone through.
type position struct {
	masters uint32 // which masters there are; zero: not looked yet
	node    int    // which of them, in the order of their addresses
	cursor  uint64 // SCAN's own
	end     bool   // nothing is left
}

const endMark = "end"

func (p position) String() string {
	if p.end {
		return endMark
	}
	return strings.Join([]string{
		strconv.FormatUint(uint64(p.masters), 36), strconv.Itoa(p.node), strconv.FormatUint(p.cursor, 36),
	}, ".")
}

func parsePosition(s string) (position, error) {
	if s == endMark {
		return position{end: true}, nil
	}
	fields := strings.Split(s, ".")
	if len(fields) != 3 {
		return position{}, errCursor
	}
	masters, err1 := strconv.ParseUint(fields[0], 36, 32)
	node, err2 := strconv.ParseUint(fields[1], 10, 16)
	cursor, err3 := strconv.ParseUint(fields[2], 36, 64)
	p := position{masters: uint32(masters), node: int(node), cursor: cursor}
	if errors.Join(err1, err2, err3) != nil || p.String() != s {
		return position{}, errCursor
	}
	return p, nil
}

var errChanged = errors.New("the cluster has other masters than when the listing began: begin again")

// scan returns the names of some keys that begin with the prefix, and moves at on.
func (s *Store) scan(ctx context.Context, at *position, count int) ([]string, error) {
	nodes, sum, err := s.masters(ctx)
	if err != nil {
		return nil, s.failed(ctx, "list", err)
	}
	switch {
	case at.masters == 0:
		at.masters = sum
	case at.masters != sum || at.node >= len(nodes):
		// Each server has an order of its own, in which a place means nothing to another.
		return nil, s.failed(ctx, "list", errChanged)
	}
	node := nodes[at.node]
	entry, err := node.Do(ctx, node.B().Scan().Cursor(at.cursor).Match(s.o.Prefix+"*").Count(int64(count)).Build()).AsScanEntry()
	if err != nil {
		return nil, s.failed(ctx, "list", err)
	}
	if at.cursor = entry.Cursor; at.cursor == 0 {
		at.node++
		at.end = at.node == len(nodes)
	}
	return entry.Elements, nil
}

// masters returns a client for each master, in the order of their addresses, and a
// number that tells one set of them from another.
func (s *Store) masters(ctx context.Context) ([]rueidis.Client, uint32, error) {
	if s.client.Mode() != rueidis.ClientModeCluster {
		return []rueidis.Client{s.client}, 1, nil
	}
	all := s.client.Nodes()
	addrs := make([]string, 0, len(all))
	for addr, node := range all {
		role, err := node.Do(ctx, node.B().Role().Build()).ToArray()
		if err != nil {
			return nil, 0, err
		}
		if len(role) > 0 {
			if kind, err := role[0].ToString(); err == nil && kind == "master" {
				addrs = append(addrs, addr)
			}
		}
	}
	slices.Sort(addrs)
	nodes := make([]rueidis.Client, len(addrs))
	for i, addr := range addrs {
		nodes[i] = all[addr]
	}
	if len(nodes) == 0 {
		return nil, 0, errors.New("the cluster has no master")
	}
	return nodes, crc32.ChecksumIEEE([]byte(strings.Join(addrs, " "))) | 1, nil
}

// place is a position that is kept.
type place struct {
	mu sync.Mutex
	at position
}

func (p *place) get() position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func (p *place) set(at position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
}
