-- a first run

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

ROLLBACK;

BEGIN;

ROLLBACK;

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

ROLLBACK;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT 1 FROM information_schema.schemata WHERE schema_name = %s;

CREATE SCHEMA IF NOT EXISTS "values";

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

CREATE TABLE IF NOT EXISTS "values".tailrace_snapshots (digest VARCHAR NOT NULL, sync VARCHAR NOT NULL, revision NUMBER(38, 0) NOT NULL, body VARCHAR NOT NULL) AS SELECT '', '', 0, '';

CREATE TABLE "values".snapshot_439929f4f66506ff_0 (k0 VARCHAR, k1 NUMBER(38, 0), m0 VARCHAR, f0 FLOAT, f1 VARCHAR, record_id VARCHAR, layout NUMBER(38, 0) NOT NULL, revision NUMBER(38, 0) NOT NULL);

BEGIN;

UPDATE "values".tailrace_snapshots SET revision = revision + 1 WHERE digest = '';

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, '' FROM "values".tailrace_snapshots AS l WHERE l.digest = '' AND NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

INSERT INTO "values".snapshot_439929f4f66506ff_0 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT j.value[0]::VARCHAR AS v0, TO_NUMBER(j.value[1]::VARCHAR, 38, 0) AS v1, j.value[2]::VARCHAR AS v2, TO_DOUBLE(j.value[3]::VARCHAR) AS v3, j.value[4]::VARCHAR AS v4, j.value[5]::VARCHAR AS v5, TO_NUMBER(j.value[6]::VARCHAR, 38, 0) AS v6, TO_NUMBER(j.value[7]::VARCHAR, 38, 0) AS v7 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v;

SELECT count(*) FROM "values".snapshot_439929f4f66506ff_0;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE UPPER(%s);


-- nothing has changed

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN;

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

SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m FULL JOIN "values".snapshot_439929f4f66506ff_0 AS s ON COLLATE(m.c0, '') = COLLATE(s.k0, '') AND m.c1 = s.k1 WHERE NOT COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (COLLATE(m.c2, '') = COLLATE(s.m0, '')) AND (EQUAL_NULL(m.c3, s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR EQUAL_NULL(COLLATE(m.c5, ''), COLLATE(s.f1, ''))) AND (m.c6 IS NULL), FALSE);

ROLLBACK;


-- a key comes twice, and then all is fetched

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN;

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

SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m FULL JOIN "values".snapshot_439929f4f66506ff_0 AS s ON COLLATE(m.c0, '') = COLLATE(s.k0, '') AND m.c1 = s.k1 WHERE NOT COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (COLLATE(m.c2, '') = COLLATE(s.m0, '')) AND (EQUAL_NULL(m.c3, s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR EQUAL_NULL(COLLATE(m.c5, ''), COLLATE(s.f1, ''))) AND (m.c6 IS NULL), FALSE);

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT s.k0 AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (COLLATE(m.c2, '') = COLLATE(s.m0, '')) AND (EQUAL_NULL(m.c3, s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR EQUAL_NULL(COLLATE(m.c5, ''), COLLATE(s.f1, ''))) AND (m.c6 IS NULL), FALSE) THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m JOIN "values".snapshot_439929f4f66506ff_0 AS s ON COLLATE(m.c0, '') = COLLATE(s.k0, '') AND m.c1 = s.k1 GROUP BY s.k0, s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s;

ROLLBACK;


-- a column is of another type

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN;

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

SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m FULL JOIN "values".snapshot_439929f4f66506ff_0 AS s ON COLLATE(m.c0, '') = COLLATE(s.k0, '') AND m.c1 = s.k1 WHERE NOT COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (COLLATE(m.c2, '') = COLLATE(s.m0, '')) AND (EQUAL_NULL(m.c3, s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR EQUAL_NULL(COLLATE(m.c5, ''), COLLATE(s.f1, ''))) AND (m.c6 IS NULL), FALSE);

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT s.k0 AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN COALESCE((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (COLLATE(m.c2, '') = COLLATE(s.m0, '')) AND (EQUAL_NULL(m.c3, s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR EQUAL_NULL(COLLATE(m.c5, ''), COLLATE(s.f1, ''))) AND (m.c6 IS NULL), FALSE) THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m JOIN "values".snapshot_439929f4f66506ff_0 AS s ON COLLATE(m.c0, '') = COLLATE(s.k0, '') AND m.c1 = s.k1 GROUP BY s.k0, s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s;

ROLLBACK;

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

CREATE TABLE "values".snapshot_439929f4f66506ff_1 (k0 VARCHAR, k1 NUMBER(38, 0), m0 VARCHAR, f0 VARCHAR, f1 VARCHAR, record_id VARCHAR, layout NUMBER(38, 0) NOT NULL, revision NUMBER(38, 0) NOT NULL);

BEGIN;

UPDATE "values".tailrace_snapshots SET revision = revision + 1 WHERE digest = '';

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, '' FROM "values".tailrace_snapshots AS l WHERE l.digest = '' AND NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_0 AS s;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.value[0]::VARCHAR AS v0, TO_NUMBER(j.value[1]::VARCHAR, 38, 0) AS v1 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE s.k0 = v.v0 AND s.k1 = v.v1);

DELETE FROM "values".snapshot_439929f4f66506ff_1 USING (SELECT j.value[0]::VARCHAR AS v0, TO_NUMBER(j.value[1]::VARCHAR, 38, 0) AS v1 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE k0 = v.v0 AND k1 = v.v1;

INSERT INTO "values".snapshot_439929f4f66506ff_1 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT j.value[0]::VARCHAR AS v0, TO_NUMBER(j.value[1]::VARCHAR, 38, 0) AS v1, j.value[2]::VARCHAR AS v2, j.value[3]::VARCHAR AS v3, j.value[4]::VARCHAR AS v4, j.value[5]::VARCHAR AS v5, TO_NUMBER(j.value[6]::VARCHAR, 38, 0) AS v6, TO_NUMBER(j.value[7]::VARCHAR, 38, 0) AS v7 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.value[0]::VARCHAR AS v0 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE s.m0 = v.v0);

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.value[0]::VARCHAR AS v0 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE s.m0 = v.v0);

SELECT count(*) FROM "values".snapshot_439929f4f66506ff_1;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE UPPER(%s);

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_0;


-- rows are looked up

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.value[0]::VARCHAR AS v0, TO_NUMBER(j.value[1]::VARCHAR, 38, 0) AS v1 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE s.k0 = v.v0 AND s.k1 = v.v1);

ROLLBACK;


-- records are looked up

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

BEGIN;

SELECT s.record_id FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.value[0]::VARCHAR AS v0 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE s.record_id = v.v0);

ROLLBACK;


-- how far it was read

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

BEGIN;

UPDATE "values".tailrace_snapshots SET revision = revision + 1 WHERE digest = '';

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, '' FROM "values".tailrace_snapshots AS l WHERE l.digest = '' AND NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;


-- rows are taken out

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

BEGIN;

UPDATE "values".tailrace_snapshots SET revision = revision + 1 WHERE digest = '';

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, '' FROM "values".tailrace_snapshots AS l WHERE l.digest = '' AND NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

DELETE FROM "values".snapshot_439929f4f66506ff_1 USING (SELECT j.value[0]::VARCHAR AS v0, TO_NUMBER(j.value[1]::VARCHAR, 38, 0) AS v1 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE k0 = v.v0 AND k1 = v.v1;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;


-- records and match values of others

BEGIN;

DELETE FROM "values".snapshot_439929f4f66506ff_1 USING (SELECT j.value[0]::VARCHAR AS v0 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE record_id = v.v0 AND revision < 7;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.value[0]::VARCHAR AS v0 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE s.m0 = v.v0);

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s JOIN (SELECT o.m0 AS t0 FROM "values".snapshot_439929f4f66506ff_1 AS o GROUP BY o.m0 HAVING count(*) > 1) AS d ON s.m0 = d.t0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.value[0]::VARCHAR AS v0 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v WHERE LOWER(REGEXP_REPLACE(TRANSLATE(s.m0, CHR(8490) || CHR(304), 'ki'), '[^!-~]', '')) = LOWER(REGEXP_REPLACE(TRANSLATE(v.v0, CHR(8490) || CHR(304), 'ki'), '[^!-~]', '')));

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM "values".snapshot_439929f4f66506ff_1 AS s JOIN (SELECT LOWER(REGEXP_REPLACE(TRANSLATE(o.m0, CHR(8490) || CHR(304), 'ki'), '[^!-~]', '')) AS t0 FROM "values".snapshot_439929f4f66506ff_1 AS o GROUP BY LOWER(REGEXP_REPLACE(TRANSLATE(o.m0, CHR(8490) || CHR(304), 'ki'), '[^!-~]', '')) HAVING count(*) > 1) AS d ON LOWER(REGEXP_REPLACE(TRANSLATE(s.m0, CHR(8490) || CHR(304), 'ki'), '[^!-~]', '')) = d.t0;

COMMIT;


-- moved there

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_2;

CREATE TABLE "values".snapshot_439929f4f66506ff_2 (k0 VARCHAR, f0 BOOLEAN, f1 NUMBER(38, 0), f2 FLOAT, f3 NUMBER(38, 2), f4 VARCHAR, f5 BINARY, f6 DATE, f7 TIME(6), f8 TIMESTAMP_NTZ(6), f9 TIMESTAMP_TZ(6), f10 VARCHAR, record_id VARCHAR, layout NUMBER(38, 0) NOT NULL, revision NUMBER(38, 0) NOT NULL);

BEGIN;

UPDATE "values".tailrace_snapshots SET revision = revision + 1 WHERE digest = '';

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, '' FROM "values".tailrace_snapshots AS l WHERE l.digest = '' AND NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

INSERT INTO "values".snapshot_439929f4f66506ff_2 (k0, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14 FROM (SELECT j.value[0]::VARCHAR AS v0, TO_BOOLEAN(j.value[1]::VARCHAR) AS v1, TO_NUMBER(j.value[2]::VARCHAR, 38, 0) AS v2, TO_DOUBLE(j.value[3]::VARCHAR) AS v3, TO_NUMBER(j.value[4]::VARCHAR, 38, 2) AS v4, j.value[5]::VARCHAR AS v5, TO_BINARY(j.value[6]::VARCHAR, 'HEX') AS v6, TO_DATE(j.value[7]::VARCHAR) AS v7, TO_TIME(j.value[8]::VARCHAR) AS v8, TO_TIMESTAMP_NTZ(j.value[9]::VARCHAR) AS v9, j.value[10]::VARCHAR::TIMESTAMP_TZ AS v10, j.value[11]::VARCHAR AS v11, j.value[12]::VARCHAR AS v12, TO_NUMBER(j.value[13]::VARCHAR, 38, 0) AS v13, TO_NUMBER(j.value[14]::VARCHAR, 38, 0) AS v14 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE UPPER(%s);

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_0;


-- moved away

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

BEGIN;

UPDATE "values".tailrace_snapshots SET revision = revision + 1 WHERE digest = '';

INSERT INTO "values".tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, '' FROM "values".tailrace_snapshots AS l WHERE l.digest = '' AND NOT EXISTS (SELECT 1 FROM "values".tailrace_snapshots AS o WHERE o.digest = %s);

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT revision, body FROM "values".tailrace_snapshots WHERE digest = %s;

UPDATE "values".tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_2;


-- what is known of others

BEGIN;

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT body FROM "values".tailrace_snapshots WHERE sync = %s;

ROLLBACK;


-- forgotten

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

DELETE FROM "values".tailrace_snapshots WHERE digest = %s;

SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE UPPER(%s);

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff;

DROP TABLE IF EXISTS "values".snapshot_439929f4f66506ff_0;


-- what runs did

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

SELECT 1 FROM information_schema.schemata WHERE schema_name = %s;

CREATE SCHEMA IF NOT EXISTS "values";

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

CREATE TABLE IF NOT EXISTS "values".tailrace_runs (run_id VARCHAR, sync VARCHAR, mode VARCHAR, destination VARCHAR, object VARCHAR, status VARCHAR, started_at TIMESTAMP_TZ(6), finished_at TIMESTAMP_TZ(6), inserts NUMBER(38, 0), updates NUMBER(38, 0), deletes NUMBER(38, 0), acknowledged NUMBER(38, 0), rejected NUMBER(38, 0), unknown NUMBER(38, 0), skipped NUMBER(38, 0), message VARCHAR);

SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = UPPER(%s);

BEGIN;

DELETE FROM "values".tailrace_runs WHERE run_id = %s;

DELETE FROM "values".tailrace_rows WHERE run_id = %s;

INSERT INTO "values".tailrace_runs (run_id, sync, mode, destination, object, status, started_at, finished_at, inserts, updates, deletes, acknowledged, rejected, unknown, skipped, message) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14, v.v15 FROM (SELECT j.value[0]::VARCHAR AS v0, j.value[1]::VARCHAR AS v1, j.value[2]::VARCHAR AS v2, j.value[3]::VARCHAR AS v3, j.value[4]::VARCHAR AS v4, j.value[5]::VARCHAR AS v5, j.value[6]::VARCHAR::TIMESTAMP_TZ AS v6, j.value[7]::VARCHAR::TIMESTAMP_TZ AS v7, TO_NUMBER(j.value[8]::VARCHAR, 38, 0) AS v8, TO_NUMBER(j.value[9]::VARCHAR, 38, 0) AS v9, TO_NUMBER(j.value[10]::VARCHAR, 38, 0) AS v10, TO_NUMBER(j.value[11]::VARCHAR, 38, 0) AS v11, TO_NUMBER(j.value[12]::VARCHAR, 38, 0) AS v12, TO_NUMBER(j.value[13]::VARCHAR, 38, 0) AS v13, TO_NUMBER(j.value[14]::VARCHAR, 38, 0) AS v14, j.value[15]::VARCHAR AS v15 FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) AS j) AS v;

COMMIT;
