package sqlstore_test

import (
	"fmt"
	"log"

	"github.com/seed12c5fab1/beaker/sqlstore"
)

// For those who run migrations by other means.
func ExampleMigrationSQL() {
	//docs:begin migration
	// From version 1, the version of the tables that are there; 0: there are none.
	text, err := sqlstore.MigrationSQL(sqlstore.PostgreSQL, 1, &sqlstore.Options{Schema: "web"})
	if err != nil {
		log.Fatal(err)
	}
	//docs:end migration
	fmt.Print(text)
	// Output:
	// ALTER TABLE "web"."beaker_sessions" ADD COLUMN IF NOT EXISTS "authenticated" bigint NOT NULL DEFAULT 0;
	// UPDATE "web"."beaker_sessions_meta" SET "value"=2 WHERE "name"='version';
}
