"""Bundles and content hashes."""

import datetime as dt
import hashlib
import io
import random
import zipfile
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.errors import SnapshotError
from tailrace.rowset import Rows
from tailrace.snapshot.bundle import read_bundle, write_bundle
from tailrace.snapshot.content import content_hash

FRAME = pl.DataFrame(
    {
        "seq": [0, 1],
        "op": ["insert", "update"],
        "k:id": ["a", "b\n|~"],
        "n:amount": [Decimal("1.50"), None],
        "n:at": [dt.datetime(2026, 1, 2, tzinfo=dt.UTC), None],
        "n:f": [0.1, float("nan")],
        "n:t": [dt.time(1, 2), None],
        "n:b": [b"\0", b""],
        "c:f": [True, False],
        "unknown": [["x"], []],
    },
    schema_overrides={"n:amount": pl.Decimal(38, 2), "n:at": pl.Datetime("us", "UTC")},
)


@pytest.fixture
def work(tmp_path):
    """A folder for rows on their way."""
    place = tmp_path / "work"
    place.mkdir()
    return place


ROWS_OF_FRAME = Rows.of_frame(FRAME)


def test_a_bundle_reads_back(tmp_path, work):
    """Header and rows come back as they were, types included, in a file of the user's own."""
    path = tmp_path / "plan.tailrace"
    write_bundle(path, {"plan_id": "7f3a", "sync": "contacts"}, ROWS_OF_FRAME, work)
    header, rows = read_bundle(path, work)
    assert header == {"plan_id": "7f3a", "sync": "contacts"}
    assert rows.collect().equals(FRAME)
    assert rows.schema == FRAME.schema
    assert [(source.rows, source.bulk) for source in rows.sources] == [(2, False)]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["plan.tailrace", "work"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_rows_were_found_does_not_travel(tmp_path, work):
    """Of the numbers that rows carry only `seq` means anything elsewhere."""
    numbered = FRAME.with_columns(row=pl.lit(3), loc=pl.lit(4, pl.UInt64))
    write_bundle(tmp_path / "plan", {}, Rows.of_frame(numbered), work)
    _, rows = read_bundle(tmp_path / "plan", work)
    assert rows.collect().equals(FRAME)


def test_rows_of_several_sources_travel_in_their_order(tmp_path, work):
    """What is in several files, filtered, is one file of the rows that are left."""
    rows = Rows((*ROWS_OF_FRAME.sources, *ROWS_OF_FRAME.sources)).where(pl.col("seq") == 1)
    write_bundle(tmp_path / "plan", {}, rows, work)
    _, found = read_bundle(tmp_path / "plan", work)
    assert found.collect().equals(pl.concat([FRAME.tail(1), FRAME.tail(1)]))
    assert found.count() == found.sources[0].rows == 2


def test_a_missing_file_is_told(tmp_path, work):
    """A path without a file is a clear error."""
    with pytest.raises(SnapshotError, match="there is no file"):
        read_bundle(tmp_path / "none", work)
    with pytest.raises(SnapshotError, match="there is no file"):
        read_bundle(tmp_path, work)


def test_any_damage_is_found(tmp_path, work):
    """Flipping any bit, or cutting the file anywhere, never passes for the original, nor crashes."""
    path = tmp_path / "plan"
    write_bundle(path, {"a": 1}, ROWS_OF_FRAME, work)
    whole, source = path.read_bytes(), random.Random(7)  # noqa: S311
    for position in [source.randrange(len(whole)) for _ in range(150)]:
        data = bytearray(whole)
        data[position] ^= 1 << source.randrange(8)
        check_same_or_error(path, bytes(data), work)
    for size in range(0, len(whole), 211):
        path.write_bytes(whole[:size])
        with pytest.raises(SnapshotError):
            read_bundle(path, work)


def check_same_or_error(path, data, work):
    """A damaged bundle gives the original (a bit no one reads was hit) or an error."""
    path.write_bytes(data)
    try:
        header, rows = read_bundle(path, work)
    except SnapshotError:
        return
    assert header == {"a": 1}
    assert rows.collect().equals(FRAME)


def archive(path, members, compression=zipfile.ZIP_STORED):
    """Write a ZIP file of those members."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_foreign_archives_are_refused(tmp_path, work):
    """Other members, twice the same member, and compressed ones are no bundle of ours."""
    path = tmp_path / "plan"
    write_bundle(path, {}, ROWS_OF_FRAME, work)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as file:
        members = [(name, file.read(name)) for name in file.namelist()]
    for strange in ([*members, ("../evil", b"")], members[:2], [*members[:2], members[0]], [*members, members[0]]):
        archive(path, strange)
        with pytest.raises(SnapshotError, match="damaged, or no file of Tailrace"):
            read_bundle(path, work)
    archive(path, members, zipfile.ZIP_DEFLATED)
    with pytest.raises(SnapshotError, match="compressed or too large"):
        read_bundle(path, work)
    path.write_text("SELECT 1")
    with pytest.raises(SnapshotError, match="no file of Tailrace"):
        read_bundle(path, work)


def test_a_header_has_a_limit(tmp_path, work):
    """A header beyond its limit is refused when written, and nothing is left behind."""
    with pytest.raises(SnapshotError, match="permitted"):
        write_bundle(tmp_path / "plan", {"x": "y" * 5_000_000}, ROWS_OF_FRAME, work)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path, work):
    """A place without a folder is a clear error."""
    with pytest.raises(SnapshotError, match="No such file"):
        write_bundle(tmp_path / "no" / "plan", {}, ROWS_OF_FRAME, work)


def test_the_hash_is_what_it_was():
    """A golden value: the hash holds over versions of Tailrace, polars and Python."""
    assert content_hash([FRAME])[:12] == "f4b341fd4829"


PLAIN = pl.DataFrame({"n:b": ["ß", None, ""], "c:a": [True, None, False], "n:a": [1, -2, None], "seq": [0, 1, 2]})


def test_the_hash_is_what_its_description_says():
    """Computed by hand: each value with its column and its length, each row to 512 bits, all added up."""
    rows = ["1:1:12:2:ßy", "1:2:-2~", "2:0:n"]
    total = sum(int.from_bytes(hashlib.blake2b(row.encode(), digest_size=64).digest()) for row in rows)
    names = "3:c:a=bool;3:n:a=int64;3:n:b=string;3;"
    wanted = hashlib.sha256(names.encode() + (total % 2**512).to_bytes(64)).hexdigest()
    assert content_hash([PLAIN]) == wanted


def test_the_hash_ignores_order_and_numbering():
    """Order of rows and columns, the rows' numbers, and how they are cut into frames, do not count."""
    turned = FRAME.reverse().select(reversed(FRAME.columns)).with_columns(seq=pl.lit(5), row=pl.lit(1), loc=pl.lit(2))
    assert content_hash([turned]) == content_hash([FRAME])
    assert content_hash([FRAME.tail(1), FRAME.clear(), FRAME.head(1)]) == content_hash([FRAME])
    assert content_hash([FRAME.clear()]) != content_hash([FRAME])


def test_the_hash_counts_rows():
    """A row that comes twice is not the same as once, nor is it none."""
    hashes = {content_hash([FRAME] * times) for times in (1, 2, 3)}
    assert len(hashes | {content_hash([FRAME.clear()]), content_hash([])}) == 5


def test_values_may_be_enumerated():
    """A column of few texts is hashed as its texts, however they are kept."""
    kept = FRAME.with_columns(pl.col("op").cast(pl.Enum(["update", "insert"])))
    assert content_hash([kept]) == content_hash([FRAME.with_columns(pl.col("op").cast(pl.Categorical))])
    assert content_hash([kept]) == content_hash([FRAME])


CHANGED = [
    pl.col("op").str.to_uppercase(),
    pl.col("n:f").fill_nan(None),
    pl.col("n:b").fill_null(b"") + pl.lit(b"\1"),
    pl.col("c:f").not_(),
    pl.col("n:t").fill_null(dt.time(0)),
    pl.col("n:amount").fill_null(0),
    pl.lit(["x", ""]).alias("unknown"),
    pl.lit(None, pl.String).alias("op"),
    pl.col("k:id").alias("k:other"),
]


@pytest.mark.parametrize("change", CHANGED, ids=str)
def test_the_hash_sees_every_change(change):
    """Any other value, null or name is another content."""
    assert content_hash([FRAME.with_columns(change)]) != content_hash([FRAME])


ROWS = st.lists(st.tuples(st.none() | st.text("a:1~", max_size=3), st.none() | st.text("a:1~", max_size=3)), max_size=3)


@settings(max_examples=100, deadline=None)
@given(ROWS, ROWS)
def test_different_rows_never_share_a_text(one, other):
    """No text can imitate a null, a length or the next column."""
    frames = [pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row") for rows in (one, other)]
    same = sorted(one, key=repr) == sorted(other, key=repr)
    assert (content_hash(frames[:1]) == content_hash(frames[1:])) == same


def test_a_column_that_is_no_part_of_a_change_set_is_refused():
    """Structs have no place in a change frame."""
    with pytest.raises(SnapshotError, match="no part"):
        content_hash([pl.DataFrame({"x": [{"a": 1}]})])
