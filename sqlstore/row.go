package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed12c5fab1/beaker"
)

var errForeignRow = errors.New("the database answered with the row of another session: upgrade Go and the driver")

// row is what is read of a session.
type row struct {
	accessed int64
	// data is the driver's memory, and gone when the next row is read. ParseRecord
	// copies what it needs.
	data sql.RawBytes
}

// record returns the record in a row; the error is beaker.ErrCorrupt or
// beaker.ErrNewerFormat.
func (r *row) record() (*beaker.Record, error) {
	rec, err := beaker.ParseRecord(r.data)
	if err != nil {
		return nil, err
	}
	accessed := beaker.Millis(r.accessed)
	if accessed <= rec.Touched() {
		return rec, nil
	}
	rec, err = beaker.Merge(rec, &beaker.Change{AnyProof: true, Touch: accessed})
	if err != nil {
		return nil, fmt.Errorf("%w: sqlstore: the time of the last use: %w", beaker.ErrCorrupt, err)
	}
	return rec, nil
}

// recordOf is record for a row that was asked for by its key. That it is this one is
// not taken for granted: database/sql once mixed up the rows of queries that were
// cancelled (CVE-2025-47907), and a session is somebody's identity.
func (r *row) recordOf(key beaker.RecordKey) (*beaker.Record, error) {
	rec, err := r.record()
	if err == nil && rec.Key() != key {
		return nil, &storeError{op: "load", text: errForeignRow.Error(), err: errForeignRow}
	}
	return rec, err
}

// dataOf returns the column data of a record.
func dataOf(rec *beaker.Record) ([]byte, error) {
	data, err := rec.AppendBinary(nil)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return data, nil
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
