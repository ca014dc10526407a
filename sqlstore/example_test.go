package sqlstore_test

import (
	"fmt"
	"log"

	"github.com/seed12c5fab1/beaker/sqlstore"
)

// For those who run migrations by other means.
func ExampleMigrationSQL() {
	text, err := sqlstore.MigrationSQL(sqlstore.PostgreSQL, 1, &sqlstore.Options{Schema: "web"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(text)
	// Output:
	// ALTER TABLE "web"."beaker_sessions" ADD COLUMN IF NOT EXISTS "authenticated" bigint NOT NULL DEFAULT 0;
	// UPDATE "web"."beaker_sessions_meta" SET "value"=2 WHERE "name"='version';
}
