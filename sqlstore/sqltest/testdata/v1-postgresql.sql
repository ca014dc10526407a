CREATE TABLE IF NOT EXISTS "golden_sessions_meta" ("name" text NOT NULL PRIMARY KEY, "value" bigint NOT NULL, "owner" text);
INSERT INTO "golden_sessions_meta" ("name","value") VALUES ('version',0) ON CONFLICT ("name") DO NOTHING;
CREATE TABLE IF NOT EXISTS "golden_sessions" (
  "hash" bytea NOT NULL PRIMARY KEY,
  "proof" bytea NOT NULL,
  "prev_proof" bytea,
  "prev_until" bigint NOT NULL DEFAULT 0,
  "rotated" bigint NOT NULL DEFAULT 0,
  "version" bigint NOT NULL,
  "subject" text COLLATE "C",
  "authenticated" bigint NOT NULL DEFAULT 0,
  "created" bigint NOT NULL,
  "accessed" bigint NOT NULL,
  "idle" bigint NOT NULL,
  "absolute" bigint NOT NULL,
  "expires" bigint NOT NULL,
  "data" bytea NOT NULL);
CREATE INDEX IF NOT EXISTS "golden_sessions_expires" ON "golden_sessions" ("expires");
CREATE INDEX IF NOT EXISTS "golden_sessions_subject" ON "golden_sessions" ("subject","hash") WHERE "subject" IS NOT NULL;
CREATE TABLE IF NOT EXISTS "golden_sessions_revoked" ("subject" text COLLATE "C" NOT NULL PRIMARY KEY, "revoked" bigint NOT NULL);
CREATE INDEX IF NOT EXISTS "golden_sessions_marked" ON "golden_sessions_revoked" ("revoked");
INSERT INTO "golden_sessions_meta" ("name","value") VALUES ('purge',0) ON CONFLICT ("name") DO NOTHING;
UPDATE "golden_sessions_meta" SET "value"=1 WHERE "name"='version';
INSERT INTO golden_sessions (hash,proof,prev_proof,prev_until,rotated,version,subject,authenticated,created,accessed,idle,absolute,expires,data) VALUES ('\x1010101010101010101010101010101010101010101010101010101010101010','\x1111111111111111111111111111111111111111111111111111111111111111',NULL,0,0,16,NULL,0,1800000000000,1800000000001,1800000,1800043200000,1800001800001,'\x01020161013101620500ff27225c');
INSERT INTO golden_sessions (hash,proof,prev_proof,prev_until,rotated,version,subject,authenticated,created,accessed,idle,absolute,expires,data) VALUES ('\x2020202020202020202020202020202020202020202020202020202020202020','\x2121212121212121212121212121212121212121212121212121212121212121','\x2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f',1800000000004,1800000000003,32,'user-1 é',1800000000002,1800000000000,1800000000001,1800000,1800043200000,1800001800001,'\x0101016b0176');
INSERT INTO golden_sessions (hash,proof,prev_proof,prev_until,rotated,version,subject,authenticated,created,accessed,idle,absolute,expires,data) VALUES ('\x3030303030303030303030303030303030303030303030303030303030303030','\x3131313131313131313131313131313131313131313131313131313131313131',NULL,0,0,48,NULL,0,1800000000000,1800000000001,9223372036854,1800043200000,1800043200000,'\x0100');
