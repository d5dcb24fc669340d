-- a first run

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT CURRENT_CATALOG();

DESCRIBE SCHEMA `values`;

CREATE SCHEMA IF NOT EXISTS `values`;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

CREATE TABLE IF NOT EXISTS `values`.tailrace_snapshots_c9022680_439929f4f66506ff USING DELTA AS SELECT '439929f4f66506ff' AS digest, 'people' AS sync, CAST(0 AS BIGINT) AS revision, '' AS body;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

CREATE TABLE `values`.snapshot_439929f4f66506ff_0 (k0 STRING, k1 BIGINT, m0 STRING, f0 DOUBLE, f1 STRING, record_id STRING, layout BIGINT NOT NULL, revision BIGINT NOT NULL);

INSERT INTO `values`.snapshot_439929f4f66506ff_0 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT j.r[0] AS v0, CAST(j.r[1] AS BIGINT) AS v1, j.r[2] AS v2, CAST(j.r[3] AS DOUBLE) AS v3, j.r[4] AS v4, j.r[5] AS v5, CAST(j.r[6] AS BIGINT) AS v6, CAST(j.r[7] AS BIGINT) AS v7 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v;

SELECT count(*) FROM `values`.snapshot_439929f4f66506ff_0;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(GET_JSON_OBJECT(body, '$.table'), '') = ?;

SELECT table_name, last_altered FROM information_schema.tables WHERE table_schema = ? AND STARTSWITH(table_name, ?);

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- nothing has changed

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DESCRIBE QUERY SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model;

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
) AS p) AS m FULL JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BINARY) = CAST(s.k0 AS BINARY) AND m.c1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BINARY) = CAST(s.m0 AS BINARY)) AND (CAST(m.c3 AS DOUBLE) <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BINARY) <=> CAST(s.f1 AS BINARY)) AND (m.c6 IS NULL)) IS NOT TRUE;


-- a key comes twice, and then all is fetched

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DESCRIBE QUERY SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model;

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
) AS p) AS m FULL JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BINARY) = CAST(s.k0 AS BINARY) AND m.c1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BINARY) = CAST(s.m0 AS BINARY)) AND (CAST(m.c3 AS DOUBLE) <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BINARY) <=> CAST(s.f1 AS BINARY)) AND (m.c6 IS NULL)) IS NOT TRUE;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT CAST(s.k0 AS BINARY) AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BINARY) = CAST(s.m0 AS BINARY)) AND (CAST(m.c3 AS DOUBLE) <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BINARY) <=> CAST(s.f1 AS BINARY)) AND (m.c6 IS NULL)) IS TRUE THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BINARY) = CAST(s.k0 AS BINARY) AND m.c1 = s.k1 GROUP BY CAST(s.k0 AS BINARY), s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;


-- a column is of another type

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DESCRIBE QUERY SELECT
  model.id AS c0,
  model.no AS c1,
  model.mail AS c2,
  model.age AS c3,
  model.born AS c4,
  model.name AS c5,
  model.pay AS c6
FROM (
SELECT id, no, mail, age, born, name, pay FROM people -- theirs
) AS model;

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
) AS p) AS m FULL JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BINARY) = CAST(s.k0 AS BINARY) AND m.c1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BINARY) = CAST(s.m0 AS BINARY)) AND (CAST(m.c3 AS DOUBLE) <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BINARY) <=> CAST(s.f1 AS BINARY)) AND (m.c6 IS NULL)) IS NOT TRUE;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT CAST(s.k0 AS BINARY) AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BINARY) = CAST(s.m0 AS BINARY)) AND (CAST(m.c3 AS DOUBLE) <=> s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BINARY) <=> CAST(s.f1 AS BINARY)) AND (m.c6 IS NULL)) IS TRUE THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BINARY) = CAST(s.k0 AS BINARY) AND m.c1 = s.k1 GROUP BY CAST(s.k0 AS BINARY), s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

CREATE TABLE `values`.snapshot_439929f4f66506ff_1 (k0 STRING, k1 BIGINT, m0 STRING, f0 STRING, f1 STRING, record_id STRING, layout BIGINT NOT NULL, revision BIGINT NOT NULL);

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BINARY) AS d0, v.v1 AS d1 FROM (SELECT j.r[0] AS v0, CAST(j.r[1] AS BIGINT) AS v1 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.k0 AS BINARY) = d.d0 AND s.k1 = d.d1;

MERGE INTO `values`.snapshot_439929f4f66506ff_1 AS s USING (SELECT j.r[0] AS v0, CAST(j.r[1] AS BIGINT) AS v1 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v ON CAST(s.k0 AS BINARY) = CAST(v.v0 AS BINARY) AND s.k1 = v.v1 WHEN MATCHED THEN DELETE;

INSERT INTO `values`.snapshot_439929f4f66506ff_1 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT j.r[0] AS v0, CAST(j.r[1] AS BIGINT) AS v1, j.r[2] AS v2, j.r[3] AS v3, j.r[4] AS v4, j.r[5] AS v5, CAST(j.r[6] AS BIGINT) AS v6, CAST(j.r[7] AS BIGINT) AS v7 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BINARY) AS d0 FROM (SELECT j.r[0] AS v0 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.m0 AS BINARY) = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BINARY) AS d0 FROM (SELECT j.r[0] AS v0 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.m0 AS BINARY) = d.d0;

SELECT count(*) FROM `values`.snapshot_439929f4f66506ff_1;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(GET_JSON_OBJECT(body, '$.table'), '') = ?;

COMMENT ON TABLE `values`.snapshot_439929f4f66506ff_0 IS 'Replaced by a later one; Tailrace drops it after a day.';

SELECT table_name, last_altered FROM information_schema.tables WHERE table_schema = ? AND STARTSWITH(table_name, ?);

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- rows are looked up

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BINARY) AS d0, v.v1 AS d1 FROM (SELECT j.r[0] AS v0, CAST(j.r[1] AS BIGINT) AS v1 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.k0 AS BINARY) = d.d0 AND s.k1 = d.d1;


-- records are looked up

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT s.record_id FROM (SELECT DISTINCT CAST(v.v0 AS BINARY) AS d0 FROM (SELECT j.r[0] AS v0 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.record_id AS BINARY) = d.d0;


-- how far it was read

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(GET_JSON_OBJECT(body, '$.table'), '') = ?;


-- rows are taken out

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

CREATE TABLE `values`.snapshot_439929f4f66506ff_2 DEEP CLONE `values`.snapshot_439929f4f66506ff_1;

MERGE INTO `values`.snapshot_439929f4f66506ff_2 AS s USING (SELECT j.r[0] AS v0, CAST(j.r[1] AS BIGINT) AS v1 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v ON CAST(s.k0 AS BINARY) = CAST(v.v0 AS BINARY) AND s.k1 = v.v1 WHEN MATCHED THEN DELETE;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(GET_JSON_OBJECT(body, '$.table'), '') = ?;

COMMENT ON TABLE `values`.snapshot_439929f4f66506ff_1 IS 'Replaced by a later one; Tailrace drops it after a day.';

SELECT table_name, last_altered FROM information_schema.tables WHERE table_schema = ? AND STARTSWITH(table_name, ?);

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- records and match values of others

MERGE INTO `values`.snapshot_439929f4f66506ff_1 AS s USING (SELECT j.r[0] AS v0 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v ON CAST(s.record_id AS BINARY) = CAST(v.v0 AS BINARY) AND s.revision < 7 WHEN MATCHED THEN DELETE;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BINARY) AS d0 FROM (SELECT j.r[0] AS v0 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.m0 AS BINARY) = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT CAST(o.m0 AS BINARY) AS t0 FROM `values`.snapshot_439929f4f66506ff_1 AS o GROUP BY CAST(o.m0 AS BINARY) HAVING count(*) > 1) AS d ON CAST(s.m0 AS BINARY) = d.t0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT LOWER(REGEXP_REPLACE(TRANSLATE(v.v0, 'Kİ', 'ki'), '[^!-~]', '')) AS d0 FROM (SELECT j.r[0] AS v0 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON LOWER(REGEXP_REPLACE(TRANSLATE(s.m0, 'Kİ', 'ki'), '[^!-~]', '')) = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT LOWER(REGEXP_REPLACE(TRANSLATE(o.m0, 'Kİ', 'ki'), '[^!-~]', '')) AS t0 FROM `values`.snapshot_439929f4f66506ff_1 AS o GROUP BY LOWER(REGEXP_REPLACE(TRANSLATE(o.m0, 'Kİ', 'ki'), '[^!-~]', '')) HAVING count(*) > 1) AS d ON LOWER(REGEXP_REPLACE(TRANSLATE(s.m0, 'Kİ', 'ki'), '[^!-~]', '')) = d.t0;


-- moved there

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_3;

CREATE TABLE `values`.snapshot_439929f4f66506ff_3 (k0 STRING, f0 BOOLEAN, f1 BIGINT, f2 DOUBLE, f3 DECIMAL(38, 2), f4 STRING, f5 BINARY, f6 DATE, f7 STRING, f8 TIMESTAMP_NTZ, f9 TIMESTAMP, f10 STRING, record_id STRING, layout BIGINT NOT NULL, revision BIGINT NOT NULL);

INSERT INTO `values`.snapshot_439929f4f66506ff_3 (k0, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14 FROM (SELECT j.r[0] AS v0, CAST(j.r[1] AS BOOLEAN) AS v1, CAST(j.r[2] AS BIGINT) AS v2, CAST(j.r[3] AS DOUBLE) AS v3, CAST(j.r[4] AS DECIMAL(38, 2)) AS v4, j.r[5] AS v5, UNHEX(j.r[6]) AS v6, CAST(j.r[7] AS DATE) AS v7, j.r[8] AS v8, CAST(j.r[9] AS TIMESTAMP_NTZ) AS v9, CAST(j.r[10] AS TIMESTAMP) AS v10, j.r[11] AS v11, j.r[12] AS v12, CAST(j.r[13] AS BIGINT) AS v13, CAST(j.r[14] AS BIGINT) AS v14 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(GET_JSON_OBJECT(body, '$.table'), '') = ?;

COMMENT ON TABLE `values`.snapshot_439929f4f66506ff_2 IS 'Replaced by a later one; Tailrace drops it after a day.';

SELECT table_name, last_altered FROM information_schema.tables WHERE table_schema = ? AND STARTSWITH(table_name, ?);

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- moved away

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(GET_JSON_OBJECT(body, '$.table'), '') = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_3;


-- what is known of others

SELECT table_name, last_altered FROM information_schema.tables WHERE table_schema = ? AND STARTSWITH(table_name, ?);

SELECT body FROM `values`.snapshot_439929f4f66506ff_0ld;


-- forgotten

DESCRIBE TABLE `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DROP TABLE IF EXISTS `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

SELECT table_name, last_altered FROM information_schema.tables WHERE table_schema = ? AND STARTSWITH(table_name, ?);

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- what runs did

DESCRIBE TABLE `values`.tailrace_runs;

SELECT CURRENT_CATALOG();

DESCRIBE SCHEMA `values`;

CREATE SCHEMA IF NOT EXISTS `values`;

DESCRIBE TABLE `values`.tailrace_runs;

CREATE TABLE IF NOT EXISTS `values`.tailrace_runs (run_id STRING, sync STRING, mode STRING, destination STRING, object STRING, status STRING, started_at TIMESTAMP, finished_at TIMESTAMP, inserts BIGINT, updates BIGINT, deletes BIGINT, acknowledged BIGINT, rejected BIGINT, unknown BIGINT, skipped BIGINT, message STRING);

DESCRIBE TABLE `values`.tailrace_rows;

DELETE FROM `values`.tailrace_runs WHERE run_id = ?;

DELETE FROM `values`.tailrace_rows WHERE run_id = ?;

INSERT INTO `values`.tailrace_runs (run_id, sync, mode, destination, object, status, started_at, finished_at, inserts, updates, deletes, acknowledged, rejected, unknown, skipped, message) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14, v.v15 FROM (SELECT j.r[0] AS v0, j.r[1] AS v1, j.r[2] AS v2, j.r[3] AS v3, j.r[4] AS v4, j.r[5] AS v5, CAST(j.r[6] AS TIMESTAMP) AS v6, CAST(j.r[7] AS TIMESTAMP) AS v7, CAST(j.r[8] AS BIGINT) AS v8, CAST(j.r[9] AS BIGINT) AS v9, CAST(j.r[10] AS BIGINT) AS v10, CAST(j.r[11] AS BIGINT) AS v11, CAST(j.r[12] AS BIGINT) AS v12, CAST(j.r[13] AS BIGINT) AS v13, CAST(j.r[14] AS BIGINT) AS v14, j.r[15] AS v15 FROM (SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r) AS j) AS v;
