"""Takes away what tests leave in a warehouse."""


def drop_schema(desk, name):
    """Drop a schema of ours with all that is in it."""
    if desk.words.name == "sqlite":
        for (table,) in desk.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?", [f"{name}.%"]):
            desk.run(f"DROP TABLE {desk.words.quote(table)}")
        return
    cascade = "" if desk.words.name in {"mysql", "mariadb"} else " CASCADE"
    desk.run(f"DROP SCHEMA IF EXISTS {desk.words.quote(name)}{cascade}")
