package redisstore

import (
	"context"
	"errors"
	"hash/crc32"
	"maps"
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

// keyspace is all masters, each with a part of the keys.
type keyspace struct {
	masters []rueidis.Client // in the order of their addresses
	sum     uint32           // tells one set of them from another
}

// keyspace finds the masters. In a cluster it asks each node what it is, since rueidis
// does not tell.
func (s *Store) keyspace(ctx context.Context) (keyspace, error) {
	if s.client.Mode() != rueidis.ClientModeCluster {
		return keyspace{[]rueidis.Client{s.client}, 1}, nil
	}
	all := s.client.Nodes()
	addrs := slices.Sorted(maps.Keys(all))
	roles := make([]answer, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() {
			// There may be no connection to a replica yet.
			a, err := within(ctx, &s.limits, true, func() answer { return answerOf(all[addr].Do(ctx, all[addr].B().Role().Build())) })
			if roles[i] = a; err != nil {
				roles[i] = answer{err: err}
			}
		})
	}
	wg.Wait()
	var k keyspace
	var names []string
	for i, addr := range addrs {
		if roles[i].err != nil {
			return keyspace{}, s.failed(ctx, "scan", roles[i].err)
		}
		role, err := roles[i].msg.ToArray()
		if err != nil {
			return keyspace{}, s.failed(ctx, "scan", err)
		}
		if len(role) == 0 {
			continue
		}
		if kind, err := role[0].ToString(); err == nil && kind == "master" {
			k.masters, names = append(k.masters, all[addr]), append(names, addr)
		}
	}
	if len(names) == 0 {
		return keyspace{}, s.failed(ctx, "scan", errNoMaster)
	}
	k.sum = crc32.ChecksumIEEE([]byte(strings.Join(names, " "))) | 1
	return k, nil
}

var (
	errNoMaster = errors.New("the cluster has no master")
	errChanged  = errors.New("the cluster has other masters than when this began: begin again")
)

// scan goes through about count keys, moves at on, and returns the names of those that
// begin with the prefix.
func (s *Store) scan(ctx context.Context, k keyspace, at *position, count int) ([]string, error) {
	switch {
	case at.masters == 0:
		at.masters = k.sum
	case at.masters != k.sum || at.node >= len(k.masters):
		// Each server has an order of its own, in which a place means nothing to another.
		return nil, s.failed(ctx, "scan", errChanged)
	}
	node := k.masters[at.node]
	a := s.do(ctx, node, node.B().Scan().Cursor(at.cursor).Match(s.o.Prefix+"*").Count(int64(count)).Build())
	if a.err != nil {
		return nil, s.failed(ctx, "scan", a.err)
	}
	entry, err := a.msg.AsScanEntry()
	if err != nil {
		return nil, s.failed(ctx, "scan", err)
	}
	if at.cursor = entry.Cursor; at.cursor == 0 {
		at.node++
		at.end = at.node == len(k.masters)
	}
	return entry.Elements, nil
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
