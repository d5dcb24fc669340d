"""Values go in and come back as they were, or are refused by themselves."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace_destinations.sql.codec import UnfitError, codec
from tailrace_destinations.sql.ids import MatchIds

COLUMNS = (
    "id INTEGER PRIMARY KEY, flag BOOLEAN, n BIGINT, f DOUBLE PRECISION, d NUMERIC, s TEXT,"
    " day DATE, at TIME, ts TIMESTAMP, tz {moment}, j {json}, raw {binary}"
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ROWS = st.fixed_dictionaries(
    {
        "flag": st.none() | st.booleans(),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False),
        "d": st.none() | st.decimals(-(10**11), 10**11, places=4),
        "s": st.none() | TEXT,
        "day": st.none() | st.dates(),
        "at": st.none() | st.times(),
        "ts": st.none() | st.datetimes(),
        "tz": st.none() | st.datetimes(timezones=st.just(UTC)),
        "j": st.none() | st.lists(JSON, max_size=3) | st.dictionaries(TEXT, JSON, max_size=3),
        "raw": st.none() | st.binary(max_size=20),
    }
)


@pytest.fixture
def wide(database):
    """A table with a column of every kind."""
    kinds = {
        "sqlite": {"json": "JSON", "binary": "BLOB", "moment": "TIMESTAMP"},
        "postgresql": {"json": "JSONB", "binary": "BYTEA", "moment": "TIMESTAMPTZ"},
    }[database.dialect]
    database.run(f"CREATE TABLE people ({COLUMNS.format(**kinds)})")
    return database.open()


def test_everything_comes_back(wide, batch):
    """Whatever canonical values are written into columns of their kind, find returns them unchanged."""

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.lists(ROWS, min_size=1, max_size=5))
    def check(rows):
        wide.push(batch("upsert", *(((n,), values) for n, values in enumerate(rows))))
        found = wide.find("people", ["id"], [(n,) for n in range(len(rows))], list(rows[0]))
        assert {record.match[0]: record.values for record in found} == dict(enumerate(rows))

    check()


def test_sqlite_refuses_what_numeric_would_round(sqlite):
    """A decimal of more digits than SQLite keeps is refused, the row beside it is written, and TEXT keeps it."""
    sqlite.run("CREATE TABLE people (id INTEGER PRIMARY KEY, amount NUMERIC(38, 9), exact TEXT)")
    long = Decimal("12345678901234567890.123456789")
    outcomes = sqlite.push("upsert", ((1,), {"amount": long}), ((2,), {"amount": Decimal("0.1")}))
    assert [outcome.code for outcome in outcomes] == ["VALUE_DOES_NOT_FIT", None]
    assert "TEXT" in outcomes[0].message
    sqlite.push("upsert", ((1,), {"exact": long}))
    assert sqlite.run("SELECT id, exact FROM people ORDER BY id") == [(1, str(long)), (2, None)]


def test_sqlite_refuses_nan(sqlite):
    """SQLite would turn NaN into NULL, so it is refused."""
    sqlite.run("CREATE TABLE people (id INTEGER PRIMARY KEY, f REAL)")
    assert sqlite.push("upsert", ((1,), {"f": float("nan")}))[0].code == "VALUE_DOES_NOT_FIT"


def test_postgres_keeps_long_decimals(postgres):
    """PostgreSQL's NUMERIC keeps every digit, also in a table the adapter made."""
    long = Decimal("12345678901234567890.1234567890123456789")
    postgres.push("upsert", ((1,), {"amount": long}), create_table=True)
    assert postgres.run("SELECT amount FROM people") == [(long,)]


def test_postgres_special_types(postgres, batch):
    """UUIDs, enumerations, arrays and addresses take text or lists, and come back as such."""
    key = "8c5f4f0e-3f52-4d0e-9d3e-6a8f6f3b2a11"
    postgres.run(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE TABLE people (id UUID PRIMARY KEY, mood mood, tags TEXT[], ip INET)",
    )
    destination = postgres.open()
    values = {"mood": "good", "tags": ["a", "b"], "ip": "10.0.0.1"}
    made = destination.push(batch("upsert", ((key,), values)))
    assert made[0].record_id == key
    found = list(destination.find("people", ["id"], [(key,)], list(values)))
    assert [(record.id, record.match, record.values) for record in found] == [(key, (key,), values)]
    assert destination.describe("people").fields["mood"].options == ("good", "bad")


def test_moments_are_utc_whatever_the_session(postgres, batch):
    """A naive moment in a column with a zone is UTC, and a zoned one in a column without is UTC's wall clock."""
    name = postgres.engine.url.database
    postgres.run(
        f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'",
        "CREATE TABLE people (id INTEGER PRIMARY KEY, tz TIMESTAMPTZ, ts TIMESTAMP)",
    )
    destination = postgres.open()
    naive, zoned = datetime(2026, 1, 2, 3), datetime(2026, 1, 2, 3, tzinfo=UTC)  # noqa: DTZ001  # naive on purpose
    destination.push(batch("upsert", ((1,), {"tz": naive, "ts": zoned})))
    assert next(iter(destination.find("people", ["id"], [(1,)], ["tz", "ts"]))).values == {"tz": zoned, "ts": naive}


def test_text_columns_take_other_kinds_as_text(database):
    """Numbers, moments and lists become exact text in a text column."""
    database.run("CREATE TABLE people (id TEXT PRIMARY KEY, s TEXT)")
    values = [True, 7, Decimal("1.50"), date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), ["ä", 1]]
    database.push("upsert", *(((str(n),), {"s": value}) for n, value in enumerate(values)))
    expected = ["true", "7", "1.50", "2026-01-02", "2026-01-02T00:00:00+00:00", '["ä",1]']
    assert [row[0] for row in database.run("SELECT s FROM people ORDER BY id")] == expected


@pytest.mark.parametrize("value", ["abc", 1.5, Decimal("2.5"), date(2026, 1, 1), [1]])
def test_misfits_are_refused_one_by_one(database, value):
    """A value that an integer column cannot hold is its own row's fault only."""
    database.run("CREATE TABLE people (id INTEGER PRIMARY KEY, n INTEGER)")
    outcomes = database.push("upsert", ((1,), {"n": value}), ((2,), {"n": 2}))
    assert [outcome.status for outcome in outcomes] == ["rejected", "acknowledged"]


def test_a_value_no_column_can_hold_is_not_found(database, batch):
    """Looking for a text in an integer column finds nothing, and the numbers asked for beside it are found."""
    database.run("CREATE TABLE people (id INTEGER PRIMARY KEY, n INTEGER)")
    destination = database.open()
    destination.push(batch("upsert", ((5,), {"n": 1})))
    found = list(destination.find("people", ["id"], [("abc",), ("5",), (None,)], ["n"]))
    assert [(record.id, record.match) for record in found] == [("5", ("5",))]


def test_a_match_of_null_is_refused(database):
    """A row without a match value names no record."""
    database.run("CREATE TABLE people (id INTEGER PRIMARY KEY, n INTEGER)")
    assert [o.status for o in database.push("upsert", ((None,), {"n": 1}), ((1,), {"n": 1}))] == [
        "rejected",
        "acknowledged",
    ]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("String", "a"),
        ("BigInteger", -5),
        ("Numeric", Decimal("1.50")),
        ("Date", date(2026, 1, 2)),
        ("Time", time(1, 2)),
        ("DateTime", datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("LargeBinary", b"\x00\x01"),
        ("Boolean", True),
    ],
)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_record_ids_can_be_read_back(dialect, declared, value):
    """The text that makes a record's id names the same match value when it is read."""
    import sqlalchemy as sa  # noqa: PLC0415

    ids = MatchIds((codec(getattr(sa, declared)(), dialect),))
    encoded = ids.encode((value,))
    assert ids.parse(ids.id(encoded)) == encoded


def test_a_foreign_record_id_is_refused():
    """An id that is no list of the match's length is not taken for one."""
    import sqlalchemy as sa  # noqa: PLC0415

    ids = MatchIds((codec(sa.Text(), "sqlite"), codec(sa.Text(), "sqlite")))
    for text in ("abc", '["a"]', "{}"):
        with pytest.raises(UnfitError):
            ids.parse(text)
