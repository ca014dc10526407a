package filestore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

func TestRecordsOutliveTheProcessThatWroteThem(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	first := open(t, dir, nil)
	m := metaFor(1, "alice")
	create(t, first, m, value("a", "1"))
	cookie := &beaker.CookieAttributes{Domain: "example.org", Path: "/app"}
	ch := &beaker.Change{
		Now: now + 1, Proof: m.Proof, Set: []beaker.Value{value("b", "2")}, Cookie: cookie,
		Rotate: &beaker.Rotation{Next: proofOf(2), Grace: time.Second}, Touch: now + 1,
	}
	if v, err := first.Apply(ctx, m.Key, ch); v != 2 || err != nil {
		t.Fatalf("Apply: version %d, %v", v, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	rec, err := open(t, dir, nil).Load(ctx, m.Key)
	if err != nil {
		t.Fatal(err)
	}
	want, err := beaker.Merge(record(t, m, value("a", "1")), ch)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := rec.AppendBinary(nil)
	exp, _ := want.AppendBinary(nil)
	if !bytes.Equal(got, exp) {
		t.Errorf("loaded %v, stored %v", rec, want)
	}
}

// FS-1, FS-5, ST-1: names are the hash of what the browser holds and nothing else.
func TestNamesComeFromHashesOnly(t *testing.T) {
	ctx, parent := context.Background(), t.TempDir()
	dir := filepath.Join(parent, "sessions")
	s := open(t, dir, nil)
	hostile := []string{
		"../../../../etc/passwd", `..\..\x`, "/etc/passwd", "a/b", "..", ".", "CON", "nul.txt", "a:b",
		"C:\\x", " ", "a ", "a.", "%2e%2e%2f", "-rf", "~", "é", "*", "*.revoked", ".tmp-x", "a.revoked",
	}
	for i, subject := range hostile {
		m := metaFor(i, subject)
		create(t, s, m, value(subject, "x"))
		if page, _, err := s.List(ctx, beaker.ListQuery{Subject: subject}); err != nil || len(page) != 1 || page[0].Key() != m.Key {
			t.Errorf("List of %q: %v, %v", subject, page, err)
		}
		if n, err := s.RevokeSubject(ctx, subject, now-1); n != 1 || err != nil {
			t.Errorf("RevokeSubject of %q: %d, %v", subject, n, err)
		}
	}
	for _, cursor := range []string{"../../etc/passwd", "..", "/", "xx", string(make([]byte, 64)), keyOf(1).String() + "0"} {
		if _, _, err := s.List(ctx, beaker.ListQuery{Cursor: cursor}); err == nil {
			t.Errorf("List accepted the cursor %q", cursor)
		}
	}
	var want []string
	for _, subject := range hostile {
		h := hashOf(subject)
		want = append(want, "subjects/"+h[:2]+"/"+h+".revoked")
	}
	for _, name := range tree(t, dir) {
		isLock := filepath.Dir(name) == "locks" && len(filepath.Base(name)) == 2
		if !isLock && !slices.Contains(want, name) {
			t.Errorf("a file that should not be there: %q", name)
		}
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("beside the directory: %v, %v", entries, err)
	}
}

// SR-6, SR-7: what does not decode is told apart, and stays as it is.
func TestUnreadableFilesAreNamedAndLeftAlone(t *testing.T) {
	ctx := context.Background()
	good, err := record(t, metaOf(1), value("a", "1")).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := record(t, metaOf(2)).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	newer := bytes.Clone(good[:len(good)-4])
	newer[0]++
	newer = binary.BigEndian.AppendUint32(newer, crc32.Checksum(newer, crc32.MakeTable(crc32.Castagnoli)))
	for _, c := range []struct {
		desc string
		data []byte
		want error
	}{
		{"empty", nil, beaker.ErrCorrupt},
		{"cut short", good[:len(good)-1], beaker.ErrCorrupt},
		{"longer", append(bytes.Clone(good), 0), beaker.ErrCorrupt},
		{"one bit wrong", flipped, beaker.ErrCorrupt},
		{"another session's record", other, beaker.ErrCorrupt},
		{"something else", make([]byte, 400), beaker.ErrCorrupt},
		{"a newer format", newer, beaker.ErrNewerFormat},
	} {
		t.Run(c.desc, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, nil)
			key := keyOf(1)
			writeFile(t, path(dir, key), c.data)
			if _, err := s.Load(ctx, key); !errors.Is(err, c.want) {
				t.Errorf("Load: %v", err)
			}
			if _, err := s.Apply(ctx, key, &beaker.Change{Now: now, AnyProof: true, Clear: true}); !errors.Is(err, c.want) {
				t.Errorf("Apply: %v", err)
			}
			if err := s.Create(ctx, record(t, metaOf(1))); !errors.Is(err, beaker.ErrExists) {
				t.Errorf("Create: %v", err)
			}
			if n, err := s.Purge(ctx, now.Add(1000*time.Hour), 10); n != 0 || err != nil {
				t.Errorf("Purge: %d, %v", n, err)
			}
			create(t, s, metaOf(3))
			if page, _, err := s.List(ctx, beaker.ListQuery{}); len(page) != 1 || err != nil {
				t.Errorf("List: %v, %v", page, err)
			}
			if got, err := os.ReadFile(path(dir, key)); err != nil || !bytes.Equal(got, c.data) {
				t.Errorf("the file was changed: %q, %v", got, err)
			}
			if err := s.Delete(ctx, key); err != nil {
				t.Errorf("Delete: %v", err)
			}
			if _, err := s.Load(ctx, key); !errors.Is(err, beaker.ErrNotFound) {
				t.Errorf("Load after Delete: %v", err)
			}
		})
	}
}

func TestAFileThatIsTooLargeIsNotReadIntoMemory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	name := path(dir, keyOf(1))
	writeFile(t, name, nil)
	if err := os.Truncate(name, 1<<40); err != nil { // a hole: it takes no room
		t.Fatal(err)
	}
	if _, err := s.Load(context.Background(), keyOf(1)); !errors.Is(err, beaker.ErrCorrupt) {
		t.Errorf("Load: %v", err)
	}
}

func TestForeignFilesAreIgnored(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	m := metaFor(1, "alice")
	create(t, s, m)
	h, k := hashOf("alice"), m.Key.String()
	strangers := []string{
		"README", k[:2] + "/README", k[:2] + "/" + k + "0", k[:2] + "/" + k[:63], "zz/" + k, "locks/README",
		"subjects/README", "subjects/" + h[:2] + "/README", "subjects/" + h[:2] + "/" + h, "subjects/" + h[:2] + "/" + h + ".x",
		"subjects/" + h[:2] + "/" + h + "..revoked",
	}
	for _, name := range strangers {
		writeFile(t, filepath.Join(dir, name), []byte("x"))
	}
	elsewhere := (m.Key[0] + 1)
	wrong := filepath.Join(dir, beaker.RecordKey{elsewhere}.String()[:2], k) // a session's name in another's folder
	writeFile(t, wrong, []byte("x"))

	for _, q := range []beaker.ListQuery{{}, {Subject: "alice"}} {
		if page, next, err := s.List(ctx, q); len(page) != 1 || next != "" || err != nil {
			t.Errorf("List(%+v): %v, %q, %v", q, page, next, err)
		}
	}
	if n, err := s.Purge(ctx, now, 1000); n != 0 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
	if n, err := s.RevokeSubject(ctx, "alice", now); n != 1 || err != nil {
		t.Errorf("RevokeSubject: %d, %v", n, err)
	}
	for _, name := range strangers {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("a file that is not the store's: %v", err)
		}
	}
}

func TestFoldersThatSomebodyTidiedAwayAreMadeAgain(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	m := metaFor(1, "alice")
	create(t, s, m)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Load(ctx, m.Key); !errors.Is(err, beaker.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
	if err := s.Delete(ctx, m.Key); err != nil {
		t.Errorf("Delete: %v", err)
	}
	create(t, s, m)
	if page, _, err := s.List(ctx, beaker.ListQuery{Subject: "alice"}); len(page) != 1 || err != nil {
		t.Errorf("List: %v, %v", page, err)
	}
}

// The goroutines of a process share one descriptor, on which flock keeps nobody out.
func TestGoroutinesOfOneStoreDoNotLoseWrites(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir(), &filestore.Options{NoSync: true})
	m := metaOf(1)
	create(t, s, m)
	const writers, writes = 8, 25
	var wg sync.WaitGroup
	start := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			<-start
			for i := range writes {
				name := string(rune('a'+w)) + string(rune('a'+i))
				if _, err := s.Apply(ctx, m.Key, &beaker.Change{Now: now, Proof: m.Proof, Set: []beaker.Value{value(name, "x")}}); err != nil {
					t.Errorf("Apply: %v", err)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	rec, err := s.Load(ctx, m.Key)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Len() != writers*writes || rec.Version() != 1+writers*writes {
		t.Errorf("%v after %d writes", rec, writers*writes)
	}
}

func TestATouchThatChangesNothingWritesNothing(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	m := metaOf(1)
	create(t, s, m)
	before, err := os.Stat(path(dir, m.Key))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Apply(ctx, m.Key, &beaker.Change{Now: now, Proof: m.Proof, Touch: now - 1}); v != 1 || err != nil {
		t.Fatalf("Apply: %d, %v", v, err)
	}
	after, err := os.Stat(path(dir, m.Key))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the file was replaced")
	}
}
