-- a first run

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

EXEC sp_getapplock @Resource = N'tailrace', @LockMode = N'Exclusive', @LockOwner = N'Session';

SELECT 1 FROM sys.schemas WHERE name = %s;

CREATE SCHEMA [values];

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

CREATE TABLE [values].tailrace_snapshots (digest NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL PRIMARY KEY, sync NVARCHAR(MAX) COLLATE Latin1_General_BIN2 NOT NULL, revision BIGINT NOT NULL, body NVARCHAR(MAX) COLLATE Latin1_General_BIN2 NOT NULL);

CREATE TABLE [values].snapshot_439929f4f66506ff_0 (k0 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, k1 BIGINT, m0 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, f0 FLOAT(53), f1 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, record_id NVARCHAR(MAX) COLLATE Latin1_General_BIN2, layout BIGINT NOT NULL, revision BIGINT NOT NULL);

BEGIN TRANSACTION;

INSERT INTO [values].tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, N'' WHERE NOT EXISTS (SELECT 1 FROM [values].tailrace_snapshots AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE o.digest = %s);

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

INSERT INTO [values].snapshot_439929f4f66506ff_0 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS BIGINT) AS v1, j.t2 AS v2, CAST(j.t3 AS FLOAT(53)) AS v3, j.t4 AS v4, j.t5 AS v5, CAST(j.t6 AS BIGINT) AS v6, CAST(j.t7 AS BIGINT) AS v7 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]', t1 NVARCHAR(MAX) '$[1]', t2 NVARCHAR(MAX) '$[2]', t3 NVARCHAR(MAX) '$[3]', t4 NVARCHAR(MAX) '$[4]', t5 NVARCHAR(MAX) '$[5]', t6 NVARCHAR(MAX) '$[6]', t7 NVARCHAR(MAX) '$[7]') AS j) AS v;

SELECT count(*) FROM [values].snapshot_439929f4f66506ff_0;

UPDATE [values].tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT t.name FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name LIKE %s;


-- nothing has changed

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT d.system_type_name, d.error_message FROM sys.dm_exec_describe_first_result_set(CAST(%s AS NVARCHAR(MAX)), NULL, 0) AS d ORDER BY d.column_ordinal;

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

SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT CAST(1 AS BIT) AS here, p.* FROM (
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
) AS p) AS m FULL JOIN [values].snapshot_439929f4f66506ff_0 AS s ON (CAST(m.c0 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.k0 COLLATE Latin1_General_BIN2 + N'.') AND CAST(m.c1 AS BIGINT) = s.k1 WHERE CASE WHEN (m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND ((CAST(m.c2 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.m0 COLLATE Latin1_General_BIN2 + N'.')) AND (((CAST(m.c3 AS FLOAT(53)) IS NULL AND s.f0 IS NULL) OR CAST(m.c3 AS FLOAT(53)) = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR (((CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') IS NULL AND (s.f1 COLLATE Latin1_General_BIN2 + N'.') IS NULL) OR (CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.f1 COLLATE Latin1_General_BIN2 + N'.'))) AND (m.c6 IS NULL) THEN 1 ELSE 0 END = 0;

ROLLBACK;


-- a key comes twice, and then all is fetched

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT d.system_type_name, d.error_message FROM sys.dm_exec_describe_first_result_set(CAST(%s AS NVARCHAR(MAX)), NULL, 0) AS d ORDER BY d.column_ordinal;

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

SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT CAST(1 AS BIT) AS here, p.* FROM (
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
) AS p) AS m FULL JOIN [values].snapshot_439929f4f66506ff_0 AS s ON (CAST(m.c0 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.k0 COLLATE Latin1_General_BIN2 + N'.') AND CAST(m.c1 AS BIGINT) = s.k1 WHERE CASE WHEN (m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND ((CAST(m.c2 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.m0 COLLATE Latin1_General_BIN2 + N'.')) AND (((CAST(m.c3 AS FLOAT(53)) IS NULL AND s.f0 IS NULL) OR CAST(m.c3 AS FLOAT(53)) = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR (((CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') IS NULL AND (s.f1 COLLATE Latin1_General_BIN2 + N'.') IS NULL) OR (CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.f1 COLLATE Latin1_General_BIN2 + N'.'))) AND (m.c6 IS NULL) THEN 1 ELSE 0 END = 0;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT (s.k0 COLLATE Latin1_General_BIN2 + N'.') AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN CASE WHEN (m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND ((CAST(m.c2 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.m0 COLLATE Latin1_General_BIN2 + N'.')) AND (((CAST(m.c3 AS FLOAT(53)) IS NULL AND s.f0 IS NULL) OR CAST(m.c3 AS FLOAT(53)) = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR (((CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') IS NULL AND (s.f1 COLLATE Latin1_General_BIN2 + N'.') IS NULL) OR (CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.f1 COLLATE Latin1_General_BIN2 + N'.'))) AND (m.c6 IS NULL) THEN 1 ELSE 0 END = 1 THEN 1 ELSE 0 END) AS hits FROM (SELECT CAST(1 AS BIT) AS here, p.* FROM (
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
) AS p) AS m JOIN [values].snapshot_439929f4f66506ff_0 AS s ON (CAST(m.c0 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.k0 COLLATE Latin1_General_BIN2 + N'.') AND CAST(m.c1 AS BIGINT) = s.k1 GROUP BY (s.k0 COLLATE Latin1_General_BIN2 + N'.'), s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_0 AS s;

ROLLBACK;


-- a column is of another type

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT d.system_type_name, d.error_message FROM sys.dm_exec_describe_first_result_set(CAST(%s AS NVARCHAR(MAX)), NULL, 0) AS d ORDER BY d.column_ordinal;

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

SELECT m.c0, m.c1, m.c2, m.c3, m.c4, m.c5, m.c6, m.here, s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM (SELECT CAST(1 AS BIT) AS here, p.* FROM (
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
) AS p) AS m FULL JOIN [values].snapshot_439929f4f66506ff_0 AS s ON (CAST(m.c0 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.k0 COLLATE Latin1_General_BIN2 + N'.') AND CAST(m.c1 AS BIGINT) = s.k1 WHERE CASE WHEN (m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND ((CAST(m.c2 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.m0 COLLATE Latin1_General_BIN2 + N'.')) AND (((CAST(m.c3 AS FLOAT(53)) IS NULL AND s.f0 IS NULL) OR CAST(m.c3 AS FLOAT(53)) = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR (((CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') IS NULL AND (s.f1 COLLATE Latin1_General_BIN2 + N'.') IS NULL) OR (CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.f1 COLLATE Latin1_General_BIN2 + N'.'))) AND (m.c6 IS NULL) THEN 1 ELSE 0 END = 0;

SELECT count(*), coalesce(sum(n), 0), coalesce(sum(hits), 0) FROM (SELECT (s.k0 COLLATE Latin1_General_BIN2 + N'.') AS d0, s.k1 AS d1, count(*) AS n, sum(CASE WHEN CASE WHEN (m.here IS NOT NULL) AND (s.layout IS NOT NULL) AND ((CAST(m.c2 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.m0 COLLATE Latin1_General_BIN2 + N'.')) AND (((CAST(m.c3 AS FLOAT(53)) IS NULL AND s.f0 IS NULL) OR CAST(m.c3 AS FLOAT(53)) = s.f0)) AND (m.c4 IS NULL) AND (m.c5 IS NULL OR (((CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') IS NULL AND (s.f1 COLLATE Latin1_General_BIN2 + N'.') IS NULL) OR (CAST(m.c5 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.f1 COLLATE Latin1_General_BIN2 + N'.'))) AND (m.c6 IS NULL) THEN 1 ELSE 0 END = 1 THEN 1 ELSE 0 END) AS hits FROM (SELECT CAST(1 AS BIT) AS here, p.* FROM (
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
) AS p) AS m JOIN [values].snapshot_439929f4f66506ff_0 AS s ON (CAST(m.c0 AS NVARCHAR(MAX)) COLLATE Latin1_General_BIN2 + N'.') = (s.k0 COLLATE Latin1_General_BIN2 + N'.') AND CAST(m.c1 AS BIGINT) = s.k1 GROUP BY (s.k0 COLLATE Latin1_General_BIN2 + N'.'), s.k1 HAVING count(*) > 1) AS t;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_0 AS s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

CREATE TABLE [values].snapshot_439929f4f66506ff_1 (k0 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, k1 BIGINT, m0 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, f0 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, f1 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, record_id NVARCHAR(MAX) COLLATE Latin1_General_BIN2, layout BIGINT NOT NULL, revision BIGINT NOT NULL);

BEGIN TRANSACTION;

INSERT INTO [values].tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, N'' WHERE NOT EXISTS (SELECT 1 FROM [values].tailrace_snapshots AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE o.digest = %s);

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_0 AS s;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS BIGINT) AS v1 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]', t1 NVARCHAR(MAX) '$[1]') AS j) AS v WHERE (s.k0 COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.') AND s.k1 = v.v1);

DELETE s FROM [values].snapshot_439929f4f66506ff_1 AS s JOIN (SELECT j.t0 AS v0, CAST(j.t1 AS BIGINT) AS v1 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]', t1 NVARCHAR(MAX) '$[1]') AS j) AS v ON (s.k0 COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.') AND s.k1 = v.v1;

INSERT INTO [values].snapshot_439929f4f66506ff_1 (k0, k1, m0, f0, f1, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS BIGINT) AS v1, j.t2 AS v2, j.t3 AS v3, j.t4 AS v4, j.t5 AS v5, CAST(j.t6 AS BIGINT) AS v6, CAST(j.t7 AS BIGINT) AS v7 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]', t1 NVARCHAR(MAX) '$[1]', t2 NVARCHAR(MAX) '$[2]', t3 NVARCHAR(MAX) '$[3]', t4 NVARCHAR(MAX) '$[4]', t5 NVARCHAR(MAX) '$[5]', t6 NVARCHAR(MAX) '$[6]', t7 NVARCHAR(MAX) '$[7]') AS j) AS v;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]') AS j) AS v WHERE (s.m0 COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.'));

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]') AS j) AS v WHERE (s.m0 COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.'));

SELECT count(*) FROM [values].snapshot_439929f4f66506ff_1;

UPDATE [values].tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT t.name FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name LIKE %s;

DROP TABLE IF EXISTS [values].snapshot_439929f4f66506ff_0;


-- rows are looked up

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0, CAST(j.t1 AS BIGINT) AS v1 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]', t1 NVARCHAR(MAX) '$[1]') AS j) AS v WHERE (s.k0 COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.') AND s.k1 = v.v1);

ROLLBACK;


-- records are looked up

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT s.record_id FROM [values].snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]') AS j) AS v WHERE (s.record_id COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.'));

ROLLBACK;


-- how far it was read

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

BEGIN TRANSACTION;

INSERT INTO [values].tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, N'' WHERE NOT EXISTS (SELECT 1 FROM [values].tailrace_snapshots AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE o.digest = %s);

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

UPDATE [values].tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;


-- rows are taken out

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

BEGIN TRANSACTION;

INSERT INTO [values].tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, N'' WHERE NOT EXISTS (SELECT 1 FROM [values].tailrace_snapshots AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE o.digest = %s);

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

DELETE s FROM [values].snapshot_439929f4f66506ff_1 AS s JOIN (SELECT j.t0 AS v0, CAST(j.t1 AS BIGINT) AS v1 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]', t1 NVARCHAR(MAX) '$[1]') AS j) AS v ON (s.k0 COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.') AND s.k1 = v.v1;

UPDATE [values].tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;


-- records and match values of others

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

DELETE s FROM [values].snapshot_439929f4f66506ff_1 AS s JOIN (SELECT j.t0 AS v0 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]') AS j) AS v ON (s.record_id COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.') AND s.revision < 7;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]') AS j) AS v WHERE (s.m0 COLLATE Latin1_General_BIN2 + N'.') = (v.v0 COLLATE Latin1_General_BIN2 + N'.'));

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_1 AS s JOIN (SELECT (o.m0 COLLATE Latin1_General_BIN2 + N'.') AS t0 FROM [values].snapshot_439929f4f66506ff_1 AS o GROUP BY (o.m0 COLLATE Latin1_General_BIN2 + N'.') HAVING count(*) > 1) AS d ON (s.m0 COLLATE Latin1_General_BIN2 + N'.') = d.t0;

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_1 AS s WHERE EXISTS (SELECT 1 FROM (SELECT j.t0 AS v0 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]') AS j) AS v WHERE (CASE WHEN REPLACE(REPLACE(TRANSLATE(s.m0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k') LIKE NCHAR(37) + N'[^!-~]' + NCHAR(37) THEN N'' ELSE LOWER(REPLACE(REPLACE(TRANSLATE(s.m0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k')) END) = (CASE WHEN REPLACE(REPLACE(TRANSLATE(v.v0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k') LIKE NCHAR(37) + N'[^!-~]' + NCHAR(37) THEN N'' ELSE LOWER(REPLACE(REPLACE(TRANSLATE(v.v0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k')) END));

SELECT s.k0, s.k1, s.m0, s.f0, s.f1, s.record_id, s.layout FROM [values].snapshot_439929f4f66506ff_1 AS s JOIN (SELECT (CASE WHEN REPLACE(REPLACE(TRANSLATE(o.m0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k') LIKE NCHAR(37) + N'[^!-~]' + NCHAR(37) THEN N'' ELSE LOWER(REPLACE(REPLACE(TRANSLATE(o.m0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k')) END) AS t0 FROM [values].snapshot_439929f4f66506ff_1 AS o GROUP BY (CASE WHEN REPLACE(REPLACE(TRANSLATE(o.m0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k') LIKE NCHAR(37) + N'[^!-~]' + NCHAR(37) THEN N'' ELSE LOWER(REPLACE(REPLACE(TRANSLATE(o.m0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k')) END) HAVING count(*) > 1) AS d ON (CASE WHEN REPLACE(REPLACE(TRANSLATE(s.m0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k') LIKE NCHAR(37) + N'[^!-~]' + NCHAR(37) THEN N'' ELSE LOWER(REPLACE(REPLACE(TRANSLATE(s.m0 COLLATE Latin1_General_BIN2, CAST(0x200009000a000b000c000d008500a0008016282029202f205f20003000200120022003200420052006200720082009200a20 AS NVARCHAR(25)), N'!!!!!!!!!!!!!!!!!!!!!!!!!'), N'!', N''), NCHAR(8490), N'k')) END) = d.t0;

COMMIT;


-- moved there

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

DROP TABLE IF EXISTS [values].snapshot_439929f4f66506ff_2;

CREATE TABLE [values].snapshot_439929f4f66506ff_2 (k0 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, f0 BIT, f1 BIGINT, f2 FLOAT(53), f3 DECIMAL(38, 2), f4 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, f5 VARBINARY(MAX), f6 DATE, f7 TIME(6), f8 DATETIME2(6), f9 DATETIME2(6), f10 NVARCHAR(MAX) COLLATE Latin1_General_BIN2, record_id NVARCHAR(MAX) COLLATE Latin1_General_BIN2, layout BIGINT NOT NULL, revision BIGINT NOT NULL);

BEGIN TRANSACTION;

INSERT INTO [values].tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, N'' WHERE NOT EXISTS (SELECT 1 FROM [values].tailrace_snapshots AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE o.digest = %s);

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

INSERT INTO [values].snapshot_439929f4f66506ff_2 (k0, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, record_id, layout, revision) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14 FROM (SELECT j.t0 AS v0, CAST(CASE j.t1 WHEN N'true' THEN 1 WHEN N'false' THEN 0 END AS BIT) AS v1, CAST(j.t2 AS BIGINT) AS v2, CAST(j.t3 AS FLOAT(53)) AS v3, CAST(j.t4 AS DECIMAL(38, 2)) AS v4, j.t5 AS v5, CONVERT(VARBINARY(MAX), j.t6, 2) AS v6, CONVERT(DATE, j.t7, 23) AS v7, CAST(j.t8 AS TIME(6)) AS v8, CONVERT(DATETIME2(6), LEFT(j.t9, 26), 126) AS v9, CONVERT(DATETIME2(6), LEFT(j.t10, 26), 126) AS v10, j.t11 AS v11, j.t12 AS v12, CAST(j.t13 AS BIGINT) AS v13, CAST(j.t14 AS BIGINT) AS v14 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]', t1 NVARCHAR(MAX) '$[1]', t2 NVARCHAR(MAX) '$[2]', t3 NVARCHAR(MAX) '$[3]', t4 NVARCHAR(MAX) '$[4]', t5 NVARCHAR(MAX) '$[5]', t6 NVARCHAR(MAX) '$[6]', t7 NVARCHAR(MAX) '$[7]', t8 NVARCHAR(MAX) '$[8]', t9 NVARCHAR(MAX) '$[9]', t10 NVARCHAR(MAX) '$[10]', t11 NVARCHAR(MAX) '$[11]', t12 NVARCHAR(MAX) '$[12]', t13 NVARCHAR(MAX) '$[13]', t14 NVARCHAR(MAX) '$[14]') AS j) AS v;

UPDATE [values].tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT t.name FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name LIKE %s;

DROP TABLE IF EXISTS [values].snapshot_439929f4f66506ff_0;


-- moved away

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

ROLLBACK;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

BEGIN TRANSACTION;

INSERT INTO [values].tailrace_snapshots (digest, sync, revision, body) SELECT %s, %s, 0, N'' WHERE NOT EXISTS (SELECT 1 FROM [values].tailrace_snapshots AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE o.digest = %s);

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT revision, body FROM [values].tailrace_snapshots WHERE digest = %s;

UPDATE [values].tailrace_snapshots SET revision = %s, body = %s WHERE digest = %s AND revision = %s;

COMMIT;

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

DROP TABLE IF EXISTS [values].snapshot_439929f4f66506ff_2;


-- what is known of others

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

BEGIN TRANSACTION;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

SELECT body FROM [values].tailrace_snapshots WHERE sync = %s;

ROLLBACK;


-- forgotten

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

DELETE FROM [values].tailrace_snapshots WHERE digest = %s;

SELECT t.name FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name LIKE %s;

DROP TABLE IF EXISTS [values].snapshot_439929f4f66506ff;

DROP TABLE IF EXISTS [values].snapshot_439929f4f66506ff_0;


-- what runs did

SET XACT_ABORT ON; SET NOCOUNT OFF; SET LOCK_TIMEOUT 600000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

EXEC sp_getapplock @Resource = N'tailrace', @LockMode = N'Exclusive', @LockOwner = N'Session';

SELECT 1 FROM sys.schemas WHERE name = %s;

CREATE SCHEMA [values];

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

CREATE TABLE [values].tailrace_runs (run_id NVARCHAR(MAX) COLLATE Latin1_General_BIN2, sync NVARCHAR(MAX) COLLATE Latin1_General_BIN2, mode NVARCHAR(MAX) COLLATE Latin1_General_BIN2, destination NVARCHAR(MAX) COLLATE Latin1_General_BIN2, object NVARCHAR(MAX) COLLATE Latin1_General_BIN2, status NVARCHAR(MAX) COLLATE Latin1_General_BIN2, started_at DATETIME2(6), finished_at DATETIME2(6), inserts BIGINT, updates BIGINT, deletes BIGINT, acknowledged BIGINT, rejected BIGINT, unknown BIGINT, skipped BIGINT, message NVARCHAR(MAX) COLLATE Latin1_General_BIN2);

SELECT 1 FROM sys.tables AS t JOIN sys.schemas AS c ON c.schema_id = t.schema_id WHERE c.name = %s AND t.name = %s;

BEGIN TRANSACTION;

DELETE FROM [values].tailrace_runs WHERE run_id = %s;

DELETE FROM [values].tailrace_rows WHERE run_id = %s;

INSERT INTO [values].tailrace_runs (run_id, sync, mode, destination, object, status, started_at, finished_at, inserts, updates, deletes, acknowledged, rejected, unknown, skipped, message) SELECT v.v0, v.v1, v.v2, v.v3, v.v4, v.v5, v.v6, v.v7, v.v8, v.v9, v.v10, v.v11, v.v12, v.v13, v.v14, v.v15 FROM (SELECT j.t0 AS v0, j.t1 AS v1, j.t2 AS v2, j.t3 AS v3, j.t4 AS v4, j.t5 AS v5, CONVERT(DATETIME2(6), LEFT(j.t6, 26), 126) AS v6, CONVERT(DATETIME2(6), LEFT(j.t7, 26), 126) AS v7, CAST(j.t8 AS BIGINT) AS v8, CAST(j.t9 AS BIGINT) AS v9, CAST(j.t10 AS BIGINT) AS v10, CAST(j.t11 AS BIGINT) AS v11, CAST(j.t12 AS BIGINT) AS v12, CAST(j.t13 AS BIGINT) AS v13, CAST(j.t14 AS BIGINT) AS v14, j.t15 AS v15 FROM OPENJSON(CAST(%s AS NVARCHAR(MAX))) WITH (t0 NVARCHAR(MAX) '$[0]', t1 NVARCHAR(MAX) '$[1]', t2 NVARCHAR(MAX) '$[2]', t3 NVARCHAR(MAX) '$[3]', t4 NVARCHAR(MAX) '$[4]', t5 NVARCHAR(MAX) '$[5]', t6 NVARCHAR(MAX) '$[6]', t7 NVARCHAR(MAX) '$[7]', t8 NVARCHAR(MAX) '$[8]', t9 NVARCHAR(MAX) '$[9]', t10 NVARCHAR(MAX) '$[10]', t11 NVARCHAR(MAX) '$[11]', t12 NVARCHAR(MAX) '$[12]', t13 NVARCHAR(MAX) '$[13]', t14 NVARCHAR(MAX) '$[14]', t15 NVARCHAR(MAX) '$[15]') AS j) AS v;

COMMIT;
