"""Databricks' statements on Apache Spark: as they are, but for those that change rows, for which it has no Delta here.

Tables are of Parquet files there. A clone is a copy, and what MERGE, UPDATE and DELETE would leave is written anew.
"""

import re

import pyarrow as pa
from databricks.sql.exc import ServerOperationError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from tests.unit.pushdown.delta import Session

_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
}
_MERGE = re.compile(r"MERGE INTO (\S+) AS s USING (.*) AS v ON (.*) WHEN MATCHED THEN DELETE", re.DOTALL)
_UPDATE = re.compile(r"UPDATE (\S+) SET revision = \?, body = \? WHERE (.*)", re.DOTALL)
_DELETE = re.compile(r"DELETE FROM (\S+) WHERE (.*)", re.DOTALL)


class Spark(Session):
    """A catalogue in a folder."""

    def __init__(self, folder):
        super().__init__()
        building = SparkSession.builder.master("local[1]").config("spark.sql.warehouse.dir", str(folder))
        for name, value in _SETTINGS.items():
            building = building.config(name, value)
        self._spark = building.getOrCreate()

    def has_schema(self, name):
        """Whether there is a schema of the name."""
        return self._spark.catalog.databaseExists(name)

    def has_table(self, schema, name):
        """Whether the schema has a table of the name."""
        return self._spark.catalog.tableExists(f"`{schema}`.`{name}`")

    def asked(self, sql, parameters):
        """The result of a statement about rows."""
        try:
            return self._asked(sql, parameters)
        except PySparkException as error:
            raise ServerOperationError(str(error)) from error

    def _asked(self, sql, parameters):
        if found := _MERGE.fullmatch(sql):
            table, given, equal = found.groups()
            kept = f"SELECT s.* FROM {table} AS s LEFT ANTI JOIN {given} AS v ON {equal}"
            return self._affected(self._rewritten(table, self._sql(kept, parameters).toArrow()))
        if found := _DELETE.fullmatch(sql):
            table, gone = found.groups()
            kept = f"SELECT * FROM {table} WHERE ({gone}) IS NOT TRUE"
            return self._affected(self._rewritten(table, self._sql(kept, parameters).toArrow()))
        if found := _UPDATE.fullmatch(sql):
            return self._affected(self._updated(*found.groups(), parameters))
        if sql.startswith("INSERT INTO"):
            table = sql.split()[2]
            before = self._count(table)
            self._sql(sql, parameters)
            return self._affected(self._count(table) - before)
        return self._sql(_on_parquet(sql), parameters).toArrow()

    def _updated(self, table, where, parameters):
        number = self._count(f"{table} WHERE {where}", parameters[2:])
        if number:
            rows = self._sql(f"SELECT * FROM {table}").toArrow()
            for at, value in ((2, pa.array([parameters[0]], pa.int64())), (3, pa.array([parameters[1]]))):
                rows = rows.set_column(at, rows.schema[at].name, value)
            self._rewritten(table, rows)
        return number

    def _rewritten(self, table, rows):
        """Have a table hold these rows alone; gives how many it has lost."""
        before = self._count(table)
        self._spark.createDataFrame(rows, self._spark.table(table).schema).write.insertInto(table, overwrite=True)
        return before - rows.num_rows

    def _count(self, table, parameters=()):
        return self._sql(f"SELECT count(*) FROM {table}", parameters).collect()[0][0]

    def _sql(self, sql, parameters=()):
        return self._spark.sql(sql, args=list(parameters)) if parameters else self._spark.sql(sql)

    @staticmethod
    def _affected(number):
        return pa.table({"num_affected_rows": [number]})

    def close(self):
        """End Spark's own process."""
        self._spark.stop()


def _on_parquet(sql):
    if not sql.startswith("CREATE TABLE"):
        return sql
    sql = re.sub(r" DEEP CLONE (\S+)", r" USING PARQUET AS SELECT * FROM \1", sql).replace(
        "USING DELTA", "USING PARQUET"
    )
    return sql if "PARQUET" in sql else f"{sql} USING PARQUET"
