"""The CSV of Bulk API 2.0: read strictly, as the vendor takes it, and written as its results are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
LONGEST_FIELD = 131_072
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


class CsvError(ValueError):
    """A file that cannot be read; the text is the vendor's."""


def read_csv(data: bytes, delimiter: str, ending: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows; `delimiter` and `ending` are the job's names for them. CsvError when they do not match."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise CsvError("InvalidBatch : Failed to parse CSV: the file is not UTF-8") from error
    _check_ending(text, ending)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[delimiter], strict=True)
        header, *rows = [line for line in lines if line] or [[]]
    except csv.Error as error:
        raise CsvError(f"InvalidBatch : Failed to parse CSV: {error}") from error
    if not header:
        raise CsvError("InvalidBatch : Unable to find any header row")
    return header, rows


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str, ending: str) -> bytes:
    """Header and rows with every cell in quotes."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=DELIMITERS[delimiter], lineterminator=ENDINGS[ending], quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode()


def _check_ending(text: str, ending: str) -> None:
    """The end of the first line tells; line breaks within quotes do not."""
    head = text[:LONGEST_FIELD]
    bare = _QUOTED.sub("", head)
    first, found, _ = bare.partition("\n")
    if found and first.endswith("\r") != (ending == "CRLF"):
        raise CsvError(f"ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {ending}")
