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

// A client that the application has already. For a cluster InitAddress names some of its
// nodes; with Options.WaitReplicas a logout is acknowledged when a replica has it.
func ExampleNew() {
	ctx := context.Background()
	url, err := exampleURL() // redis://USER:PASSWORD@HOST:PORT, from the environment, say
	if err != nil {
		log.Fatal(err)
	}
	option, err := rueidis.ParseURL(url)
	if err != nil {
		log.Fatal(err)
	}
	option.ConnWriteTimeout = 3 * time.Second
	option.DialCtxFn = redisstore.DialTCP
	client, err := rueidis.NewClient(option)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	store, err := redisstore.New(ctx, client, &redisstore.Options{Prefix: "shop:"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	secrets, err := beaker.ParseSecrets(beaker.NewSecret()) // SecretsFromFile, in earnest
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	put := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Get(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		s.Set("cart", "book")
	})
	browser := sessiontest.NewBrowser(sessions.Wrap(put), "https://example.com")
	fmt.Println(browser.Get("/").Status)

	keys, err := client.Do(ctx, client.B().Keys().Pattern("*").Build()).AsStrSlice()
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range keys {
		fmt.Println(key[:len("shop:")], len(key)-len("shop:"), "digits")
	}
	// Output:
	// 200
	// shop: 64 digits
}
