package redisstore_test

import (
	"context"
	"log"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// A server of its own, with copies in memory. The password comes from a place that is
// not the source code.
func ExampleOpen() { //nolint:testableexamples // it needs a server
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	store, err := redisstore.Open(ctx, "redis://localhost:6379", &redisstore.Options{Cache: true})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	secrets, err := beaker.ParseSecrets(beaker.NewSecret()) // keep it in a file: see SecretsFromFile
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := beaker.New(beaker.Config{Store: store, Secrets: secrets})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = sessions.Close() }()
}

// A client that the application has already, for a cluster. A logout is acknowledged
// when a replica has it.
func ExampleNew() { //nolint:testableexamples // it needs a server
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:      []string{"redis-1:6379", "redis-2:6379", "redis-3:6379"},
		ConnWriteTimeout: 3 * time.Second,
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
