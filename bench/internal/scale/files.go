//go:build linux

package scale

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

// files fills a folder and looks at it. Files are not synced, which would be most of
// what filling takes.
func (r *report) files() error {
	dir, err := r.env.Dir()
	if err != nil {
		return err
	}
	s, err := filestore.Open(dir, &filestore.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer s.Close()
	now, rnd := beaker.MillisOf(time.Now()), rand.New(rand.NewPCG(2, 2)) //nolint:gosec // sessions for nobody
	var keys []beaker.RecordKey
	expired := 0
	began := time.Now()
	few := min(1000, r.sizes.Files)
	for i := range r.sizes.Files {
		used := now
		if i%10 == 0 && i >= few {
			used = now.Add(-time.Hour)
			expired++
		}
		rec, err := record(rnd, used, 30*time.Minute, map[bool]string{true: fmt.Sprint("user ", i/5)}[i%2 == 1])
		if err != nil {
			return err
		}
		if err := s.Create(r.ctx, rec); err != nil {
			return err
		}
		if used == now && (i < few || i%97 == 1) {
			keys = append(keys, rec.Key())
		}
		if i+1 == few {
			l, err := probe(r.ctx, s, keys, r.sizes.Probes/10, nil)
			if err != nil {
				return err
			}
			r.line("   %d files: loads %v", few, l)
		}
	}
	took := time.Since(began)
	bytes, err := onDisk(dir)
	if err != nil {
		return err
	}
	r.line("   %d files: %v each to create, %d bytes of disk each", r.sizes.Files, took/time.Duration(r.sizes.Files), bytes/int64(r.sizes.Files))
	l, err := probe(r.ctx, s, keys, r.sizes.Probes/10, nil)
	if err != nil {
		return err
	}
	r.line("   loads: %v", l)
	began = time.Now()
	page, _, err := s.List(r.ctx, beaker.ListQuery{Subject: "user 1"})
	if err != nil {
		return err
	}
	r.line("   listing a subject of %d: %v", len(page), time.Since(began).Round(time.Microsecond))
	return r.purge(s, s, keys, now, expired)
}

// purge removes what has expired and reads meanwhile.
func (r *report) purge(s beaker.Store, p beaker.Purger, keys []beaker.RecordKey, now beaker.Millis, expired int) error {
	stop, done := make(chan struct{}), make(chan error, 1)
	var busy latencies
	go func() {
		var err error
		busy, err = probe(r.ctx, s, keys, 0, stop)
		done <- err
	}()
	const batch = 1000 // as a Manager's janitor does it
	removed, longest, last := 0, time.Duration(0), time.Duration(0)
	began := time.Now()
	for {
		from := time.Now()
		n, err := p.Purge(r.ctx, now, batch)
		if err != nil {
			return err
		}
		took := time.Since(from)
		if removed += n; n < batch {
			last = took // it has looked at all that there is
			break
		}
		longest = max(longest, took)
	}
	took := time.Since(began)
	close(stop)
	if err := <-done; err != nil {
		return err
	}
	if removed != expired {
		return fmt.Errorf("%d sessions were removed, %d had expired", removed, expired)
	}
	r.line("   %d expired sessions removed in %v, the longest batch of %d in %v, the last, which found no more, in %v",
		removed, took.Round(time.Millisecond), batch, longest.Round(time.Microsecond), last.Round(time.Microsecond))
	r.line("   loads meanwhile: %v", busy)
	return nil
}

// onDisk returns what a folder takes of the disk.
func onDisk(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			bytes += st.Blocks * 512
		}
		return nil
	})
	return bytes, err
}
