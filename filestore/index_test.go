package filestore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

func markers(t testing.TB, dir string) int {
	t.Helper()
	files := tree(t, dir)
	return below(files, "subjects/") - marks(t, dir)
}

func marks(t testing.TB, dir string) (n int) {
	t.Helper()
	for _, f := range tree(t, dir) {
		if strings.HasSuffix(f, ".revoked") {
			n++
		}
	}
	return n
}

func subjects(names ...string) []*string {
	out := make([]*string, len(names))
	for i := range names {
		out[i] = &names[i]
	}
	return out
}

// ST-5: the index is as large as the number of sessions that have a subject.
func TestIndexFollowsTheSessions(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	m := metaOf(1)
	create(t, s, m)
	expect := func(step string, n int, of ...string) {
		t.Helper()
		if got := markers(t, dir); got != n {
			t.Errorf("%s: %d index entries, want %d", step, got, n)
		}
		for _, subject := range []string{"alice", "bob"} {
			page, _, err := s.List(ctx, beaker.ListQuery{Subject: subject})
			if err != nil {
				t.Fatal(err)
			}
			if (len(page) == 1) != slices.Contains(of, subject) {
				t.Errorf("%s: %s has %v", step, subject, page)
			}
		}
	}
	expect("anonymous", 0)
	for i, step := range []struct {
		to *string
		n  int
	}{
		{subjects("alice")[0], 1},
		{subjects("alice")[0], 1},
		{subjects("bob")[0], 1},
		{subjects("")[0], 0},
		{subjects("alice")[0], 1},
	} {
		_, err := s.Apply(ctx, m.Key, &beaker.Change{Now: now, Proof: m.Proof, Began: now, Subject: step.to, AuthenticatedAt: now})
		if err != nil {
			t.Fatal(err)
		}
		of := []string{*step.to}
		expect("step "+string(rune('0'+i)), step.n, of...)
	}
	if err := s.Delete(ctx, m.Key); err != nil {
		t.Fatal(err)
	}
	expect("deleted", 0)

	create(t, s, metaFor(2, "bob"))
	expect("created with a subject", 1, "bob")
	if n, err := s.RevokeSubject(ctx, "bob", now); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	expect("revoked", 0)
}

// ST-5: what expired leaves no index entry.
func TestIndexIsCleanAfterExpiry(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, &filestore.Options{NoSync: true})
	const sessions, live = 900, 840 // more than one Purge sweeps
	for i := range sessions {
		m := metaFor(i, "alice")
		if i < live {
			m.Idle = beaker.NoLimit
		}
		create(t, s, m)
	}
	later := now.Add(time.Hour)
	var removed int
	for {
		n, err := s.Purge(ctx, later, 50)
		if err != nil {
			t.Fatal(err)
		}
		if removed += n; n < 50 {
			break
		}
	}
	if removed != sessions-live {
		t.Errorf("%d removed", removed)
	}
	if got := markers(t, dir); got != live {
		t.Errorf("%d index entries for %d sessions", got, live)
	}
}

func TestRevocationRefusesSignInsThatBeganBefore(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	if n, err := s.RevokeSubject(ctx, "alice", now); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	// A node whose clock is behind does not take back a later revocation.
	if _, err := s.RevokeSubject(ctx, "alice", now-1000); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		began beaker.Millis
		want  error
	}{{now - 1, beaker.ErrRevoked}, {now, beaker.ErrRevoked}, {now + 1, nil}} {
		m := metaFor(int(c.began-now)+10, "alice")
		m.AuthenticatedAt = c.began
		if err := s.Create(ctx, record(t, m)); !errors.Is(err, c.want) {
			t.Errorf("Create of a sign-in at %d: %v, want %v", c.began-now, err, c.want)
		}
		if _, err := s.Load(ctx, m.Key); (err == nil) != (c.want == nil) {
			t.Errorf("Load after it: %v", err)
		}

		m = metaFor(int(c.began-now)+20, "bob")
		create(t, s, m)
		_, err := s.Apply(ctx, m.Key, &beaker.Change{
			Now: now, Proof: m.Proof, Began: c.began, Subject: subjects("alice")[0], AuthenticatedAt: c.began,
		})
		if !errors.Is(err, c.want) {
			t.Errorf("Apply of a sign-in at %d: %v, want %v", c.began-now, err, c.want)
		}
		if _, err := s.Load(ctx, m.Key); (err == nil) != (c.want == nil) {
			t.Errorf("Load after it: %v", err)
		}
	}
	if got := markers(t, dir); got != 2 {
		t.Errorf("%d index entries, want those of the two sessions", got)
	}
}

func TestRevocationIsForgottenAfterADay(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	if _, err := s.RevokeSubject(ctx, "alice", now); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{time.Hour, 1}, {24 * time.Hour, 1}, {24*time.Hour + time.Millisecond, 0}} {
		if _, err := s.Purge(ctx, now.Add(c.after), 100); err != nil {
			t.Fatal(err)
		}
		if got := marks(t, dir); got != c.want {
			t.Errorf("after %v: %d marks, want %d", c.after, got, c.want)
		}
	}
}

func TestRevocationSparesThoseNamedAndOtherSubjects(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir(), nil)
	for i := range 5 {
		create(t, s, metaFor(i, "alice"))
	}
	create(t, s, metaFor(5, "bob"))
	create(t, s, metaOf(6))
	if n, err := s.RevokeSubject(ctx, "alice", now, keyOf(2), keyOf(5)); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	for i := range 7 {
		_, err := s.Load(ctx, keyOf(i))
		if alive := err == nil; alive != (i == 2 || i >= 5) {
			t.Errorf("session %d: %v", i, err)
		}
	}
	if _, err := s.RevokeSubject(ctx, "", now); !errors.Is(err, beaker.ErrInvalidSubject) {
		t.Errorf("RevokeSubject of nobody: %v", err)
	}
}

// A file that cannot be read may be the subject's session, on a newer release.
func TestRevocationEndsWhatItCannotRead(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	for i, first := range []byte{0, 255} { // damaged, newer
		create(t, s, metaFor(i, "alice"))
		name := path(dir, keyOf(i))
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[0] = first
		writeFile(t, name, data)
	}
	if n, err := s.RevokeSubject(ctx, "alice", now); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	for i := range 2 {
		if _, err := s.Load(ctx, keyOf(i)); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("session %d: %v", i, err)
		}
	}
}

func TestADamagedMarkIsNotTakenForNoMark(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	h := hashOf("alice")
	for _, data := range []string{"", "x", "12 34", "99999999999999999999"} {
		writeFile(t, filepath.Join(dir, "subjects", h[:2], h+".revoked"), []byte(data))
		err := s.Create(ctx, record(t, metaFor(1, "alice")))
		if err == nil || errors.Is(err, beaker.ErrRevoked) || !strings.Contains(err.Error(), "damaged revocation mark") {
			t.Errorf("Create with the mark %q: %v", data, err)
		}
		if _, err := s.Load(ctx, keyOf(1)); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Load: %v", err)
		}
	}
	if _, err := s.RevokeSubject(ctx, "alice", now-1); err != nil { // as the error says
		t.Fatal(err)
	}
	create(t, s, metaFor(1, "alice"))
}

// Entries that a crash left behind, and a session that went without its entry being
// removed, as with find -delete.
func TestStaleIndexEntriesMeanNothingAndAreRemoved(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	h := hashOf("alice")
	entry := func(key beaker.RecordKey) string {
		return filepath.Join(dir, "subjects", h[:2], h+"."+key.String())
	}
	create(t, s, metaFor(1, "bob"))
	create(t, s, metaFor(2, "alice"))
	create(t, s, metaFor(3, "alice"))
	writeFile(t, entry(keyOf(1)), nil) // bob's session, alice's entry
	writeFile(t, entry(keyOf(9)), nil) // nobody's
	if err := os.Remove(path(dir, keyOf(3))); err != nil {
		t.Fatal(err)
	}
	page, _, err := s.List(ctx, beaker.ListQuery{Subject: "alice"})
	if err != nil || len(page) != 1 || page[0].Key() != keyOf(2) {
		t.Errorf("List: %v, %v", page, err)
	}
	if _, err := s.Purge(ctx, now, 100); err != nil {
		t.Fatal(err)
	}
	if got := markers(t, dir); got != 3 { // those of 1 and 2, and the wrong one of 1
		t.Errorf("%d index entries after Purge", got)
	}
	if n, err := s.RevokeSubject(ctx, "alice", now); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if got := markers(t, dir); got != 1 {
		t.Errorf("%d index entries after RevokeSubject", got)
	}
	if _, err := s.Load(ctx, keyOf(1)); err != nil {
		t.Errorf("bob's session: %v", err)
	}
}

// However large the index is, a Purge looks at a part, and the next at the next part.
func TestPurgeSweepsTheWholeIndexInParts(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, &filestore.Options{NoSync: true})
	const sessions, live = 700, 600
	for i := range sessions {
		create(t, s, metaFor(i, "alice"))
	}
	for i := live; i < sessions; i++ { // as find -delete does
		if err := os.Remove(path(dir, keyOf(i))); err != nil {
			t.Fatal(err)
		}
	}
	var left []int
	for range 3 {
		if _, err := s.Purge(ctx, now, 1); err != nil {
			t.Fatal(err)
		}
		left = append(left, markers(t, dir))
	}
	if left[0] == live || left[2] != live {
		t.Errorf("index entries after each call: %v, want %d after the last", left, live)
	}
}
