CREATE TABLE IF NOT EXISTS `golden_sessions_meta` (`name` VARBINARY(64) NOT NULL PRIMARY KEY, `value` BIGINT NOT NULL, `owner` VARBINARY(64)) ENGINE=InnoDB;
INSERT INTO `golden_sessions_meta` (`name`,`value`) VALUES ('version',0) ON DUPLICATE KEY UPDATE `value`=`value`;
CREATE TABLE IF NOT EXISTS `golden_sessions` (
  `hash` BINARY(32) NOT NULL PRIMARY KEY,
  `proof` BINARY(32) NOT NULL,
  `prev_proof` BINARY(32),
  `prev_until` BIGINT NOT NULL DEFAULT 0,
  `rotated` BIGINT NOT NULL DEFAULT 0,
  `version` BIGINT NOT NULL,
  `subject` VARBINARY(255),
  `authenticated` BIGINT NOT NULL DEFAULT 0,
  `created` BIGINT NOT NULL,
  `accessed` BIGINT NOT NULL,
  `idle` BIGINT NOT NULL,
  `absolute` BIGINT NOT NULL,
  `expires` BIGINT NOT NULL,
  `data` MEDIUMBLOB NOT NULL) ENGINE=InnoDB;
CREATE INDEX `golden_sessions_expires` ON `golden_sessions` (`expires`);
CREATE INDEX `golden_sessions_subject` ON `golden_sessions` (`subject`,`hash`);
CREATE TABLE IF NOT EXISTS `golden_sessions_revoked` (`subject` VARBINARY(255) NOT NULL PRIMARY KEY, `revoked` BIGINT NOT NULL) ENGINE=InnoDB;
CREATE INDEX `golden_sessions_marked` ON `golden_sessions_revoked` (`revoked`);
INSERT INTO `golden_sessions_meta` (`name`,`value`) VALUES ('purge',0) ON DUPLICATE KEY UPDATE `value`=`value`;
UPDATE `golden_sessions_meta` SET `value`=1 WHERE `name`='version';
INSERT INTO golden_sessions (hash,proof,prev_proof,prev_until,rotated,version,subject,authenticated,created,accessed,idle,absolute,expires,data) VALUES (x'1010101010101010101010101010101010101010101010101010101010101010',x'1111111111111111111111111111111111111111111111111111111111111111',NULL,0,0,16,NULL,0,1800000000000,1800000000001,1800000,1800043200000,1800001800001,x'01020161013101620500ff27225c');
INSERT INTO golden_sessions (hash,proof,prev_proof,prev_until,rotated,version,subject,authenticated,created,accessed,idle,absolute,expires,data) VALUES (x'2020202020202020202020202020202020202020202020202020202020202020',x'2121212121212121212121212121212121212121212121212121212121212121',x'2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f',1800000000004,1800000000003,32,'user-1 é',1800000000002,1800000000000,1800000000001,1800000,1800043200000,1800001800001,x'0101016b0176');
INSERT INTO golden_sessions (hash,proof,prev_proof,prev_until,rotated,version,subject,authenticated,created,accessed,idle,absolute,expires,data) VALUES (x'3030303030303030303030303030303030303030303030303030303030303030',x'3131313131313131313131313131313131313131313131313131313131313131',NULL,0,0,48,NULL,0,1800000000000,1800000000001,9223372036854,1800043200000,1800043200000,x'0100');
