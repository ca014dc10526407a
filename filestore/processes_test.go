package filestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// Some tests need other processes: this test binary again, told by its environment
// what to be.
const (
	roleEnv = "FILESTORE_TEST_ROLE"
	dirEnv  = "FILESTORE_TEST_DIR"
	numEnv  = "FILESTORE_TEST_NUMBER"
)

func TestMain(m *testing.M) {
	role, ok := roles()[os.Getenv(roleEnv)]
	if !ok {
		os.Exit(leaks.Watch(m).Run())
	}
	n, err := strconv.Atoi(os.Getenv(numEnv))
	if err == nil {
		err = role(os.Getenv(dirEnv), n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func roles() map[string]func(dir string, n int) error {
	all := map[string]func(string, int) error{"share": beSharer, "write": beWriter}
	maps.Copy(all, systemRoles())
	return all
}

// process is a child: what it prints, and a pipe that it reads.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	errs  strings.Builder
	ended bool
}

func spawn(t *testing.T, role, dir string, n int) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(exe)}
	p.cmd.Env = append(os.Environ(),
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0", // else each child takes a second to end
		roleEnv+"="+role, dirEnv+"="+dir, numEnv+"="+strconv.Itoa(n))
	p.cmd.Stderr = &p.errs
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.ended {
			p.kill()
		}
	})
	return p
}

func (p *process) read() string {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatalf("the child said nothing more: %v, %v, %s", p.out.Err(), p.wait(), p.errs.String())
	}
	return p.out.Text()
}

func (p *process) say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) wait() error {
	p.ended = true
	return p.cmd.Wait()
}

func (p *process) mustEnd() {
	p.t.Helper()
	if err := p.wait(); err != nil {
		p.t.Fatalf("child: %v: %s", err, p.errs.String())
	}
}

// kill is kill -9 on systems that have it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.wait() // that it was killed is no news
}

func soak() bool { return os.Getenv("BEAKER_SOAK") == "1" }

const (
	sharers   = 4
	goroutine = 5 // writers in each sharer
)

func writesEach() int {
	if soak() {
		return 10_000 / sharers / goroutine
	}
	return 500 / sharers / goroutine
}

// beSharer writes to one session: each goroutine counts up a value that all share,
// and sets values that nobody else sets.
func beSharer(dir string, n int) error {
	ctx := context.Background()
	s, err := filestore.Open(dir, nil)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil { // all begin together
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, goroutine)
	for g := range goroutine {
		wg.Go(func() {
			for i := range writesEach() {
				if err := countUp(ctx, s); err != nil {
					errs <- err
					return
				}
				own := value(fmt.Sprintf("own-%d-%d-%d", n, g, i), "x")
				if _, err := s.Apply(ctx, keyOf(1), &beaker.Change{Now: now, Proof: proofOf(1), Set: []beaker.Value{own}}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return errors.Join(<-errs, s.Close())
}

func countUp(ctx context.Context, s *filestore.Store) error {
	for {
		rec, err := s.Load(ctx, keyOf(0))
		if err != nil {
			return err
		}
		data, _ := rec.Lookup("count")
		n, err := strconv.Atoi(data)
		if err != nil {
			return err
		}
		_, err = s.Apply(ctx, keyOf(0), &beaker.Change{
			Now: now, Proof: proofOf(0), IfVersion: rec.Version(), Set: []beaker.Value{value("count", strconv.Itoa(n+1))},
		})
		if !errors.Is(err, beaker.ErrConflict) {
			return err
		}
	}
}

func TestProcessesOnOneDirectoryLoseNoWrite(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	create(t, s, metaOf(0), value("count", "0"))
	create(t, s, metaOf(1))
	var children []*process
	for i := range sharers {
		children = append(children, spawn(t, "share", dir, i))
	}
	for _, c := range children {
		c.read()
	}
	stop, readers := make(chan struct{}), sync.WaitGroup{}
	for i := range 2 {
		readers.Go(func() {
			var reads int
			var last beaker.Version
			for {
				rec, err := s.Load(ctx, keyOf(i))
				if err != nil {
					t.Errorf("after %d reads: %v", reads, err)
					return
				}
				if rec.Version() < last {
					t.Errorf("version %d after %d", rec.Version(), last)
				}
				reads, last = reads+1, rec.Version()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for _, c := range children {
		c.say("go")
	}
	for _, c := range children {
		c.mustEnd()
	}
	close(stop)
	readers.Wait()

	total := sharers * goroutine * writesEach()
	counter, err := s.Load(ctx, keyOf(0))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := counter.Lookup("count"); got != strconv.Itoa(total) || counter.Version() != beaker.Version(total+1) {
		t.Errorf("counted to %s, %v, want %d", got, counter, total)
	}
	own, err := s.Load(ctx, keyOf(1))
	if err != nil {
		t.Fatal(err)
	}
	if own.Len() != total || own.Version() != beaker.Version(total+1) {
		t.Errorf("%v, want %d values", own, total)
	}
}

const writers = 4

// beWriter writes until it is killed. It prints each change that was acknowledged,
// "+" for a new session, "-" for an ended one, "=" and the version for a changed one;
// and "?" before it ends one.
func beWriter(dir string, round int) error {
	ctx := context.Background()
	// The end of a process loses nothing even if nothing is synced.
	s, err := filestore.Open(dir, &filestore.Options{NoSync: round%2 == 1})
	if err != nil {
		return err
	}
	errs := make(chan error)
	for g := range writers {
		go func() { errs <- writeForEver(ctx, s, g, 1000*(1+round*writers+g)) }()
	}
	return <-errs
}

func writeForEver(ctx context.Context, s *filestore.Store, own, next int) error {
	for {
		rec, err := s.Load(ctx, keyOf(own))
		if err != nil {
			return err
		}
		v, err := s.Apply(ctx, keyOf(own), &beaker.Change{Now: now, Proof: proofOf(own), Set: []beaker.Value{numbered(rec.Version() + 1)}})
		if err != nil {
			return err
		}
		fmt.Println("=", own, v)

		fresh, err := beaker.NewRecord(metaFor(next, "alice"), []beaker.Value{numbered(1)})
		if err != nil {
			return err
		}
		if err := s.Create(ctx, fresh); err != nil {
			return err
		}
		fmt.Println("+", next)
		if next%2 == 1 {
			fmt.Println("?", next)
			if err := s.Delete(ctx, keyOf(next)); err != nil {
				return err
			}
			fmt.Println("-", next)
		}
		next++
	}
}

// numbered is a value that takes several blocks of the disk and shows its version.
func numbered(v beaker.Version) beaker.Value {
	return value("n", strings.Repeat(fmt.Sprintf("%d ", v), 500+int(v%7)*500))
}

// FS-4: kill -9 at any point leaves each record whole and each acknowledged change in
// place, and keeps nobody waiting.
func TestKilledWritersLeaveWholeRecordsAndNoLock(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	rounds := 10
	if soak() {
		rounds = 200
	}
	s := open(t, dir, nil)
	var floor [writers]beaker.Version
	for g := range writers {
		create(t, s, metaOf(g), numbered(1))
		floor[g] = 1
	}
	temps := 0
	for round := range rounds {
		child := spawn(t, "write", dir, round)
		const alive, unknown, ended = 1, 2, 3
		state := map[int]int{}
		note := func(line string) {
			var (
				what  string
				n     int
				v     beaker.Version
				_, _  = fmt.Sscan(line, &what, &n, &v)
				after = map[string]int{"+": alive, "?": unknown, "-": ended}
			)
			if what == "=" {
				floor[n] = v
			} else {
				state[n] = after[what]
			}
		}
		for range 1 + rand.IntN(60) {
			note(child.read())
		}
		if err := child.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for child.out.Scan() { // what it said before it died
			note(child.out.Text())
		}
		_ = child.wait() // killed

		for g := range writers {
			rec, err := s.Load(ctx, keyOf(g))
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			data, _ := rec.Lookup("n")
			if v := rec.Version(); v < floor[g] || v > floor[g]+1 || data != string(numbered(v).Data) {
				t.Fatalf("round %d: %v, but version %d was acknowledged", round, rec, floor[g])
			}
			v, err := s.Apply(ctx, keyOf(g), &beaker.Change{Now: now, Proof: proofOf(g), Set: []beaker.Value{numbered(rec.Version() + 1)}})
			if err != nil {
				t.Fatalf("round %d: Apply after the crash: %v", round, err)
			}
			floor[g] = v
		}
		for n, st := range state {
			_, err := s.Load(ctx, keyOf(n))
			if err != nil && !errors.Is(err, beaker.ErrNotFound) || st == alive && err != nil || st == ended && err == nil {
				t.Fatalf("round %d: session %d in state %d: %v", round, n, st, err)
			}
		}
		for _, f := range tree(t, dir) {
			if strings.Contains(f, ".tmp-") {
				temps++
			}
		}
		// Each session has its index entry: the revocation finds what is alive.
		before, _, err := s.List(ctx, beaker.ListQuery{Limit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.RevokeSubject(ctx, "alice", now-1); err != nil || n != len(before)-writers {
			t.Fatalf("round %d: %d of %d sessions revoked: %v", round, n, len(before)-writers, err)
		}
		if _, err := s.Purge(ctx, now, 1<<20); err != nil {
			t.Fatal(err)
		}
		files := tree(t, dir)
		if left := len(files) - below(files, "locks/"); left != writers+1 { // and the mark
			t.Fatalf("round %d: %d files left: %v", round, left, files)
		}
	}
	t.Logf("%d temporary files were left by %d killed processes", temps, rounds)
}
