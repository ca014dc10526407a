package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/session"
	"github.com/valyala/fasthttp"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// fiberPaths are the routes, by what they do.
const (
	fiberUntouched = "/untouched"
	fiberRead      = "/read"
	fiberNumber    = "/number"
	fiberIncrement = "/increment"
	fiberCreate    = "/create"
	fiberLarge     = "/large"
	fiberAnonymous = "/anonymous"
	fiberSignIn    = "/signin"
	fiberNull      = "/null"
)

// bag is what the middleware's sessions and those taken from the store have in common.
type bag interface {
	Get(key any) any
	Set(key, value any)
	Regenerate() error
}

// FiberApp returns an application with fiber's session, kept in memory: as a middleware,
// which is how it is documented and which loads and saves at every request, or taken
// from the store by the handlers that need it.
func FiberApp(byHand bool) *fiber.App {
	app := fiber.New()
	answer := func(c fiber.Ctx) error { return c.SendString(contest.OK) }
	app.Get(fiberNull, answer)
	handler, store := session.NewWithStore(session.Config{CookieSecure: true, CookieHTTPOnly: true})
	// with gives f the session; save only matters by hand.
	with := func(save bool, f func(c fiber.Ctx, s bag) error) fiber.Handler {
		if !byHand {
			return func(c fiber.Ctx) error { return f(c, session.FromContext(c)) }
		}
		return func(c fiber.Ctx) error {
			s, err := store.Get(c)
			if err != nil {
				return err
			}
			defer s.Release()
			if err := f(c, s); err != nil || !save {
				return err
			}
			return s.Save()
		}
	}
	if !byHand {
		app.Use(handler)
	}
	create := func(more []string, signedIn bool) fiber.Handler {
		return with(true, func(c fiber.Ctx, s bag) error {
			if signedIn {
				s.Set(contest.KeyUID, contest.UID)
			}
			s.Set(contest.KeyN, contest.First)
			s.Set(contest.KeyData, contest.Data)
			for _, k := range more {
				s.Set(k, contest.MoreValue)
			}
			return answer(c)
		})
	}
	app.Get(fiberUntouched, answer)
	app.Get(fiberRead, with(false, func(c fiber.Ctx, s bag) error {
		v, _ := s.Get(contest.KeyUID).(string)
		return c.SendString(v)
	}))
	app.Get(fiberNumber, with(false, func(c fiber.Ctx, s bag) error {
		v, _ := s.Get(contest.KeyN).(int)
		return c.SendString(strconv.Itoa(v))
	}))
	app.Get(fiberIncrement, with(true, func(c fiber.Ctx, s bag) error {
		v, _ := s.Get(contest.KeyN).(int)
		s.Set(contest.KeyN, v+1)
		return answer(c)
	}))
	app.Get(fiberCreate, create(nil, true))
	app.Get(fiberLarge, create(contest.More, true))
	app.Get(fiberAnonymous, create(nil, false))
	app.Get(fiberSignIn, with(true, func(c fiber.Ctx, s bag) error {
		if err := s.Regenerate(); err != nil {
			return err
		}
		s.Set(contest.KeyUID, contest.UID)
		return answer(c)
	}))
	return app
}

// Fiber is fiber's session in memory, called by fasthttp's handler directly.
func Fiber(byHand bool) *contest.Contender {
	c := &contest.Contender{Store: "memory", Name: "fiber", Kind: contest.Peer, Fresh: true, Note: "on fasthttp; loads and saves at every request"}
	if byHand {
		c.Name, c.Note = "fiber, by hand", "on fasthttp; the handlers load and save"
	}
	c.Open = func(context.Context, contest.Env) (contest.Player, error) {
		return &fiberPlayer{handler: FiberApp(byHand).Handler()}, nil
	}
	return c
}

type fiberPlayer struct{ handler fasthttp.RequestHandler }

func (p *fiberPlayer) Close() error { return nil }

func (p *fiberPlayer) Case(s contest.Scenario) (contest.Case, error) {
	if s == contest.Touch {
		return nil, contest.ErrNoTouch
	}
	c := &fiberCase{player: p, scenario: s}
	c.ctx.Init(&c.ctx.Request, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234}, nil)
	c.ctx.Request.Header.SetHost("example.com")
	c.ctx.Request.Header.SetUserAgent("bench")
	c.ctx.Request.Header.Set("Accept", "text/html")
	return c, nil
}

type fiberCase struct {
	player   *fiberPlayer
	scenario contest.Scenario
	ctx      fasthttp.RequestCtx

	cookie  string
	body    []byte
	before  int
	cookies []string
}

func (c *fiberCase) Native() bool { return true }

func (c *fiberCase) Trips() (int64, bool) { return 0, false }

func (c *fiberCase) do(path string) error {
	c.ctx.Request.SetRequestURI(path)
	c.ctx.Request.Header.DelAllCookies()
	if c.cookie != "" {
		c.ctx.Request.Header.SetCookie("session_id", c.cookie)
	}
	c.ctx.Response.Reset()
	c.ctx.ResetUserValues()
	c.player.handler(&c.ctx)
	c.body = c.ctx.Response.Body()
	if status := c.ctx.Response.StatusCode(); status != fasthttp.StatusOK {
		return fmt.Errorf("status %d: %.200q", status, c.body)
	}
	if line := c.ctx.Response.Header.PeekCookie("session_id"); len(line) > 0 {
		var k fasthttp.Cookie
		if err := k.ParseBytes(line); err != nil {
			return err
		}
		if string(k.Value()) != c.cookie {
			c.cookie = string(k.Value())
		}
	}
	return nil
}

func (c *fiberCase) number() (int, error) {
	if err := c.do(fiberNumber); err != nil {
		return 0, err
	}
	return strconv.Atoi(string(c.body))
}

func (c *fiberCase) Prepare(n int) error {
	c.cookie = ""
	switch c.scenario {
	case contest.Create:
		return nil
	case contest.SignIn:
		c.cookies = c.cookies[:0]
		for range n {
			c.cookie = ""
			if err := c.do(fiberAnonymous); err != nil {
				return err
			}
			c.cookies = append(c.cookies, c.cookie)
		}
		return nil
	case contest.ReadLarge:
		return c.do(fiberLarge)
	}
	err := c.do(fiberCreate)
	if err == nil && c.scenario == contest.Increment {
		c.before, err = c.number()
	}
	return err
}

func (c *fiberCase) Run(n int) (contest.Took, error) {
	path, want := fiberRead, contest.UID
	switch c.scenario {
	case contest.Untouched:
		path, want = fiberUntouched, contest.OK
	case contest.Increment:
		path, want = fiberIncrement, contest.OK
	case contest.Create:
		path, want = fiberCreate, contest.OK
	case contest.SignIn:
		path, want = fiberSignIn, contest.OK
	}
	began := time.Now()
	for i := range n {
		switch c.scenario {
		case contest.Create:
			c.cookie = ""
		case contest.SignIn:
			c.cookie = c.cookies[i]
		}
		if err := c.do(path); err != nil {
			return contest.Took{}, err
		}
		if string(c.body) != want || c.cookie == "" {
			return contest.Took{}, fmt.Errorf("request %d of %d: answer %.100q, want %q; cookie %q", i+1, n, c.body, want, c.cookie)
		}
	}
	return contest.Took{Wall: time.Since(began)}, nil
}

func (c *fiberCase) Verify(n int) error {
	switch c.scenario {
	case contest.Increment:
		after, err := c.number()
		if err != nil {
			return err
		}
		if after != c.before+n {
			return fmt.Errorf("%d increments made %d of %d", n, after, c.before)
		}
	case contest.Create, contest.SignIn:
		if err := c.do(fiberRead); err != nil {
			return err
		}
		if string(c.body) != contest.UID {
			return fmt.Errorf("the new session holds %q, want %q", c.body, contest.UID)
		}
	}
	if c.scenario == contest.SignIn {
		c.cookie = c.cookies[n-1]
		if err := c.do(fiberRead); err != nil {
			return err
		}
		if string(c.body) == contest.UID {
			return errors.New("the cookie from before the sign-in opens the session")
		}
	}
	return nil
}
