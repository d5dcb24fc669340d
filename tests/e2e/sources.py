"""Warehouses of which tests change the tables themselves."""

import contextlib
import json

import duckdb
import snowflake.connector
import sqlalchemy as sa
from google.cloud import bigquery


class Duck:
    """A DuckDB file of the project's own."""

    def __init__(self, workspace):
        self.path = workspace.root / "main.duckdb"
        self.config = '{type: duckdb, path: "main.duckdb"}'

    def run(self, *statements):
        with duckdb.connect(str(self.path)) as connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]


class Postgres:
    """A PostgreSQL database."""

    def __init__(self, url):
        self.engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self.config = f'{{type: postgres, url: "{url}"}}'

    def run(self, *statements):
        with self.engine.connect() as connection:
            results = [connection.exec_driver_sql(statement) for statement in statements]
            return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []


class Red(Postgres):
    """A PostgreSQL database that Redshift's connector is let in to, with a function of Redshift's."""

    def __init__(self, url, port):
        super().__init__(url)
        place = {"host": "127.0.0.1", "port": port, "database": sa.make_url(url).database}
        self.config = json.dumps({"type": "redshift", **place, "user": "postgres", "password": "${env:RED_PASSWORD}"})
        self.run(
            "CREATE FUNCTION to_varbyte(text, text) RETURNS bytea IMMUTABLE LANGUAGE sql AS 'SELECT convert_to($1, $2)'"
        )


class Big:
    """A project of local-bigquery's server."""

    columns = "(id INT64, name STRING, email STRING, spent NUMERIC(12, 2))"
    schema_tables = "SELECT JSON_VALUE(body, '$.table') FROM `tailrace.tailrace_snapshots_*`"

    def __init__(self, server, project, workspace):
        self.project = project
        workspace.write("key.json", server.credentials())
        parts = {"project": project, "dataset": "marts", "credentials_path": "key.json"}
        self.config = json.dumps({"type": "bigquery", **parts})
        self.key = workspace.root / "key.json"
        self.run("CREATE SCHEMA marts")

    def run(self, *statements):
        how = bigquery.QueryJobConfig(default_dataset=f"{self.project}.marts")
        client = bigquery.Client.from_service_account_json(self.key, project=self.project, default_query_job_config=how)
        with contextlib.closing(client):
            return [[tuple(row) for row in client.query(statement).result()] for statement in statements][-1]


class Snow:
    """A database of fakesnow's server, which speaks Snowflake's protocol."""

    def __init__(self, server, database):
        self.server, self.database = server, database
        entries = {**server.entry(database), "password": "${env:SNOWFLAKE_PASSWORD}"}
        self.config = json.dumps(entries)

    def run(self, *statements):
        entry = {key: value for key, value in self.server.entry(self.database).items() if key != "type"}
        entry |= {"password": "x", "enable_server_session_keep_alive_auto_detection": False}
        with snowflake.connector.connect(**entry) as connection, connection.cursor() as cursor:
            return [cursor.execute(statement).fetchall() for statement in statements][-1]
