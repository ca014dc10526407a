package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// dataFormat is the first byte of the column data. A row with a later one was written
// by a newer release, and is left alone.
const dataFormat = 1

// row is a row of the table of sessions. Columns are in the order of columns.
type row struct {
	hash, proof, prev       []byte
	prevUntil, rotated      int64
	version                 int64
	subject                 sql.NullString
	authenticated           int64
	created, accessed       int64
	idle, absolute, expires int64
	cookie, data            []byte
}

func (r *row) scan(rows *sql.Rows) error {
	return rows.Scan(&r.hash, &r.proof, &r.prev, &r.prevUntil, &r.rotated, &r.version, &r.subject, &r.authenticated,
		&r.created, &r.accessed, &r.idle, &r.absolute, &r.expires, &r.cookie, &r.data)
}

var errBytes = errors.New("a hash of another length")

// record returns the record in a row; the error is beaker.ErrCorrupt or
// beaker.ErrNewerFormat.
func (r *row) record() (*beaker.Record, error) {
	if len(r.data) == 0 {
		return nil, fmt.Errorf("%w: sqlstore: no data", beaker.ErrCorrupt)
	}
	if r.data[0] > dataFormat {
		return nil, fmt.Errorf("%w: sqlstore: format %d, this release reads up to %d", beaker.ErrNewerFormat, r.data[0], dataFormat)
	}
	rec, err := r.restore()
	switch {
	case err == nil:
		return rec, nil
	case errors.Is(err, beaker.ErrCorrupt):
		return nil, err
	}
	return nil, fmt.Errorf("%w: sqlstore: %w", beaker.ErrCorrupt, err)
}

func (r *row) restore() (*beaker.Record, error) {
	const maxIdle = int64(beaker.NoLimit / time.Millisecond)
	m := beaker.Meta{
		PrevUntil: beaker.Millis(r.prevUntil), RotatedAt: beaker.Millis(r.rotated), Created: beaker.Millis(r.created),
		Touched: beaker.Millis(r.accessed), Absolute: beaker.Millis(r.absolute),
		Subject: r.subject.String, AuthenticatedAt: beaker.Millis(r.authenticated),
	}
	switch {
	case r.data[0] != dataFormat:
		return nil, errors.New("unknown format")
	case len(r.hash) != len(m.Key) || len(r.proof) != len(m.Proof) || r.prev != nil && len(r.prev) != len(m.PrevProof):
		return nil, errBytes
	case r.version < 0 || r.idle <= 0 || r.idle > maxIdle:
		return nil, errors.New("a number out of range")
	}
	m.Key, m.Proof = beaker.RecordKey(r.hash), beaker.Proof(r.proof)
	copy(m.PrevProof[:], r.prev)
	m.Version, m.Idle = beaker.Version(r.version), time.Duration(r.idle)*time.Millisecond
	if r.cookie != nil {
		m.Cookie = new(beaker.CookieAttributes)
		if err := m.Cookie.UnmarshalBinary(r.cookie); err != nil {
			return nil, err
		}
	}
	return beaker.RestoreRecord(m, r.data[1:])
}

// fields are the columns of a record that may be NULL or are not kept as they are.
type fields struct {
	prev, subject, cookie any
	data                  []byte
}

func (s *Store) fieldsOf(rec *beaker.Record, m *beaker.Meta) (fields, error) {
	f := fields{subject: s.subjectArg(m.Subject), data: dataOf(rec)}
	if !m.PrevProof.IsZero() {
		f.prev = m.PrevProof[:]
	}
	if m.Cookie != nil {
		b, err := m.Cookie.MarshalBinary()
		if err != nil {
			return fields{}, fmt.Errorf("sqlstore: %w", err)
		}
		f.cookie = b
	}
	return f, nil
}

func dataOf(rec *beaker.Record) []byte {
	return rec.AppendValues([]byte{dataFormat})
}

// subjectArg returns a subject as the engine's column takes it. SQLite tells text
// from bytes; anonymous is NULL, so that the index is of those signed in.
func (s *Store) subjectArg(subject string) any {
	switch {
	case subject == "":
		return nil
	case s.e.byteSubject:
		return []byte(subject)
	}
	return subject
}
