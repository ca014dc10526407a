// White-box, because a driver that waits in virtual time has no URL.
package backend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// silent is a server from which nothing comes.
type silent struct{}

func (silent) Driver() driver.Driver { return nil }

func (silent) Connect(ctx context.Context) (driver.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestDatabaseThatNeverAnswersIsGivenUpAndExplained(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		began := time.Now()
		b, err := openSQL(t.Context(), sql.OpenDB(silent{}), sqlstore.PostgreSQL, "here", &beaker.Config{})
		if d := time.Since(began); b != nil || err == nil || d != startLimit {
			t.Fatalf("after %v of virtual time: %v, %v", d, b, err)
		}
		if want := "no answer within 10s: check that the server runs"; !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	})
}
