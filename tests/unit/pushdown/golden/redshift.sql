-- a first run

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

ROLLBACK;

BEGIN READ ONLY;

ROLLBACK;

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

ROLLBACK;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT 1 FROM pg_catalog.pg_namespace WHERE LOWER(nspname) = LOWER(%s);

CREATE SCHEMA IF NOT EXISTS "values";

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

CREATE TABLE IF NOT EXISTS "values".tailrace_snapshots (digest VARCHAR(64) NOT NULL PRIMARY KEY, sync VARCHAR(65535) NOT NULL, revision BIGINT NOT NULL, body VARCHAR(65535) NOT NULL);

CREATE TABLE "values".snapshot_439929f4f66506ff_0 (k0 VARCHAR(65535), k1 BIGINT, m0 VARCHAR(65535), f0 DOUBLE PRECISION, f1 VARCHAR(65535), record_id VARCHAR(65535), layout BIGINT NOT NULL, revision BIGINT NOT NULL);

BEGIN;

LOCK TABLE "values".tailrace_snapshots;

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT CAST(%s AS VARCHAR(64)), CAST(%s AS VARCHAR(65535)), 0, '' WHERE NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

INSERT INTO "values".snapshot_439929f4f66506ff_0 (k0, k1, m0, f0, f1, record_id, layout, revision) VALUES (%s, CAST(%s AS BIGINT), %s, CAST(%s AS DOUBLE PRECISION), %s, %s, CAST(%s AS BIGINT), CAST(%s AS BIGINT)), (%s, CAST(%s AS BIGINT), %s, CAST(%s AS DOUBLE PRECISION), %s, %s, CAST(%s AS BIGINT), CAST(%s AS BIGINT));

SELECT count(*) FROM "values".snapshot_439929f4f66506ff_0;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SELECT tablename FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename LIKE %s;


-- nothing has changed

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN READ ONLY;

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

DECLARE tailrace_stream CURSOR FOR WITH m AS (SELECT TRUE AS here, p.*, TO_VARBYTE(p.c0, 'utf8') AS j0, CAST(p.c1 AS BIGINT) AS j1 FROM (
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
) AS p) SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM m LEFT JOIN "values".snapshot_439929f4f66506ff_0 AS s ON m.j0 = TO_VARBYTE(s.k0, 'utf8') AND m.j1 = s.k1 WHERE NOT COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (TO_VARBYTE(m.c2, 'utf8') = TO_VARBYTE(s.m0, 'utf8')) AND (((m.c3 IS NULL AND s.f0 IS NULL) OR m.c3 = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR ((m.c5 IS NULL AND s.f1 IS NULL) OR TO_VARBYTE(m.c5, 'utf8') = TO_VARBYTE(s.f1, 'utf8'))) AND (m.c6 IS NULL), FALSE) UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s LEFT JOIN (SELECT DISTINCT j0, j1 FROM m) AS d ON d.j0 = TO_VARBYTE(s.k0, 'utf8') AND d.j1 = s.k1 WHERE d.j0 IS NULL;

FETCH FORWARD 65536 FROM tailrace_stream;

CLOSE tailrace_stream;

ROLLBACK;


-- a key comes twice, and then all is fetched

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN READ ONLY;

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

DECLARE tailrace_stream CURSOR FOR WITH m AS (SELECT TRUE AS here, p.*, TO_VARBYTE(p.c0, 'utf8') AS j0, CAST(p.c1 AS BIGINT) AS j1 FROM (
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
) AS p) SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM m LEFT JOIN "values".snapshot_439929f4f66506ff_0 AS s ON m.j0 = TO_VARBYTE(s.k0, 'utf8') AND m.j1 = s.k1 WHERE NOT COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (TO_VARBYTE(m.c2, 'utf8') = TO_VARBYTE(s.m0, 'utf8')) AND (((m.c3 IS NULL AND s.f0 IS NULL) OR m.c3 = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR ((m.c5 IS NULL AND s.f1 IS NULL) OR TO_VARBYTE(m.c5, 'utf8') = TO_VARBYTE(s.f1, 'utf8'))) AND (m.c6 IS NULL), FALSE) UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s LEFT JOIN (SELECT DISTINCT j0, j1 FROM m) AS d ON d.j0 = TO_VARBYTE(s.k0, 'utf8') AND d.j1 = s.k1 WHERE d.j0 IS NULL;

FETCH FORWARD 65536 FROM tailrace_stream;

CLOSE tailrace_stream;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT TO_VARBYTE(s.k0, 'utf8') AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (TO_VARBYTE(m.c2, 'utf8') = TO_VARBYTE(s.m0, 'utf8')) AND (((m.c3 IS NULL AND s.f0 IS NULL) OR m.c3 = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR ((m.c5 IS NULL AND s.f1 IS NULL) OR TO_VARBYTE(m.c5, 'utf8') = TO_VARBYTE(s.f1, 'utf8'))) AND (m.c6 IS NULL), FALSE) THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m JOIN "values".snapshot_439929f4f66506ff_0 AS s ON TO_VARBYTE(m.c0, 'utf8') = TO_VARBYTE(s.k0, 'utf8') AND CAST(m.c1 AS BIGINT) = s.k1 GROUP BY TO_VARBYTE(s.k0, 'utf8'), s.k1 HAVING count(*) > 1) AS t;

DECLARE tailrace_stream CURSOR FOR SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s;

FETCH FORWARD 65536 FROM tailrace_stream;

CLOSE tailrace_stream;

ROLLBACK;


-- a column is of another type

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN READ ONLY;

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

DECLARE tailrace_stream CURSOR FOR WITH m AS (SELECT TRUE AS here, p.*, TO_VARBYTE(p.c0, 'utf8') AS j0, CAST(p.c1 AS BIGINT) AS j1 FROM (
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
) AS p) SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM m LEFT JOIN "values".snapshot_439929f4f66506ff_0 AS s ON m.j0 = TO_VARBYTE(s.k0, 'utf8') AND m.j1 = s.k1 WHERE NOT COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (TO_VARBYTE(m.c2, 'utf8') = TO_VARBYTE(s.m0, 'utf8')) AND (((m.c3 IS NULL AND s.f0 IS NULL) OR m.c3 = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR ((m.c5 IS NULL AND s.f1 IS NULL) OR TO_VARBYTE(m.c5, 'utf8') = TO_VARBYTE(s.f1, 'utf8'))) AND (m.c6 IS NULL), FALSE) UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s LEFT JOIN (SELECT DISTINCT j0, j1 FROM m) AS d ON d.j0 = TO_VARBYTE(s.k0, 'utf8') AND d.j1 = s.k1 WHERE d.j0 IS NULL;

FETCH FORWARD 65536 FROM tailrace_stream;

CLOSE tailrace_stream;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT TO_VARBYTE(s.k0, 'utf8') AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (TO_VARBYTE(m.c2, 'utf8') = TO_VARBYTE(s.m0, 'utf8')) AND (((m.c3 IS NULL AND s.f0 IS NULL) OR m.c3 = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR ((m.c5 IS NULL AND s.f1 IS NULL) OR TO_VARBYTE(m.c5, 'utf8') = TO_VARBYTE(s.f1, 'utf8'))) AND (m.c6 IS NULL), FALSE) THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m JOIN "values".snapshot_439929f4f66506ff_0 AS s ON TO_VARBYTE(m.c0, 'utf8') = TO_VARBYTE(s.k0, 'utf8') AND CAST(m.c1 AS BIGINT) = s.k1 GROUP BY TO_VARBYTE(s.k0, 'utf8'), s.k1 HAVING count(*) > 1) AS t;

DECLARE tailrace_stream CURSOR FOR SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s;

FETCH FORWARD 65536 FROM tailrace_stream;

CLOSE tailrace_stream;

ROLLBACK;

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

CREATE TABLE "values".snapshot_439929f4f66506ff_1 (k0 VARCHAR(65535), k1 BIGINT, m0 VARCHAR(65535), f0 VARCHAR(65535), f1 VARCHAR(65535), record_id VARCHAR(65535), layout BIGINT NOT NULL, revision BIGINT NOT NULL);

BEGIN;

LOCK TABLE "values".tailrace_snapshots;

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT CAST(%s AS VARCHAR(64)), CAST(%s AS VARCHAR(65535)), 0, '' WHERE NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

DECLARE tailrace_stream CURSOR FOR SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s;

FETCH FORWARD 65536 FROM tailrace_stream;

CLOSE tailrace_stream;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0, CAST(%s AS BIGINT) AS v1 UNION ALL SELECT CAST(%s AS VARCHAR(65535)), CAST(%s AS BIGINT)) AS v WHERE TO_VARBYTE(s.k0, 'utf8') = TO_VARBYTE(v.v0, 'utf8') AND s.k1 = v.v1);

DELETE FROM "values".snapshot_439929f4f66506ff_1 WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0, CAST(%s AS BIGINT) AS v1 UNION ALL SELECT CAST(%s AS VARCHAR(65535)), CAST(%s AS BIGINT)) AS v WHERE TO_VARBYTE(k0, 'utf8') = TO_VARBYTE(v.v0, 'utf8') AND k1 = v.v1);

INSERT INTO "values".snapshot_439929f4f66506ff_1 (k0, k1, m0, f0, f1, record_id, layout, revision) VALUES (%s, CAST(%s AS BIGINT), %s, %s, %s, %s, CAST(%s AS BIGINT), CAST(%s AS BIGINT)), (%s, CAST(%s AS BIGINT), %s, %s, %s, %s, CAST(%s AS BIGINT), CAST(%s AS BIGINT));

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0 UNION ALL SELECT CAST(%s AS VARCHAR(65535))) AS v WHERE TO_VARBYTE(s.m0, 'utf8') = TO_VARBYTE(v.v0, 'utf8'));

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0 UNION ALL SELECT CAST(%s AS VARCHAR(65535))) AS v WHERE TO_VARBYTE(s.m0, 'utf8') = TO_VARBYTE(v.v0, 'utf8'));

SELECT count(*) FROM "values".snapshot_439929f4f66506ff_1;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SELECT tablename FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename LIKE %s;

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_0;


-- rows are looked up

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN READ ONLY;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0, CAST(%s AS BIGINT) AS v1) AS v WHERE TO_VARBYTE(s.k0, 'utf8') = TO_VARBYTE(v.v0, 'utf8') AND s.k1 = v.v1);

ROLLBACK;


-- records are looked up

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN READ ONLY;

SELECT s.record_id FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0 UNION ALL SELECT CAST(%s AS VARCHAR(65535))) AS v WHERE TO_VARBYTE(s.record_id, 'utf8') = TO_VARBYTE(v.v0, 'utf8'));

ROLLBACK;


-- how far it was read

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

BEGIN;

LOCK TABLE "values".tailrace_snapshots;

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT CAST(%s AS VARCHAR(64)), CAST(%s AS VARCHAR(65535)), 0, '' WHERE NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;


-- rows are taken out

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

BEGIN;

LOCK TABLE "values".tailrace_snapshots;

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT CAST(%s AS VARCHAR(64)), CAST(%s AS VARCHAR(65535)), 0, '' WHERE NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

DELETE FROM "values".snapshot_439929f4f66506ff_1 WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0, CAST(%s AS BIGINT) AS v1) AS v WHERE TO_VARBYTE(k0, 'utf8') = TO_VARBYTE(v.v0, 'utf8') AND k1 = v.v1);

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;


-- records and match values of others

BEGIN;

DELETE FROM "values".snapshot_439929f4f66506ff_1 WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0) AS v WHERE TO_VARBYTE(record_id, 'utf8') = TO_VARBYTE(v.v0, 'utf8') AND revision < 7);

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0) AS v WHERE TO_VARBYTE(s.m0, 'utf8') = TO_VARBYTE(v.v0, 'utf8'));

DECLARE tailrace_stream CURSOR FOR SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s JOIN (SELECT TO_VARBYTE(o.m0, 'utf8') AS t0 FROM "values".snapshot_439929f4f66506ff_1 AS o GROUP BY TO_VARBYTE(o.m0, 'utf8') HAVING count(*) > 1) AS d ON TO_VARBYTE(s.m0, 'utf8') = d.t0;

FETCH FORWARD 65536 FROM tailrace_stream;

CLOSE tailrace_stream;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT CAST(%s AS VARCHAR(65535)) AS v0) AS v WHERE LOWER(REGEXP_REPLACE(REPLACE(REPLACE(s.m0, 'K', 'k'), 'İ', 'i'), '[^!-~]', '')) = LOWER(REGEXP_REPLACE(REPLACE(REPLACE(v.v0, 'K', 'k'), 'İ', 'i'), '[^!-~]', '')));

DECLARE tailrace_stream CURSOR FOR SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s JOIN (SELECT LOWER(REGEXP_REPLACE(REPLACE(REPLACE(o.m0, 'K', 'k'), 'İ', 'i'), '[^!-~]', '')) AS t0 FROM "values".snapshot_439929f4f66506ff_1 AS o GROUP BY LOWER(REGEXP_REPLACE(REPLACE(REPLACE(o.m0, 'K', 'k'), 'İ', 'i'), '[^!-~]', '')) HAVING count(*) > 1) AS d ON LOWER(REGEXP_REPLACE(REPLACE(REPLACE(s.m0, 'K', 'k'), 'İ', 'i'), '[^!-~]', '')) = d.t0;

FETCH FORWARD 65536 FROM tailrace_stream;

CLOSE tailrace_stream;

COMMIT;


-- moved there

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_2;

CREATE TABLE "values".snapshot_439929f4f66506ff_2 (k0 VARCHAR(65535), f0 BOOLEAN, f1 BIGINT, f2 DOUBLE PRECISION, f3 DECIMAL(38, 2), f4 VARCHAR(65535), f5 VARCHAR(65535), f6 DATE, f7 TIME, f8 TIMESTAMP, f9 TIMESTAMPTZ, f10 VARCHAR(65535), record_id VARCHAR(65535), layout BIGINT NOT NULL, revision BIGINT NOT NULL);

BEGIN;

LOCK TABLE "values".tailrace_snapshots;

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT CAST(%s AS VARCHAR(64)), CAST(%s AS VARCHAR(65535)), 0, '' WHERE NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

INSERT INTO "values".snapshot_439929f4f66506ff_2 (k0, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, record_id, layout, revision) VALUES (%s, CAST(%s AS VARCHAR(5)) = 'true', CAST(%s AS BIGINT), CAST(%s AS DOUBLE PRECISION), CAST(%s AS DECIMAL(38, 2)), %s, %s, CAST(%s AS DATE), CAST(%s AS TIME), CAST(%s AS TIMESTAMP), CAST(%s AS TIMESTAMPTZ), %s, %s, CAST(%s AS BIGINT), CAST(%s AS BIGINT));

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SELECT tablename FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename LIKE %s;

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_0;


-- moved away

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

BEGIN;

LOCK TABLE "values".tailrace_snapshots;

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT CAST(%s AS VARCHAR(64)), CAST(%s AS VARCHAR(65535)), 0, '' WHERE NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_2;


-- what is known of others

BEGIN READ ONLY;

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT body FROM "values".tailrace_snapshots WHERE sync = %s;

ROLLBACK;


-- forgotten

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

DELETE FROM "values".tailrace_snapshots WHERE digest = %s;

SELECT tablename FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename LIKE %s;

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff;

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_0;


-- what runs did

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

SELECT 1 FROM pg_catalog.pg_namespace WHERE LOWER(nspname) = LOWER(%s);

CREATE SCHEMA IF NOT EXISTS "values";

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

CREATE TABLE IF NOT EXISTS "values".tailrace_runs (run_id VARCHAR(65535), sync VARCHAR(65535), mode VARCHAR(65535), destination VARCHAR(65535), object VARCHAR(65535), status VARCHAR(65535), started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ, inserts BIGINT, updates BIGINT, deletes BIGINT, acknowledged BIGINT, rejected BIGINT, unknown BIGINT, skipped BIGINT, message VARCHAR(65535));

SELECT 1 FROM pg_catalog.pg_tables WHERE LOWER(schemaname) = LOWER(%s) AND tablename = %s;

BEGIN;

DELETE FROM "values".tailrace_runs WHERE run_id = %s;

DELETE FROM "values".tailrace_rows WHERE run_id = %s;

INSERT INTO "values".tailrace_runs (run_id, sync, mode, destination, object, status, started_at, finished_at, inserts, updates, deletes, acknowledged, rejected, unknown, skipped, message) VALUES (%s, %s, %s, %s, %s, %s, CAST(%s AS TIMESTAMPTZ), CAST(%s AS TIMESTAMPTZ), CAST(%s AS BIGINT), CAST(%s AS BIGINT), CAST(%s AS BIGINT), CAST(%s AS BIGINT), CAST(%s AS BIGINT), CAST(%s AS BIGINT), CAST(%s AS BIGINT), %s);

COMMIT;
