package beaker

import (
	"crypto/subtle"
	"fmt"
	"time"
)

// Value is one named value in encoded form.
type Value struct {
	Name string
	Data []byte
}

// Rotation replaces a record's proof.
type Rotation struct {
	Next  Proof
	Grace time.Duration // how long the replaced proof may still read and apply, in whole milliseconds
}

// Change is what a request wants done to a record. It names what changes and not
// what the record should become, so that changes of requests that overlap can be
// merged. The zero Change asks for nothing and, having no proof, is refused.
//
// It is applied in this order: Clear, Remove, Set.
type Change struct {
	// Now is the caller's clock. A store never reads its own.
	Now Millis
	// Proof is who asks: the record's current proof, or the previous one in its
	// grace. The zero proof matches nothing.
	Proof Proof
	// AnyProof asks without a proof. It is for operators' tools and for lookups by
	// handle, where whoever calls was authorised in another way.
	AnyProof bool
	// Began is when the request arrived; it decides whether a sign-in is older than
	// the revocation of its subject.
	Began Millis
	// Base is the record that the change was made on. It is a hint that may save a
	// store a round trip; it is never trusted. Nil is always right.
	Base *Record
	// IfVersion makes the change conditional; zero merges.
	IfVersion Version

	Clear  bool     // drop all values, internal ones included
	Remove []string // names
	Set    []Value  // names are unique and in none of Remove

	Touch    Millis        // raises the record's Touched to this; zero: no touch
	Idle     time.Duration // zero: unchanged
	Absolute Millis        // zero: unchanged

	Subject         *string // nil: unchanged; empty: anonymous from now on
	AuthenticatedAt Millis  // goes with Subject

	Cookie *CookieAttributes // nil: unchanged
	Rotate *Rotation         // nil: the proof stays
	Limits Limits            // on what the merged record may hold, where Set is not empty
}

// ChangesData reports whether ch asks for more than a touch, so that the version is
// raised.
func (ch *Change) ChangesData() bool {
	return ch.Clear || len(ch.Remove) > 0 || len(ch.Set) > 0 || ch.Idle != 0 || ch.Absolute != 0 ||
		ch.Subject != nil || ch.Cookie != nil || ch.Rotate != nil
}

// Merge returns what ch makes of rec: the one definition of Apply, which a store
// that can read and write in one atomic step calls between the two. It returns rec
// itself if there is nothing to write (a touch that is older than the last, or a
// rotation that was done already), and a record without a hint otherwise.
//
// It returns ErrNotFound if rec is expired at ch.Now or refuses the proof, and
// ErrConflict and ErrTooLarge as Apply does. The mark of a revoked subject is the
// store's to check.
func Merge(rec *Record, ch *Change) (*Record, error) {
	if rec.Expired(ch.Now) {
		return nil, ErrNotFound
	}
	status := ProofCurrent
	if !ch.AnyProof {
		status = rec.CheckProof(ch.Proof, ch.Now)
	}
	if ch.Rotate != nil {
		if ch.Rotate.Next.IsZero() {
			return nil, fmt.Errorf("%w: rotation to a zero proof", errMeta)
		}
		if rec.rotatedTo(ch) {
			// The same change again, after its acknowledgement was lost: next proofs
			// are random and never used twice.
			return rec, nil
		}
		if status != ProofCurrent {
			// Otherwise two tabs rotate in turn and each kills the other's new cookie.
			return nil, ErrNotFound
		}
	}
	if status < ProofPrevious {
		return nil, ErrNotFound
	}
	if ch.IfVersion != 0 && ch.IfVersion != rec.version {
		return nil, ErrConflict
	}

	if ch.Now < 0 || ch.Now > maxMillis || ch.Touch < 0 || ch.Touch > maxMillis || ch.AuthenticatedAt < 0 || ch.AuthenticatedAt > maxMillis {
		return nil, fmt.Errorf("%w: time out of range", errMeta)
	}
	touched := max(rec.touched, ch.Touch)
	if !ch.ChangesData() && touched == rec.touched {
		return rec, nil
	}
	out := *rec
	out.hint = nil
	out.touched = touched
	if !ch.ChangesData() {
		return &out, nil
	}
	out.version++
	if ch.Idle != 0 {
		out.idle = Millis(ch.Idle / time.Millisecond)
		if out.idle <= 0 {
			return nil, fmt.Errorf("%w: idle timeout must be at least a millisecond", errMeta)
		}
	}
	if ch.Absolute != 0 {
		if ch.Absolute < 0 || ch.Absolute > maxMillis {
			return nil, fmt.Errorf("%w: time out of range", errMeta)
		}
		out.abs = ch.Absolute
	}
	if ch.Subject != nil {
		if err := checkSubject(*ch.Subject); err != nil {
			return nil, err
		}
		out.subject, out.authAt = *ch.Subject, ch.AuthenticatedAt
	}
	if ch.Cookie != nil {
		if _, err := ch.Cookie.MarshalBinary(); err != nil {
			return nil, err
		}
		c := *ch.Cookie
		out.cookie = &c
	}
	if r := ch.Rotate; r != nil {
		out.rot = &rotated{prev: rec.proof, until: ch.Now.Add(max(r.Grace, 0)), at: ch.Now}
		out.proof = r.Next
	}
	if err := mergeValues(&out, rec.values, ch); err != nil {
		return nil, err
	}
	return &out, nil
}

func mergeValues(out *Record, old string, ch *Change) error {
	if !ch.Clear && len(ch.Remove) == 0 && len(ch.Set) == 0 {
		return nil
	}
	if ch.Clear {
		old = noValues
	}
	set := sortedValues(ch.Set)
	for i := 1; i < len(set); i++ {
		if set[i].Name == set[i-1].Name {
			return errDuplicateValue
		}
	}
	var keys int
	out.values, keys = joinValues(old, ch.Remove, set)
	if len(set) == 0 {
		return nil // what only shrinks is never refused
	}
	if l := ch.Limits; l.MaxKeys > 0 && keys > l.MaxKeys || l.MaxBytes > 0 && len(out.values) > l.MaxBytes {
		return &TooLargeError{Bytes: len(out.values), MaxBytes: l.MaxBytes, Keys: keys, MaxKeys: l.MaxKeys}
	}
	return nil
}

// rotatedTo reports whether the record's last rotation is the very one that ch asks for.
func (r *Record) rotatedTo(ch *Change) bool {
	return r.rot != nil && subtle.ConstantTimeCompare(r.proof[:], ch.Rotate.Next[:]) == 1 &&
		(ch.AnyProof || subtle.ConstantTimeCompare(r.rot.prev[:], ch.Proof[:]) == 1)
}
