package sqltest

import (
	"bufio"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// childVariable makes this program a second process of a test: "dialect driver table
// DSN what", where what is "race", which does what its standard input says, or
// "node ADDRESS SECRETS".
const childVariable = "SQLTEST_CHILD"

// peer is a child process.
type peer struct {
	tb  testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (p *place) child(tb testing.TB, what string) *peer {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s %s %s %s", childVariable, p.dialect, p.driver, p.opts.Table, p.source, what))
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
	return c
}

func (c *peer) kill() {
	c.tb.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.tb.Fatal(err)
	}
	_ = c.cmd.Wait() // it was killed
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

// gate holds a call back when it is about to write for the first time: it has begun,
// has read what it wants to read, and has changed nothing. It is a hook of a spy.
type gate struct {
	armed atomic.Bool
	// reached is called at that point, and returns the moment to go on at, in nanoseconds
	// since 1970: both processes have one clock.
	reached func() (int64, error)
}

func (g *gate) hook(statement string, args []driver.NamedValue) error {
	if args == nil || !isWrite(statement) || !g.armed.Swap(false) { // no args: it is prepared
		return nil
	}
	moment, err := g.reached()
	for time.Now().UnixNano() < moment { // without giving up the processor
	}
	return err
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
	words := strings.Split(arg, " ")
	dialect, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	db, spy, err := watched(words[1], words[3])
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := sqlstore.New(background(), db, sqlstore.Dialect(dialect), &sqlstore.Options{Table: words[2]})
	if err != nil {
		return err
	}
	defer s.Close()
	if words[4] == "node" {
		return serveNode(s, words[5], words[6])
	}
	return serveRaces(s, spy)
}

// serveRaces makes the calls that its standard input names, see pairs.
func serveRaces(s *sqlstore.Store, spy *spy) error {
	in := bufio.NewScanner(os.Stdin)
	g := gate{reached: func() (moment int64, err error) {
		fmt.Println("there")
		if !in.Scan() {
			return 0, io.ErrUnexpectedEOF
		}
		return strconv.ParseInt(in.Text(), 10, 64)
	}}
	spy.hook(g.hook, nil)
	for in.Scan() {
		what, hexKey, _ := strings.Cut(in.Text(), " ")
		var key beaker.RecordKey
		b, err := hex.DecodeString(hexKey)
		if err != nil || copy(key[:], b) != len(key) {
			return fmt.Errorf("no key in %q", in.Text())
		}
		call, err := callOf(s, what, key)
		if err != nil {
			return err
		}
		g.armed.Store(true)
		fmt.Println(outcome(call()))
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
