package peers

import (
	"bufio"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/recover"
	"github.com/gofiber/fiber/v3/middleware/session"
)

// fiberStore is a fiber.Storage in memory that counts, and fails when told to.
type fiberStore struct {
	broken atomic.Bool
	writes atomic.Int64
	mu     sync.Mutex
	m      map[string][]byte
}

func (c *fiberStore) GetWithContext(_ context.Context, key string) ([]byte, error) {
	if c.broken.Load() {
		return nil, errBroken
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[key], nil
}

func (c *fiberStore) SetWithContext(_ context.Context, key string, val []byte, _ time.Duration) error {
	if c.broken.Load() {
		return errBroken
	}
	c.writes.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m[key] = append([]byte(nil), val...)
	return nil
}

func (c *fiberStore) DeleteWithContext(_ context.Context, key string) error {
	if c.broken.Load() {
		return errBroken
	}
	c.writes.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, key)
	return nil
}

func (c *fiberStore) Get(key string) ([]byte, error) {
	return c.GetWithContext(context.Background(), key)
}

func (c *fiberStore) Delete(key string) error { return c.DeleteWithContext(context.Background(), key) }

func (c *fiberStore) Set(key string, val []byte, exp time.Duration) error {
	return c.SetWithContext(context.Background(), key, val, exp)
}
func (c *fiberStore) ResetWithContext(context.Context) error { return nil }
func (c *fiberStore) Reset() error                           { return nil }
func (c *fiberStore) Close() error                           { return nil }

func openFiber(t *testing.T, g *gates) *site {
	t.Helper()
	store := &fiberStore{m: map[string][]byte{}}
	app := fiber.New()
	app.Use(recover.New()) // without it a store that fails ends the process
	app.Use(session.New(session.Config{Storage: store}))
	app.Get("/untouched", func(c fiber.Ctx) error { return c.SendString("untouched") })
	app.Get("/get", func(c fiber.Ctx) error {
		v, ok := session.FromContext(c).Get(c.Query("k")).(string)
		if !ok {
			v = "-"
		}
		return c.SendString(v)
	})
	app.Get("/set", func(c fiber.Ctx) error {
		g.pass(c.RequestCtx(), c.Query("gate"))
		// The framework reuses the memory of a request.
		k, v := string([]byte(c.Query("k"))), string([]byte(c.Query("v")))
		session.FromContext(c).Set(k, v)
		return c.SendString("saved " + v)
	})
	app.Get("/read", func(c fiber.Ctx) error {
		session.FromContext(c).Get("user")
		g.pass(c.RequestCtx(), c.Query("gate"))
		return c.SendString("read")
	})
	app.Get("/stream", func(c fiber.Ctx) error {
		session.FromContext(c).Set(string([]byte(c.Query("k"))), string([]byte(c.Query("v"))))
		return c.SendStreamWriter(func(w *bufio.Writer) {
			_ = w.Flush() // the client is there
			_, _ = w.WriteString("streamed")
		})
	})
	app.Get("/signin", func(c fiber.Ctx) error {
		s := session.FromContext(c)
		if err := s.Regenerate(); err != nil {
			return err
		}
		s.Set("user", string([]byte(c.Query("user"))))
		return c.SendString("signed in")
	})
	app.Get("/signout", func(c fiber.Ctx) error {
		if err := session.FromContext(c).Destroy(); err != nil {
			return err
		}
		return c.SendString("signed out")
	})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() {
		if err := app.ShutdownWithTimeout(10 * time.Second); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &site{
		url: "http://" + l.Addr().String(), cookie: "session_id",
		breaks: func(*testing.T) { store.broken.Store(true) },
		writes: func(*testing.T) int { return int(store.writes.Load()) },
		ids: func(*testing.T) (ids []string) {
			store.mu.Lock()
			defer store.mu.Unlock()
			for id := range store.m {
				ids = append(ids, id)
			}
			return ids
		},
	}
}
