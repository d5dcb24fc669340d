-- a first run

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT 1 FROM information_schema.schemata WHERE schema_name = %s;

CREATE SCHEMA IF NOT EXISTS `values`;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

CREATE TABLE IF NOT EXISTS `values`.tailrace_snapshots (digest VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL PRIMARY KEY, sync LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL, revision BIGINT NOT NULL, body LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL);

CREATE TABLE `values`.snapshot_439929f4f66506ff_0 (k0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, k1 BIGINT, m0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, f0 DOUBLE, f1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, record_id LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, layout BIGINT NOT NULL, revision BIGINT NOT NULL, INDEX (k0(64), k1), INDEX (m0(64)));

SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;

START TRANSACTION;

INSERT INTO `values`.tailrace_snapshots (digest, sync, revision, body) VALUES (%s, %s, 0, '') ON DUPLICATE KEY UPDATE digest = VALUES(digest);

SELECT 1 FROM `values`.tailrace_snapshots WHERE digest = %s FOR UPDATE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

INSERT INTO `values`.snapshot_439929f4f66506ff_0 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT t0 AS v0, CAST(t1 AS SIGNED) AS v1, t2 AS v2, CAST(t3 AS DOUBLE) AS v3, t4 AS v4, t5 AS v5, CAST(t6 AS SIGNED) AS v6, CAST(t7 AS SIGNED) AS v7 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]', t1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[1]', t2 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]', t3 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[3]', t4 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[4]', t5 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[5]', t6 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[6]', t7 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[7]')) AS j) AS v;

SELECT count(*) FROM `values`.snapshot_439929f4f66506ff_0;

UPDATE `values`.tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE %s;


-- nothing has changed

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT * FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS described LIMIT 0;

SELECT count(*) FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS counted;

WITH m AS (SELECT TRUE AS here, p.*, CONVERT(p.c0 USING utf8mb4) COLLATE utf8mb4_0900_bin AS j0, p.c1 AS j1 FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS p) SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM m LEFT JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON m.j0 = s.k0 AND m.j1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CONVERT(m.c2 USING utf8mb4) COLLATE utf8mb4_0900_bin = s.m0) AND (m.c3 <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CONVERT(m.c5 USING utf8mb4) COLLATE utf8mb4_0900_bin <=> s.f1) AND (m.c6 IS NULL)) IS NOT TRUE UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s LEFT JOIN (SELECT DISTINCT j0, j1, LEFT(j0, 190) AS b0 FROM m) AS d ON d.j0 = s.k0 AND d.j1 = s.k1 AND d.b0 = LEFT(s.k0, 190) WHERE d.j0 IS NULL;

ROLLBACK;


-- a key comes twice, and then all is fetched

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT * FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS described LIMIT 0;

SELECT count(*) FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS counted;

WITH m AS (SELECT TRUE AS here, p.*, CONVERT(p.c0 USING utf8mb4) COLLATE utf8mb4_0900_bin AS j0, p.c1 AS j1 FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS p) SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM m LEFT JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON m.j0 = s.k0 AND m.j1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CONVERT(m.c2 USING utf8mb4) COLLATE utf8mb4_0900_bin = s.m0) AND (m.c3 <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CONVERT(m.c5 USING utf8mb4) COLLATE utf8mb4_0900_bin <=> s.f1) AND (m.c6 IS NULL)) IS NOT TRUE UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s LEFT JOIN (SELECT DISTINCT j0, j1, LEFT(j0, 190) AS b0 FROM m) AS d ON d.j0 = s.k0 AND d.j1 = s.k1 AND d.b0 = LEFT(s.k0, 190) WHERE d.j0 IS NULL;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT s.k0 AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CONVERT(m.c2 USING utf8mb4) COLLATE utf8mb4_0900_bin = s.m0) AND (m.c3 <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CONVERT(m.c5 USING utf8mb4) COLLATE utf8mb4_0900_bin <=> s.f1) AND (m.c6 IS NULL)) IS TRUE THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS p) AS m JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CONVERT(m.c0 USING utf8mb4) COLLATE utf8mb4_0900_bin = s.k0 AND m.c1 = s.k1 GROUP BY s.k0, s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;

ROLLBACK;


-- a column is of another type

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT * FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS described LIMIT 0;

SELECT count(*) FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS counted;

WITH m AS (SELECT TRUE AS here, p.*, CONVERT(p.c0 USING utf8mb4) COLLATE utf8mb4_0900_bin AS j0, p.c1 AS j1 FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS p) SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM m LEFT JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON m.j0 = s.k0 AND m.j1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CONVERT(m.c2 USING utf8mb4) COLLATE utf8mb4_0900_bin = s.m0) AND (m.c3 <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CONVERT(m.c5 USING utf8mb4) COLLATE utf8mb4_0900_bin <=> s.f1) AND (m.c6 IS NULL)) IS NOT TRUE UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s LEFT JOIN (SELECT DISTINCT j0, j1, LEFT(j0, 190) AS b0 FROM m) AS d ON d.j0 = s.k0 AND d.j1 = s.k1 AND d.b0 = LEFT(s.k0, 190) WHERE d.j0 IS NULL;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT s.k0 AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CONVERT(m.c2 USING utf8mb4) COLLATE utf8mb4_0900_bin = s.m0) AND (m.c3 <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CONVERT(m.c5 USING utf8mb4) COLLATE utf8mb4_0900_bin <=> s.f1) AND (m.c6 IS NULL)) IS TRUE THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model
) AS p) AS m JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CONVERT(m.c0 USING utf8mb4) COLLATE utf8mb4_0900_bin = s.k0 AND m.c1 = s.k1 GROUP BY s.k0, s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

CREATE TABLE `values`.snapshot_439929f4f66506ff_1 (k0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, k1 BIGINT, m0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, f0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, f1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, record_id LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, layout BIGINT NOT NULL, revision BIGINT NOT NULL, INDEX (k0(64), k1), INDEX (m0(64)));

SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;

START TRANSACTION;

INSERT INTO `values`.tailrace_snapshots (digest, sync, revision, body) VALUES (%s, %s, 0, '') ON DUPLICATE KEY UPDATE digest = VALUES(digest);

SELECT 1 FROM `values`.tailrace_snapshots WHERE digest = %s FOR UPDATE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT v.v0 AS d0, v.v1 AS d1 FROM (SELECT t0 AS v0, CAST(t1 AS SIGNED) AS v1 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]', t1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[1]')) AS j) AS v) AS d STRAIGHT_JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON s.k0 = d.d0 AND s.k1 = d.d1;

DELETE s FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT t0 AS v0, CAST(t1 AS SIGNED) AS v1 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]', t1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[1]')) AS j) AS v ON s.k0 = v.v0 AND s.k1 = v.v1;

INSERT INTO `values`.snapshot_439929f4f66506ff_1 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT t0 AS v0, CAST(t1 AS SIGNED) AS v1, t2 AS v2, t3 AS v3, t4 AS v4, t5 AS v5, CAST(t6 AS SIGNED) AS v6, CAST(t7 AS SIGNED) AS v7 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]', t1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[1]', t2 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]', t3 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[3]', t4 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[4]', t5 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[5]', t6 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[6]', t7 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[7]')) AS j) AS v;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT v.v0 AS d0 FROM (SELECT t0 AS v0 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]')) AS j) AS v) AS d STRAIGHT_JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON s.m0 = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT v.v0 AS d0 FROM (SELECT t0 AS v0 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]')) AS j) AS v) AS d STRAIGHT_JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON s.m0 = d.d0;

SELECT count(*) FROM `values`.snapshot_439929f4f66506ff_1;

UPDATE `values`.tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE %s;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0;


-- rows are looked up

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT v.v0 AS d0, v.v1 AS d1 FROM (SELECT t0 AS v0, CAST(t1 AS SIGNED) AS v1 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]', t1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[1]')) AS j) AS v) AS d STRAIGHT_JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON s.k0 = d.d0 AND s.k1 = d.d1;

ROLLBACK;


-- records are looked up

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT s.record_id FROM (SELECT DISTINCT v.v0 AS d0 FROM (SELECT t0 AS v0 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]')) AS j) AS v) AS d STRAIGHT_JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON s.record_id = d.d0;

ROLLBACK;


-- how far it was read

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;

START TRANSACTION;

INSERT INTO `values`.tailrace_snapshots (digest, sync, revision, body) VALUES (%s, %s, 0, '') ON DUPLICATE KEY UPDATE digest = VALUES(digest);

SELECT 1 FROM `values`.tailrace_snapshots WHERE digest = %s FOR UPDATE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

UPDATE `values`.tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;


-- rows are taken out

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;

START TRANSACTION;

INSERT INTO `values`.tailrace_snapshots (digest, sync, revision, body) VALUES (%s, %s, 0, '') ON DUPLICATE KEY UPDATE digest = VALUES(digest);

SELECT 1 FROM `values`.tailrace_snapshots WHERE digest = %s FOR UPDATE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

DELETE s FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT t0 AS v0, CAST(t1 AS SIGNED) AS v1 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]', t1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[1]')) AS j) AS v ON s.k0 = v.v0 AND s.k1 = v.v1;

UPDATE `values`.tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;


-- records and match values of others

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;

START TRANSACTION;

DELETE s FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT t0 AS v0 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]')) AS j) AS v ON s.record_id = v.v0 AND s.revision < 7;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT v.v0 AS d0 FROM (SELECT t0 AS v0 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]')) AS j) AS v) AS d STRAIGHT_JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON s.m0 = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT o.m0 AS t0 FROM `values`.snapshot_439929f4f66506ff_1 AS o GROUP BY o.m0 HAVING count(*) > 1) AS d ON s.m0 = d.t0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT LEFT(LOWER(REGEXP_REPLACE(REPLACE(REPLACE(v.v0, _utf8mb4 X'E284AA', 'k'), _utf8mb4 X'C4B0', 'i'), '[^!-~]', '')), 190) AS d0 FROM (SELECT t0 AS v0 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]')) AS j) AS v) AS d STRAIGHT_JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON LEFT(LOWER(REGEXP_REPLACE(REPLACE(REPLACE(s.m0, _utf8mb4 X'E284AA', 'k'), _utf8mb4 X'C4B0', 'i'), '[^!-~]', '')), 190) = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT LEFT(LOWER(REGEXP_REPLACE(REPLACE(REPLACE(o.m0, _utf8mb4 X'E284AA', 'k'), _utf8mb4 X'C4B0', 'i'), '[^!-~]', '')), 190) AS t0 FROM `values`.snapshot_439929f4f66506ff_1 AS o GROUP BY LEFT(LOWER(REGEXP_REPLACE(REPLACE(REPLACE(o.m0, _utf8mb4 X'E284AA', 'k'), _utf8mb4 X'C4B0', 'i'), '[^!-~]', '')), 190) HAVING count(*) > 1) AS d ON LEFT(LOWER(REGEXP_REPLACE(REPLACE(REPLACE(s.m0, _utf8mb4 X'E284AA', 'k'), _utf8mb4 X'C4B0', 'i'), '[^!-~]', '')), 190) = d.t0;

COMMIT;


-- moved there

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_2;

CREATE TABLE `values`.snapshot_439929f4f66506ff_2 (k0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, f0 BOOLEAN, f1 BIGINT, f2 DOUBLE, f3 DECIMAL(38, 2), f4 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, f5 LONGBLOB, f6 DATE, f7 TIME(6), f8 DATETIME(6), f9 DATETIME(6), f10 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, record_id LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, layout BIGINT NOT NULL, revision BIGINT NOT NULL, INDEX (k0(64)));

SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;

START TRANSACTION;

INSERT INTO `values`.tailrace_snapshots (digest, sync, revision, body) VALUES (%s, %s, 0, '') ON DUPLICATE KEY UPDATE digest = VALUES(digest);

SELECT 1 FROM `values`.tailrace_snapshots WHERE digest = %s FOR UPDATE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

INSERT INTO `values`.snapshot_439929f4f66506ff_2 (k0, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14 FROM (SELECT t0 AS v0, (t1 = 'true') AS v1, CAST(t2 AS SIGNED) AS v2, CAST(t3 AS DOUBLE) AS v3, CAST(t4 AS DECIMAL(38, 2)) AS v4, t5 AS v5, UNHEX(t6) AS v6, CAST(t7 AS DATE) AS v7, CAST(t8 AS TIME(6)) AS v8, CAST(LEFT(t9, 26) AS DATETIME(6)) AS v9, CAST(LEFT(t10, 26) AS DATETIME(6)) AS v10, t11 AS v11, t12 AS v12, CAST(t13 AS SIGNED) AS v13, CAST(t14 AS SIGNED) AS v14 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]', t1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[1]', t2 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]', t3 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[3]', t4 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[4]', t5 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[5]', t6 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[6]', t7 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[7]', t8 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[8]', t9 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[9]', t10 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[10]', t11 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[11]', t12 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[12]', t13 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[13]', t14 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[14]')) AS j) AS v;

UPDATE `values`.tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE %s;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0;


-- moved away

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;

START TRANSACTION;

INSERT INTO `values`.tailrace_snapshots (digest, sync, revision, body) VALUES (%s, %s, 0, '') ON DUPLICATE KEY UPDATE digest = VALUES(digest);

SELECT 1 FROM `values`.tailrace_snapshots WHERE digest = %s FOR UPDATE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT revision, body FROM `values`.tailrace_snapshots WHERE digest = %s;

UPDATE `values`.tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_2;


-- what is known of others

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT body FROM `values`.tailrace_snapshots WHERE sync = %s;

ROLLBACK;


-- forgotten

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

DELETE FROM `values`.tailrace_snapshots WHERE digest = %s;

SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE %s;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0;


-- what runs did

SET SESSION innodb_lock_wait_timeout = 600;

SET SESSION TRANSACTION READ WRITE;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SELECT 1 FROM information_schema.schemata WHERE schema_name = %s;

CREATE SCHEMA IF NOT EXISTS `values`;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

CREATE TABLE IF NOT EXISTS `values`.tailrace_runs (run_id LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, sync LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, mode LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, destination LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, object LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, status LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, started_at DATETIME(6), finished_at DATETIME(6), inserts BIGINT, updates BIGINT, deletes BIGINT, acknowledged BIGINT, rejected BIGINT, unknown BIGINT, skipped BIGINT, message LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin);

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s;

SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;

START TRANSACTION;

DELETE FROM `values`.tailrace_runs WHERE run_id = %s;

DELETE FROM `values`.tailrace_rows WHERE run_id = %s;

INSERT INTO `values`.tailrace_runs (run_id, sync, mode, destination, object, status, started_at, finished_at, inserts, updates, deletes, acknowledged, rejected, unknown, skipped, message) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14, v.v15 FROM (SELECT t0 AS v0, t1 AS v1, t2 AS v2, t3 AS v3, t4 AS v4, t5 AS v5, CAST(LEFT(t6, 26) AS DATETIME(6)) AS v6, CAST(LEFT(t7, 26) AS DATETIME(6)) AS v7, CAST(t8 AS SIGNED) AS v8, CAST(t9 AS SIGNED) AS v9, CAST(t10 AS SIGNED) AS v10, CAST(t11 AS SIGNED) AS v11, CAST(t12 AS SIGNED) AS v12, CAST(t13 AS SIGNED) AS v13, CAST(t14 AS SIGNED) AS v14, t15 AS v15 FROM JSON_TABLE(%s, '$[*]' COLUMNS (t0 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[0]', t1 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[1]', t2 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[2]', t3 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[3]', t4 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[4]', t5 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[5]', t6 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[6]', t7 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[7]', t8 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[8]', t9 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[9]', t10 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[10]', t11 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[11]', t12 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[12]', t13 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[13]', t14 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[14]', t15 LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin PATH '$[15]')) AS j) AS v;

COMMIT;
