//go:build linux

package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

var visits = beaker.NewKey[int]("visits")

// Sessions in a Redis server.
func Example() {
	ctx := context.Background()
	url, err := exampleURL() // redis://USER:PASSWORD@HOST:PORT, from the environment, say
	if err != nil {
		log.Fatal(err)
	}

	//docs:begin open
	store, err := redisstore.Open(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	//docs:end open

	secrets, err := beaker.ParseSecrets(beaker.NewSecret()) // SecretsFromFile, in earnest
	if err != nil {
		log.Fatal(err)
	}
	//docs:begin manager
	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		log.Fatal(err)
	}
	//docs:end manager
	defer sessions.Close()

	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		n, _ := visits.Get(s)
		visits.Set(s, n+1)
		fmt.Fprintf(w, "visit %d", n+1)
	})
	browser := sessiontest.NewBrowser(sessions.Wrap(hello), "https://example.com")
	for range 2 {
		fmt.Println(browser.Get("/").Body)
	}
	// Output:
	// visit 1
	// visit 2
}

// A client that the application has already, here for a cluster. A logout is
// acknowledged when a replica has it.
func ExampleNew() { //nolint:testableexamples // it needs a cluster
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:      []string{"redis-1:6379", "redis-2:6379", "redis-3:6379"},
		ConnWriteTimeout: 3 * time.Second,
		DialCtxFn:        redisstore.DialTCP,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	store, err := redisstore.New(ctx, client, &redisstore.Options{Prefix: "shop:", WaitReplicas: 1})
	if err != nil {
		log.Fatal(err)
	}
	_ = store // beaker.Config{Store: store, ...}
}
