"""Keys of digests, and a database from before there were any."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import tailrace.state
from tailrace.state import StateDB

URL = "sqlite:///state.db"


def test_a_key_is_made_once(tmp_path):
    """The same name gives the same key, also to the next process; another name another key."""
    with StateDB.open(URL, tmp_path) as state:
        key = state.key("snapshot")
        assert len(key) == 32
        assert state.key("other") != key
    with StateDB.open(URL, tmp_path) as again:
        assert again.key("snapshot") == key


def test_a_database_of_the_first_revision_is_migrated(tmp_path):
    """What was in it is still there, and keys can be kept."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(tailrace.state.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0001")
        account = "insert into accounts values ('crm', 'https://x', '00D1', 'Acme', null, null, 5.0)"
        connection.execute(sa.text(account))
    engine.dispose()
    with StateDB.open(URL, tmp_path) as state:
        assert state.account("crm", "https://x").account_id == "00D1"
        assert state.key("snapshot")
