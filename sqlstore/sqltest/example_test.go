package sqltest

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	//docs:begin driver
	_ "modernc.org/sqlite" // SQLite translated to Go: no C compiler is needed
	//docs:end driver

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

var visits = beaker.NewKey[int]("visits")

// Sessions in an SQLite file. With PostgreSQL or MariaDB, the driver, the DSN and the
// dialect are others, and nothing else.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	//docs:begin open
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(filepath.Join(dir, "sessions.db")))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.New(ctx, db, sqlstore.SQLite, nil)
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
