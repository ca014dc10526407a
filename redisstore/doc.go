// Package redisstore keeps sessions in Redis, alone, behind sentinels or in a cluster,
// through github.com/redis/rueidis:
//
//	store, err := redisstore.Open(ctx, "redis://localhost:6379", nil)
//
// or, with a client that the application has already, redisstore.New. rueidis sends what
// many goroutines ask at once in one piece, follows a cluster while its slots move, and
// can keep copies that Redis itself invalidates: see [Options.Cache].
//
// It keeps every promise of [beaker.Store], also between processes, as long as the
// server keeps what it has acknowledged: see [Options.WaitReplicas] for what a failover
// undoes, and docs/redisstore.md for the rest of what Redis is and is not.
//
// # What is where
//
// A session is one hash, PREFIX followed by its handle, with a field for each value: two
// requests that set different values do not meet. A write is one script, which Redis
// runs as one step, on that one key; a read is HGETALL. A subject has a sorted set of
// its sessions, which List and RevokeSubject use. Every key has a TTL. It is garbage
// collection only: deadlines are in the hash, and it is the caller's clock that decides,
// so clocks of servers do not matter.
//
// # When a command fails
//
// What Redis refuses, it has not done. If the connection breaks, or the context ends,
// after a write may have been sent, the error is [beaker.ErrUncertain], and nothing is
// repeated. Reads are repeated until the context ends, so it should have a deadline;
// those of a beaker.Manager do.
package redisstore
