package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// Defects that one store value does not show.
func nodeDefects() []struct {
	name  string
	open  func() (a, b *broken)
	fails []string
} {
	pair := func(data *shared) (a, b *broken) {
		return &broken{reference: &reference{shared: data}}, &broken{reference: &reference{shared: data}}
	}
	return []struct {
		name  string
		open  func() (a, b *broken)
		fails []string
	}{
		{"share nothing", func() (a, b *broken) {
			a, _ = pair(newShared())
			b, _ = pair(newShared())
			return a, b
		}, []string{
			"a record that one node creates is there for the other",
			"one node lists and purges what the other created",
			"racing Creates of one key on two nodes have one winner",
			"two writes of different values both survive",
			"Delete against a write leaves nothing",
			"Purge does not take a record that is being touched",
		}},
		{"change the copy that they have", func() (a, b *broken) {
			a, b = pair(newShared())
			for _, n := range []*broken{a, b} {
				c := n.caching(true, false)
				n.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
					rec, err := n.Load(ctx, key)
					if err != nil {
						return 0, err
					}
					out, err := beaker.Merge(rec, ch)
					if err != nil {
						return 0, err
					}
					n.put(out)
					c.put(key, out)
					return out.Version(), nil
				}
			}
			return a, b
		}, []string{
			"nodes that change a record in turn see each other's changes",
			"a rotation on one node kills the old proof on the other",
			"IfVersion holds over both nodes",
			"Delete on one node is final on the other",
		}},
		{"serve copies for ever", func() (a, b *broken) {
			a, b = pair(newShared())
			b.caching(true, false)
			return a, b
		}, []string{
			"nodes that change a record in turn see each other's changes",
			"Delete on one node is final on the other",
			"a rotation on one node kills the old proof on the other",
			"Load on one node returns nothing that was outdated on the other before",
		}},
		{"have a lock each", func() (a, b *broken) {
			a, b = pair(newShared())
			lastWriteWins(a)
			b.apply = a.apply
			return a, b
		}, []string{
			"two writes of different values both survive",
			"many writers lose nothing",
			"of two racing rotations exactly one wins",
		}},
		{"note revocations each for itself", func() (a, b *broken) {
			a, b = pair(newShared())
			b.reference = &reference{shared: &shared{recs: a.recs, mark: map[string]beaker.Millis{}}}
			return a, b
		}, []string{"RevokeSubject on one node ends the sessions of the other and refuses its late sign-ins"}},
		{"hear nothing", func() (a, b *broken) {
			a, b = pair(newShared())
			b.watch = func(ctx context.Context, _ func(beaker.RecordKey)) error {
				<-ctx.Done()
				return ctx.Err()
			}
			return a, b
		}, []string{
			"a session that one node deletes is told of on the other",
			"a session that becomes another subject's on one node is told of on the other",
			"the sessions that one node revokes by subject are told of on the other",
		}},
		{"are told, and load what they had", func() (a, b *broken) {
			a, b = pair(newShared())
			b.caching(true, false)
			return a, b
		}, []string{"a session that one node deletes is told of on the other"}},
		{"listen for ever", func() (a, b *broken) {
			a, b = pair(newShared())
			b.watch = func(ctx context.Context, _ func(beaker.RecordKey)) error {
				<-ctx.Done()
				return nil
			}
			return a, b
		}, []string{"Watch returns when its context is done"}},
	}
}

func TestEachDefectBetweenNodesIsFound(t *testing.T) {
	for _, d := range nodeDefects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			_, failed := examine(t, true, 3, only(nodePromises(), d.fails), func() (a, b beaker.Store) { return d.open() })
			for _, name := range d.fails {
				if !failed.has(name) {
					t.Errorf("the check %q did not notice; these did: %s", name, failed)
				}
			}
		})
	}
}

// The races between nodes are those of one store, which have their own defects; what is
// only checked between nodes must find something of its own.
func TestEveryCheckBetweenNodesFindsSomething(t *testing.T) {
	for _, c := range slices.Concat(nodeChecks(), nodePromptChecks(), nodeDeleteChecks(), nodeRevokeChecks(), nodeWatchChecks()) {
		found := false
		for _, d := range nodeDefects() {
			found = found || slices.Contains(d.fails, c.name)
		}
		if !found {
			t.Errorf("no defect is found by the check %q", c.name)
		}
	}
}
