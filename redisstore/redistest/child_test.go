package redistest

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// childVariable makes this program a second process of a test: a childPlace as JSON. It
// then does what it is told on its standard input.
const childVariable = "REDISTEST_CHILD"

type childPlace struct {
	Addrs        []string
	MasterSet    string
	Prefix       string
	WaitReplicas int
	Cache        bool
}

// peer is a child process.
type peer struct {
	tb  testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (p *place) peer(tb testing.TB) *peer {
	tb.Helper()
	arg, err := json.Marshal(childPlace{p.addrs, p.masterSet, p.opts.Prefix, p.opts.WaitReplicas, p.opts.Cache})
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(arg))
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

// result returns how what the child was told ended, and when it ran.
func (c *peer) result() (how string, ran span) {
	c.tb.Helper()
	if _, err := fmt.Sscan(c.answer(), &how, &ran.start, &ran.end); err != nil {
		c.tb.Fatal(err)
	}
	return how, ran
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

// child is the main function of the second process.
func child(arg string) int {
	if err := serve(arg); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func serve(arg string) error {
	var where childPlace
	if err := json.Unmarshal([]byte(arg), &where); err != nil {
		return err
	}
	c, err := rueidis.NewClient((&site{addrs: where.Addrs, masterSet: where.MasterSet}).option())
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := redisstore.New(context.Background(), c, &redisstore.Options{
		Prefix: where.Prefix, WaitReplicas: where.WaitReplicas, Cache: where.Cache, Logger: quiet,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Println("ready")
	var call func() error
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := strings.Fields(in.Text())
		if len(words) != 3 {
			return fmt.Errorf("not understood: %q", in.Text())
		}
		var key beaker.RecordKey
		b, err := hex.DecodeString(words[2])
		if err != nil || copy(key[:], b) != len(key) {
			return fmt.Errorf("no key in %q", in.Text())
		}
		moment, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return err
		}
		if words[0] == "count" { // so many times, moment being a number here
			var tally tally
			for range moment {
				tally.add(increment(context.Background(), s, key, "n"))
			}
			fmt.Println(tally.acked, tally.uncertain, tally.failed)
			continue
		}
		if words[0] != "at" {
			if call, err = callOf(s, words[0], key); err != nil {
				return err
			}
			fmt.Println("prepared")
			continue
		}
		how, ran := at(moment, call)
		fmt.Println(how, ran.start, ran.end)
	}
	return nil
}

// callOf prepares what one party of a race does with a record, before its moment.
func callOf(s *redisstore.Store, what string, key beaker.RecordKey) (func() error, error) {
	ctx := context.Background()
	subject := subjectOf(key)
	rec, err := s.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	var ch *beaker.Change
	switch what {
	case "mine", "theirs":
		ch = setting(rec, what, "1")
	case "touch":
		ch = changeOf(rec)
		ch.Touch = ch.Now
	case "rotate":
		ch = rotating(rec)
	case "login":
		ch = signingIn(rec, subject)
	case "delete":
		return func() error { return s.Delete(ctx, key) }, nil
	case "revoke":
		return func() error { _, err := s.RevokeSubject(ctx, subject, rec.Touched()+1000); return err }, nil
	default:
		return nil, fmt.Errorf("unknown party %q", what)
	}
	ch.Base = rec
	return func() error { _, err := s.Apply(ctx, key, ch); return err }, nil
}

func subjectOf(key beaker.RecordKey) string { return fmt.Sprintf("user-%x", key[:8]) }
