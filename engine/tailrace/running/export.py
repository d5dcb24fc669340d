"""Rejected rows as a file: for a spreadsheet, for a script, for a warehouse."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from tailrace.errors import UsageError
from tailrace.redact import redact
from tailrace.snapshot.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from tailrace.running.ledger import TroubledRow

KEY = "key."
"""Before the name of a column of the row's key: it may be named as one of ours."""
COLUMNS = (
    "op",
    "code",
    "message",
    "attempts",
    "first_seen",
    "last_seen",
    "state",
    "next_attempt",
    "payload_hash",
    "run_id",
)
TIMES = frozenset({"first_seen", "last_seen", "next_attempt"})

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_BORDERS = frozenset("\t\n\r,;|")
"""What the spreadsheets of one country or another take for the border of two cells."""
_BETWEEN = r"\"'\s\x00-\x1f,;|\u200b-\u200f\u2060\ufeff"
_OPENS = re.compile(rf"(?:(?<![{_BETWEEN}])[{_BETWEEN}]++|^)(?=[=+\-@＝＋－＠])")  # noqa: RUF001 - they open formulas too
"""Where a formula might begin: behind quotes, blanks, borders and what nobody sees, or at the start."""


def export(rows: Sequence[TroubledRow], key: Sequence[str], path: Path) -> None:
    """Write the rows in the form that the file's name ends in; `key` are the columns of the sync's key."""
    write = _FORMS.get(path.suffix.lower())
    if write is None:
        raise UsageError(
            f"{path}: rows cannot be exported as {path.suffix or 'a file without an ending'}",
            hint=f"give a name that ends in {', '.join(_FORMS)}",
        )
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="make it, or give another place")
    replace_file(path, lambda file: write(file, rows, key))


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before what would begin one.

    Plain numbers stay as they are. See OWASP, CSV Injection
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    return text if _NUMBER.fullmatch(text) else _OPENS.sub(_marked, text)


def _marked(found: re.Match[str]) -> str:
    begins_a_cell = not found.start() or not _BORDERS.isdisjoint(found[0])
    return f"{found[0]}'" if begins_a_cell else found[0]


def _record(row: TroubledRow, key: Sequence[str]) -> dict[str, Any]:
    """A row's cells by column, secrets taken out."""
    form = row.to_json() | {"payload_hash": row.issue.payload_hash, "run_id": row.issue.run_id}
    cells = {f"{KEY}{name}": form["key"].get(name) for name in key} | {name: form[name] for name in COLUMNS}
    return {name: redact(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}


def _csv(file: IO[bytes], rows: Iterable[TroubledRow], key: Sequence[str]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    # Everything in quotes: a spreadsheet that splits cells at another character must not find one inside.
    made = csv.DictWriter(text, [*(f"{KEY}{name}" for name in key), *COLUMNS], quoting=csv.QUOTE_NONNUMERIC)
    made.writerow({name: harmless(name) for name in made.fieldnames})
    made.writerows({name: _cell(cell) for name, cell in _record(row, key).items()} for row in rows)
    text.flush()
    text.detach()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    return harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _jsonl(file: IO[bytes], rows: Iterable[TroubledRow], _key: Sequence[str]) -> None:
    for row in rows:
        form = row.to_json() | {"payload_hash": row.issue.payload_hash, "run_id": row.issue.run_id}
        file.write(redact(json.dumps(form, ensure_ascii=False)).encode() + b"\n")


def _parquet(file: IO[bytes], rows: Iterable[TroubledRow], key: Sequence[str]) -> None:
    import polars as pl  # noqa: PLC0415 - the other forms need none

    records = [_record(row, key) for row in rows]
    columns = {name: [record[name] for record in records] for name in (*(f"{KEY}{each}" for each in key), *COLUMNS)}
    frame = pl.DataFrame([_series(name, values) for name, values in columns.items()])
    frame.write_parquet(file, compression="zstd")


def _series(name: str, values: list[Any]) -> Any:
    import polars as pl  # noqa: PLC0415

    if name in TIMES:
        moments = [None if value is None else datetime.fromisoformat(value) for value in values]
        return pl.Series(name, moments, dtype=pl.Datetime("us", "UTC"))
    if name == "attempts" or (name.startswith(KEY) and values and all(map(_is_int64, values))):
        return pl.Series(name, values, dtype=pl.Int64)
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _is_int64(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


_FORMS: Mapping[str, Callable[[IO[bytes], Sequence[TroubledRow], Sequence[str]], None]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
