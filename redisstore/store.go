package redisstore

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

var (
	_ beaker.Store          = (*Store)(nil)
	_ beaker.Lister         = (*Store)(nil)
	_ beaker.Purger         = (*Store)(nil)
	_ beaker.SubjectRevoker = (*Store)(nil)
	_ io.Closer             = (*Store)(nil)
)

// Options are the choices of a store. The zero value is the default. All stores over
// the same sessions must be given the same Prefix.
type Options struct {
	// Prefix begins all keys, so that applications can share a server; empty means
	// [DefaultPrefix].
	Prefix string

	// WaitReplicas is how many replicas must have a Delete, a rotation or a revocation
	// before it is acknowledged. Zero does not wait.
	WaitReplicas int
	// WaitTimeout is how long they are waited for; zero means [DefaultWaitTimeout].
	WaitTimeout time.Duration

	// Cache keeps sessions that were loaded in this process's memory, until Redis says
	// that they changed.
	Cache bool
	// CacheTTL is how long a session is served from memory if Redis says nothing; zero
	// means [DefaultCacheTTL].
	CacheTTL time.Duration

	// Logger is told what an operator should change on the server; nil means
	// slog.Default().
	Logger *slog.Logger
}

// Defaults of [Options].
const (
	DefaultPrefix      = "beaker:"
	DefaultWaitTimeout = 500 * time.Millisecond
	DefaultCacheTTL    = 10 * time.Second
)

// Store keeps sessions in Redis. It is made by [New] or [Open], and is safe for
// concurrent use.
type Store struct{ client rueidis.Client }

var errUnfinished = errors.New("redisstore: not there yet")

// New returns a store on a client, which stays the caller's: Close does not close it.
func New(ctx context.Context, client rueidis.Client, opts *Options) (*Store, error) {
	return nil, errUnfinished
}

// Open is New with a client made from a URL, which Close closes.
func Open(ctx context.Context, url string, opts *Options) (*Store, error) {
	return nil, errUnfinished
}

// Close implements io.Closer.
func (s *Store) Close() error { return nil }

// Create implements [beaker.Store].
func (s *Store) Create(ctx context.Context, rec *beaker.Record) error { return errUnfinished }

// Load implements [beaker.Store].
func (s *Store) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	return nil, errUnfinished
}

// Apply implements [beaker.Store].
func (s *Store) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	return 0, errUnfinished
}

// Delete implements [beaker.Store].
func (s *Store) Delete(ctx context.Context, key beaker.RecordKey) error { return errUnfinished }

// List implements [beaker.Lister].
func (s *Store) List(ctx context.Context, q beaker.ListQuery) (page []*beaker.Record, next string, err error) {
	return nil, "", errUnfinished
}

// Purge implements [beaker.Purger].
func (s *Store) Purge(ctx context.Context, now beaker.Millis, limit int) (int, error) {
	return 0, errUnfinished
}

// RevokeSubject implements [beaker.SubjectRevoker].
func (s *Store) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
	return 0, errUnfinished
}
