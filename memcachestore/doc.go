// Package memcachestore keeps sessions in memcached, through
// github.com/bradfitz/gomemcache: in the memory of one server or of several, shared by
// any number of processes.
//
//	store, err := memcachestore.Open([]string{"cache1", "cache2"}, &memcachestore.Options{Generation: "1"})
//
// Memcached forgets. A server that is restarted, or whose memory is full, drops
// sessions, and their visitors are signed out. What it never does is to bring one
// back: sessions are created by add, changed by cas and ended by delete, and none of
// these revives what is gone. It keeps no list of its keys, so this store does not
// implement [beaker.Lister]; it needs no [beaker.Purger].
//
// # The servers
//
// Which server has a session follows from its key and the list of servers. A server
// that does not answer is an error for the sessions that it has, and is never left out:
// a logout that it has missed would be undone when it is back.
//
// For the same reason the list is fixed. Whoever changes it changes
// [Options.Generation] too, to one that was never used before: that signs everybody
// out. Otherwise a session that was ended on one server may be found alive on another.
// The list is changed as well by a proxy that replicates or fails over, and by a name
// that leads to another server whose memory is older.
//
// # A subject's sessions
//
// A session of a subject, which is one that somebody has signed in to, counts only as
// long as the subject's roster names it. The roster is one more item, so it changes in
// one atomic step: a sign-in adds to it, a revocation strikes names off and notes when
// it was. If it is evicted, the subject's sessions are over.
//
//	call                            round trips
//	Create, Load, Apply, Delete     1
//	Load of a session of a subject  2
//	Create with a subject, sign-in  3
//	RevokeSubject                   2, 1 for every 50 sessions and server, 1 for each session
//
// Apply takes one more without a [beaker.Change.Base] that this Store loaded, or if
// another change came first.
//
// That a subject was revoked is remembered in the roster, for 24 hours. Memcached may
// forget that too, so a sign-in that took longer than a minute, of a subject whose
// roster does not reach back to its beginning, is refused with [beaker.ErrRevoked].
//
// # When a server does not answer
//
// The client has no contexts: what waits for a server ends with [Options.Timeout], and
// contexts are looked at between round trips. A change whose answer is lost is looked
// for afterwards, by a random mark that each write leaves in the item; if that does not
// settle it, the error is [beaker.ErrUncertain].
package memcachestore
