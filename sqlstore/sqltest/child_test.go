package sqltest

import (
	"bufio"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// childVariable makes this program a second process of a test: "dialect driver table
// DSN". It then does what it is told on its standard input.
const childVariable = "SQLTEST_CHILD"

// peer is a child process.
type peer struct {
	tb  testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (p *place) peer(tb testing.TB) *peer {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s %s %s", childVariable, p.dialect, p.driver, p.opts.Table, p.source))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	c := &peer{tb, cmd, in, bufio.NewReader(out)}
	tb.Cleanup(func() {
		_ = in.Close() // which ends it
		_ = cmd.Wait() // it may have been killed by the test
	})
	if got := c.answer(); got != "ready" {
		tb.Fatalf("the child says %q", got)
	}
	return c
}

func (c *peer) tell(words ...any) {
	c.tb.Helper()
	if _, err := fmt.Fprintln(c.in, words...); err != nil {
		c.tb.Fatal(err)
	}
}

func (c *peer) answer() string {
	c.tb.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.tb.Fatalf("the child: %v", err)
	}
	return strings.TrimSpace(line)
}

// do tells the child to do something at a moment, and returns how that ended and when
// it ran.
func (c *peer) result() (outcome string, ran span) {
	c.tb.Helper()
	if _, err := fmt.Sscan(c.answer(), &outcome, &ran.start, &ran.end); err != nil {
		c.tb.Fatal(err)
	}
	return outcome, ran
}

// span is from when to when, in nanoseconds since 1970: both processes have one clock.
type span struct{ start, end int64 }

func (a span) overlaps(b span) bool { return a.start < b.end && b.start < a.end }

// at waits for a moment without giving up the processor, and runs f.
func at(moment int64, f func() error) (string, span) {
	for time.Now().UnixNano() < moment {
	}
	ran := span{start: time.Now().UnixNano()}
	err := f()
	ran.end = time.Now().UnixNano()
	return outcome(err), ran
}

func outcome(err error) string {
	for name, known := range map[string]error{
		"ErrNotFound": beaker.ErrNotFound, "ErrConflict": beaker.ErrConflict, "ErrRevoked": beaker.ErrRevoked,
		"ErrExists": beaker.ErrExists, "ErrUncertain": beaker.ErrUncertain,
	} {
		if errors.Is(err, known) {
			return name
		}
	}
	if err != nil {
		return strings.ReplaceAll("error:"+err.Error(), " ", "_")
	}
	return "ok"
}

// child is the main function of the second process.
func child(arg string) int {
	if err := serve(arg); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func serve(arg string) error {
	words := strings.SplitN(arg, " ", 4)
	dialect, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	db, err := sql.Open(words[1], words[3])
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxIdleConns(8)
	s, err := sqlstore.New(background(), db, sqlstore.Dialect(dialect), &sqlstore.Options{Table: words[2]})
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := strings.Fields(in.Text())
		var key beaker.RecordKey
		b, err := hex.DecodeString(words[2])
		if err != nil || copy(key[:], b) != len(key) {
			return fmt.Errorf("no key in %q", in.Text())
		}
		if words[0] == "count" {
			if err := countFor(s, key); err != nil {
				return err
			}
			continue
		}
		moment, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return err
		}
		call, err := callOf(s, words[0], key)
		if err != nil {
			return err
		}
		how, ran := at(moment, call)
		fmt.Println(how, ran.start, ran.end)
	}
	return nil
}

// callOf prepares what one party of a race does with a record, before its moment.
func callOf(s *sqlstore.Store, what string, key beaker.RecordKey) (func() error, error) {
	ctx := background()
	subject := subjectOf(key)
	rec, err := s.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	ch := changeOf(rec)
	ch.Base = rec
	switch what {
	case "mine", "theirs":
		ch.Set = values(what, "1")
	case "delete":
		return func() error { return s.Delete(ctx, key) }, nil
	case "login":
		ch.Subject, ch.Rotate = &subject, &beaker.Rotation{Next: unique("next")}
	case "revoke":
		return func() error { _, err := s.RevokeSubject(ctx, subject, ch.Began); return err }, nil
	default:
		return nil, fmt.Errorf("unknown party %q", what)
	}
	return func() error { _, err := s.Apply(ctx, key, ch); return err }, nil
}

func subjectOf(key beaker.RecordKey) string { return fmt.Sprintf("user-%x", key[:8]) }

// countFor adds one to the number "n" of a session until it is killed, and says so
// each time when it is done.
func countFor(s *sqlstore.Store, key beaker.RecordKey) error {
	for {
		n, err := increment(background(), s, key, "n")
		if err != nil {
			return err
		}
		fmt.Println("counted", n)
	}
}
