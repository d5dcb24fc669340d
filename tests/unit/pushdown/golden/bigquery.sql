-- a first run

CREATE SCHEMA IF NOT EXISTS `values`;

CREATE TABLE IF NOT EXISTS `values`.tailrace_snapshots_c9022680_439929f4f66506ff (digest STRING NOT NULL, sync STRING NOT NULL, revision INT64 NOT NULL, body STRING NOT NULL) AS SELECT ? AS digest, ? AS sync, 0 AS revision, '' AS body;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

CREATE TABLE `values`.snapshot_439929f4f66506ff_0 (k0 STRING, k1 INT64, m0 STRING, f0 FLOAT64, f1 STRING, record_id STRING, layout INT64 NOT NULL, revision INT64 NOT NULL);

INSERT INTO `values`.snapshot_439929f4f66506ff_0 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS INT64) AS v1, j.t2 AS v2, CAST(j.t3 AS FLOAT64) AS v3, j.t4 AS v4, j.t5 AS v5, CAST(j.t6 AS INT64) AS v6, CAST(j.t7 AS INT64) AS v7 FROM UNNEST(?) AS j) AS v;

SELECT count(*) FROM `values`.snapshot_439929f4f66506ff_0;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(JSON_VALUE(IF(body = '', '{}', body), '$.table'), '') = ?;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- nothing has changed

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

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
) AS p) AS m FULL JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BYTES) = CAST(s.k0 AS BYTES) AND m.c1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BYTES) = CAST(s.m0 AS BYTES)) AND (m.c3 IS NOT DISTINCT FROM s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BYTES) IS NOT DISTINCT FROM CAST(s.f1 AS BYTES)) AND (m.c6 IS NULL)) IS NOT TRUE;


-- a key comes twice, and then all is fetched

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

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
) AS p) AS m FULL JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BYTES) = CAST(s.k0 AS BYTES) AND m.c1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BYTES) = CAST(s.m0 AS BYTES)) AND (m.c3 IS NOT DISTINCT FROM s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BYTES) IS NOT DISTINCT FROM CAST(s.f1 AS BYTES)) AND (m.c6 IS NULL)) IS NOT TRUE;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT CAST(s.k0 AS BYTES) AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BYTES) = CAST(s.m0 AS BYTES)) AND (m.c3 IS NOT DISTINCT FROM s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BYTES) IS NOT DISTINCT FROM CAST(s.f1 AS BYTES)) AND (m.c6 IS NULL)) IS TRUE THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BYTES) = CAST(s.k0 AS BYTES) AND m.c1 = s.k1 GROUP BY CAST(s.k0 AS BYTES), s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;


-- a column is of another type

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

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
) AS p) AS m FULL JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BYTES) = CAST(s.k0 AS BYTES) AND m.c1 = s.k1 WHERE ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BYTES) = CAST(s.m0 AS BYTES)) AND (m.c3 IS NOT DISTINCT FROM s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BYTES) IS NOT DISTINCT FROM CAST(s.f1 AS BYTES)) AND (m.c6 IS NULL)) IS NOT TRUE;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT CAST(s.k0 AS BYTES) AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN ((m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND (CAST(m.c2 AS BYTES) = CAST(s.m0 AS BYTES)) AND (m.c3 IS NOT DISTINCT FROM s.f0) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR CAST(m.c5 AS BYTES) IS NOT DISTINCT FROM CAST(s.f1 AS BYTES)) AND (m.c6 IS NULL)) IS TRUE THEN 1 ELSE 0 END) AS hits FROM (SELECT TRUE AS here, p.* FROM (
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
) AS p) AS m JOIN `values`.snapshot_439929f4f66506ff_0 AS s ON CAST(m.c0 AS BYTES) = CAST(s.k0 AS BYTES) AND m.c1 = s.k1 GROUP BY CAST(s.k0 AS BYTES), s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

CREATE TABLE `values`.snapshot_439929f4f66506ff_1 (k0 STRING, k1 INT64, m0 STRING, f0 STRING, f1 STRING, record_id STRING, layout INT64 NOT NULL, revision INT64 NOT NULL);

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_0 AS s;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BYTES) AS d0, v.v1 AS d1 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS INT64) AS v1 FROM UNNEST(?) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.k0 AS BYTES) = d.d0 AND s.k1 = d.d1;

DELETE FROM `values`.snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS INT64) AS v1 FROM UNNEST(?) AS j) AS v WHERE CAST(s.k0 AS BYTES) = CAST(v.v0 AS BYTES) AND s.k1 = v.v1);

INSERT INTO `values`.snapshot_439929f4f66506ff_1 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS INT64) AS v1, j.t2 AS v2, j.t3 AS v3, j.t4 AS v4, j.t5 AS v5, CAST(j.t6 AS INT64) AS v6, CAST(j.t7 AS INT64) AS v7 FROM UNNEST(?) AS j) AS v;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BYTES) AS d0 FROM (SELECT j.t0 AS v0 FROM UNNEST(?) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.m0 AS BYTES) = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BYTES) AS d0 FROM (SELECT j.t0 AS v0 FROM UNNEST(?) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.m0 AS BYTES) = d.d0;

SELECT count(*) FROM `values`.snapshot_439929f4f66506ff_1;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(JSON_VALUE(IF(body = '', '{}', body), '$.table'), '') = ?;

ALTER TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0 SET OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY));

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- rows are looked up

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BYTES) AS d0, v.v1 AS d1 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS INT64) AS v1 FROM UNNEST(?) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.k0 AS BYTES) = d.d0 AND s.k1 = d.d1;


-- records are looked up

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT s.record_id FROM (SELECT DISTINCT CAST(v.v0 AS BYTES) AS d0 FROM (SELECT j.t0 AS v0 FROM UNNEST(?) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.record_id AS BYTES) = d.d0;


-- how far it was read

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(JSON_VALUE(IF(body = '', '{}', body), '$.table'), '') = ?;


-- rows are taken out

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

CREATE TABLE `values`.snapshot_439929f4f66506ff_2 CLONE `values`.snapshot_439929f4f66506ff_1;

DELETE FROM `values`.snapshot_439929f4f66506ff_2 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS INT64) AS v1 FROM UNNEST(?) AS j) AS v WHERE CAST(s.k0 AS BYTES) = CAST(v.v0 AS BYTES) AND s.k1 = v.v1);

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(JSON_VALUE(IF(body = '', '{}', body), '$.table'), '') = ?;

ALTER TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_1 SET OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY));

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- records and match values of others

DELETE FROM `values`.snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0 FROM UNNEST(?) AS j) AS v WHERE CAST(s.record_id AS BYTES) = CAST(v.v0 AS BYTES) AND s.revision < 7);

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT CAST(v.v0 AS BYTES) AS d0 FROM (SELECT j.t0 AS v0 FROM UNNEST(?) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON CAST(s.m0 AS BYTES) = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT CAST(o.m0 AS BYTES) AS t0 FROM `values`.snapshot_439929f4f66506ff_1 AS o GROUP BY CAST(o.m0 AS BYTES) HAVING count(*) > 1) AS d ON CAST(s.m0 AS BYTES) = d.t0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT DISTINCT LOWER(REGEXP_REPLACE(TRANSLATE(v.v0, 'Kİ', 'ki'), r'[^!-~]', '')) AS d0 FROM (SELECT j.t0 AS v0 FROM UNNEST(?) AS j) AS v) AS d JOIN `values`.snapshot_439929f4f66506ff_1 AS s ON LOWER(REGEXP_REPLACE(TRANSLATE(s.m0, 'Kİ', 'ki'), r'[^!-~]', '')) = d.d0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM `values`.snapshot_439929f4f66506ff_1 AS s JOIN (SELECT LOWER(REGEXP_REPLACE(TRANSLATE(o.m0, 'Kİ', 'ki'), r'[^!-~]', '')) AS t0 FROM `values`.snapshot_439929f4f66506ff_1 AS o GROUP BY LOWER(REGEXP_REPLACE(TRANSLATE(o.m0, 'Kİ', 'ki'), r'[^!-~]', '')) HAVING count(*) > 1) AS d ON LOWER(REGEXP_REPLACE(TRANSLATE(s.m0, 'Kİ', 'ki'), r'[^!-~]', '')) = d.t0;


-- moved there

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_3;

CREATE TABLE `values`.snapshot_439929f4f66506ff_3 (k0 STRING, f0 BOOL, f1 INT64, f2 FLOAT64, f3 BIGNUMERIC(38, 2), f4 STRING, f5 BYTES, f6 DATE, f7 TIME, f8 DATETIME, f9 TIMESTAMP, f10 STRING, record_id STRING, layout INT64 NOT NULL, revision INT64 NOT NULL);

INSERT INTO `values`.snapshot_439929f4f66506ff_3 (k0, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14 FROM (SELECT j.t0 AS v0, (j.t1 = 'true') AS v1, CAST(j.t2 AS INT64) AS v2, CAST(j.t3 AS FLOAT64) AS v3, CAST(j.t4 AS BIGNUMERIC) AS v4, j.t5 AS v5, FROM_HEX(j.t6) AS v6, CAST(j.t7 AS DATE) AS v7, CAST(j.t8 AS TIME) AS v8, CAST(j.t9 AS DATETIME) AS v9, CAST(j.t10 AS TIMESTAMP) AS v10, j.t11 AS v11, j.t12 AS v12, CAST(j.t13 AS INT64) AS v13, CAST(j.t14 AS INT64) AS v14 FROM UNNEST(?) AS j) AS v;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(JSON_VALUE(IF(body = '', '{}', body), '$.table'), '') = ?;

ALTER TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_2 SET OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY));

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- moved away

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

SELECT revision, body FROM `values`.tailrace_snapshots_c9022680_439929f4f66506ff WHERE digest = ?;

UPDATE `values`.tailrace_snapshots_c9022680_439929f4f66506ff SET revision = ?, body = ? WHERE digest = ? AND revision = ? AND COALESCE(JSON_VALUE(IF(body = '', '{}', body), '$.table'), '') = ?;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_3;


-- what is known of others


-- forgotten

DROP TABLE IF EXISTS `values`.tailrace_snapshots_c9022680_439929f4f66506ff;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff;

DROP TABLE IF EXISTS `values`.snapshot_439929f4f66506ff_0ld;


-- what runs did

CREATE SCHEMA IF NOT EXISTS `values`;

CREATE TABLE IF NOT EXISTS `values`.tailrace_runs (run_id STRING, sync STRING, mode STRING, destination STRING, object STRING, status STRING, started_at TIMESTAMP, finished_at TIMESTAMP, inserts INT64, updates INT64, deletes INT64, acknowledged INT64, rejected INT64, unknown INT64, skipped INT64, message STRING);

DELETE FROM `values`.tailrace_runs WHERE run_id = ?;

DELETE FROM `values`.tailrace_rows WHERE run_id = ?;

INSERT INTO `values`.tailrace_runs (run_id, sync, mode, destination, object, status, started_at, finished_at, inserts, updates, deletes, acknowledged, rejected, unknown, skipped, message) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14, v.v15 FROM (SELECT j.t0 AS v0, j.t1 AS v1, j.t2 AS v2, j.t3 AS v3, j.t4 AS v4, j.t5 AS v5, CAST(j.t6 AS TIMESTAMP) AS v6, CAST(j.t7 AS TIMESTAMP) AS v7, CAST(j.t8 AS INT64) AS v8, CAST(j.t9 AS INT64) AS v9, CAST(j.t10 AS INT64) AS v10, CAST(j.t11 AS INT64) AS v11, CAST(j.t12 AS INT64) AS v12, CAST(j.t13 AS INT64) AS v13, CAST(j.t14 AS INT64) AS v14, j.t15 AS v15 FROM UNNEST(?) AS j) AS v;
