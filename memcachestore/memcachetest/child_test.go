package memcachetest

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

// childVariable makes this program a second process of a test: a childPlace as JSON. It
// then does what it is told on its standard input.
const childVariable = "MEMCACHETEST_CHILD"

type childPlace struct {
	Addrs   []string
	Options memcachestore.Options
	Secret  string // of its site; empty: it has none
}

// peer is a child process.
type peer struct {
	tb  testing.TB
	in  io.WriteCloser
	out *bufio.Reader
}

// child starts a second process on the place. With a secret it has a site of its own.
func (p *place) child(tb testing.TB, secret string) *peer {
	tb.Helper()
	arg, err := json.Marshal(childPlace{p.addrs(), p.opts, secret})
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
	tb.Cleanup(func() {
		_ = in.Close() // which ends it
		if err := cmd.Wait(); err != nil {
			tb.Errorf("the child: %v", err)
		}
	})
	return &peer{tb, in, bufio.NewReader(out)}
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

// child is the main function of the second process.
func child(arg string) int {
	if err := serve(arg); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func serve(arg string) (err error) {
	var where childPlace
	if err := json.Unmarshal([]byte(arg), &where); err != nil {
		return err
	}
	s, w, err := watch(where.Addrs, where.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	app := &site{}
	if where.Secret != "" {
		done, err := app.add(s.Store, where.Secret)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		what, arg, ok := strings.Cut(in.Text(), " ")
		if !ok {
			return fmt.Errorf("not understood: %q", in.Text())
		}
		if what == "count" { // so many times, with that cookie
			times, cookie, _ := strings.Cut(arg, " ")
			n, err := strconv.Atoi(times)
			if err != nil {
				return err
			}
			for range n {
				if r := app.ask(context.Background(), 0, http.MethodPost, "/count", &http.Cookie{Name: cookieName, Value: cookie}); r.Code != http.StatusOK {
					return fmt.Errorf("count: %d %s", r.Code, r.Body)
				}
			}
			fmt.Println(app.runs.Load())
			continue
		}
		var key beaker.RecordKey
		if b, err := hex.DecodeString(arg); err != nil || copy(key[:], b) != len(key) {
			return fmt.Errorf("no key in %q", in.Text())
		}
		call, err := callOf(s.Store, what, key)
		if err != nil {
			return err
		}
		var gateErr error
		w.on(onFirst(func() {
			fmt.Println("there")
			if !in.Scan() {
				gateErr = errors.New("no moment was named")
				return
			}
			moment, err := strconv.ParseInt(in.Text(), 10, 64)
			gateErr = err
			spinUntil(moment)
		}))
		how := outcome(call())
		w.on(nil)
		if gateErr != nil {
			return gateErr
		}
		fmt.Println(how)
	}
	return nil
}

// onFirst is a hook that runs f before the first command is sent.
func onFirst(f func()) func(string) fate {
	var once sync.Once
	return func(string) fate {
		once.Do(f)
		return goes
	}
}

// spinUntil waits for a moment, in nanoseconds since 1970, without giving up the
// processor. Both processes have one clock.
func spinUntil(moment int64) {
	for time.Now().UnixNano() < moment {
	}
}

// callOf prepares what one party of a race does with a record that it has read before.
func callOf(s *memcachestore.Store, what string, key beaker.RecordKey) (func() error, error) {
	ctx := context.Background()
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
		ch = changeOf(rec)
		ch.Rotate = &beaker.Rotation{Next: unique("next")}
	case "login":
		ch = signingIn(rec, subjectOf(key))
	case "delete":
		return func() error { return s.Delete(ctx, key) }, nil
	case "revoke":
		return func() error { _, err := s.RevokeSubject(ctx, subjectOf(key), rec.Touched()+minute); return err }, nil
	default:
		return nil, fmt.Errorf("unknown party %q", what)
	}
	return func() error { _, err := s.Apply(ctx, key, ch); return err }, nil
}

func subjectOf(key beaker.RecordKey) string { return fmt.Sprintf("user-%x", key[:8]) }

func outcome(err error) string {
	for name, known := range map[string]error{
		"ErrNotFound": beaker.ErrNotFound, "ErrConflict": beaker.ErrConflict, "ErrRevoked": beaker.ErrRevoked,
		"ErrUncertain": beaker.ErrUncertain,
	} {
		if errors.Is(err, known) {
			return name
		}
	}
	if err != nil {
		return strings.ReplaceAll("error: "+err.Error(), "\n", " ")
	}
	return "ok"
}
