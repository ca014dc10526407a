package filestore

import (
	"fmt"

	"github.com/seed12c5fab1/beaker"
)

// errNotRegular is a session's name that is taken by something else: a link, a pipe,
// a folder. Nobody but the directory's owner can have put it there.
var errNotRegular = fmt.Errorf("%w: not a regular file", beaker.ErrCorrupt)

// errTooLarge is a file that cannot be a session: write refuses to make one of this
// size.
var errTooLarge = fmt.Errorf("%w: the file is larger than any session", beaker.ErrCorrupt)

// failed says which operation went wrong, why, and what to do about it.
func failed(op string, err error) error {
	if hint := remedy(err); hint != "" {
		return fmt.Errorf("filestore: %s: %w (%s)", op, err, hint)
	}
	return fmt.Errorf("filestore: %s: %w", op, err)
}

// uncertain is failed for a change that may have happened all the same.
func uncertain(op string, err error) error {
	return fmt.Errorf("%w: %w", beaker.ErrUncertain, failed(op, err))
}
