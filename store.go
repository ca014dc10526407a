package beaker

import "context"

// Store keeps session records. It is the contract between this package and what
// holds the data; an application only chooses one. The rest of this comment is for
// people who write one: implement the four methods, then call storetest.Run from a
// test, which checks every sentence here.
//
// A store never looks into a session. It sees a [RecordKey] (a hash), proofs (more
// hashes) and opaque values, and it never reads a clock: each operation that
// depends on the time carries the caller's.
//
// A store that holds something open is an io.Closer; a second Close returns nil.
//
// All methods are safe for concurrent use, also by several processes on the same
// data where the store can be shared. A context that is done when a method is
// called means that nothing happens and its error is returned. After Close, methods
// return [ErrClosed].
//
// After Apply or Delete has returned, Load on the same Store value is at least as
// new: a cache inside a store must honour that.
//
// An operation whose outcome is unknown (the connection broke before the answer)
// returns an error that is [ErrUncertain], and is not retried by the store.
// Delete, and an Apply that rotates to the same next proof, may be repeated safely.
type Store interface {
	// Create stores a new record. It returns ErrExists, and changes nothing, if
	// there is a record under its key, expired or not; and ErrRevoked, storing
	// nothing, if the record has a subject that was revoked at or after
	// [Meta.AuthenticatedAt].
	Create(ctx context.Context, rec *Record) error

	// Load returns the record under key, expired or not, and never writes. It
	// returns ErrNotFound if there is none and ErrCorrupt if it does not decode.
	// The record is shared: it is immutable.
	Load(ctx context.Context, key RecordKey) (*Record, error)

	// Apply merges a change into the record under key in one atomic step, as Merge
	// does, and returns the new version. It never creates a record. It returns
	// ErrNotFound if the record is gone, is expired at ch.Now, or refuses the proof;
	// ErrConflict if ch.IfVersion does not hold; ErrRevoked, with the session
	// deleted, if it sets a subject that was revoked at or after ch.Began. The proof
	// comes first: who has the wrong one cannot have a session deleted. When Apply has
	// returned, ch is the caller's again: the store does not keep it or what it holds.
	Apply(ctx context.Context, key RecordKey, ch *Change) (Version, error)

	// Delete removes the record for good; it returns nil if there is none. When it
	// has returned nil, no Apply that is under way brings the record back.
	Delete(ctx context.Context, key RecordKey) error
}

// Lister is implemented by stores that can list sessions.
type Lister interface {
	// List returns a page of records and the cursor of the next page, which is
	// empty at the end. A page may be empty before the end, a record that changes
	// meanwhile may be listed twice, and expired records may be listed: callers
	// check. Records that exist during the whole listing are listed.
	List(ctx context.Context, q ListQuery) (page []*Record, next string, err error)
}

// ListQuery says what to list.
type ListQuery struct {
	Subject string // only sessions of this subject; empty: all sessions
	Cursor  string // from the previous page; empty: from the start
	Limit   int    // at most so many records a page; zero or less: the store's choice
}

// Purger is implemented by stores that need expired records removed for them.
type Purger interface {
	// Purge removes at most limit records that are expired at now and says how many
	// it removed; fewer than limit means that none are left, or that the deadline of ctx
	// came and a later call goes on from there. It never removes a record that is not
	// expired, even if that record is changed meanwhile.
	Purge(ctx context.Context, now Millis, limit int) (n int, err error)
}

// SubjectRevoker is implemented by stores that can end all sessions of a subject.
type SubjectRevoker interface {
	// RevokeSubject first notes that the subject was revoked at a time, then deletes
	// the subject's sessions except those named, and says how many it deleted. When
	// it has returned, a sign-in that began at or before that time and finishes later
	// is refused with ErrRevoked: a password change ends the sessions that the old
	// password opened, also the one that is just being opened. Of several revocations
	// the latest time counts. The empty subject is nobody's: it is an error.
	RevokeSubject(ctx context.Context, subject string, at Millis, except ...RecordKey) (n int, err error)
}

// Watcher is implemented by stores that hear what other processes do.
type Watcher interface {
	// Watch calls ended with the key of each session that is deleted or given another
	// subject, by whatever process, until ctx is done or it can hear no more, and
	// returns why. Whoever is called looks for itself: ended may be called for a session
	// that goes on, and calls may be missing. When it is called, Load on the same
	// Store value returns nothing older than what it tells of. It does not block, and
	// may be called by several goroutines at once. Sessions that expire are not told of.
	Watch(ctx context.Context, ended func(RecordKey)) error
}
