"""Rows of changes and a header in one file: saved plans, and whatever else must travel whole.

The file is a ZIP archive with `header.json`, `changes.parquet` and `SHA256SUMS`, none of them
compressed (parquet is so itself), so that a small file cannot unpack into a huge one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tailrace.diff.changefiles import write_rows
from tailrace.errors import SnapshotError
from tailrace.rowset import Rows
from tailrace.snapshot.content import NUMBERING
from tailrace.snapshot.files import replace_file, sha256_of, told

if TYPE_CHECKING:
    from typing import IO

__all__ = ["read_bundle", "write_bundle"]

HEADER, CHANGES, SUMS = "header.json", "changes.parquet", "SHA256SUMS"
MAX_HEADER = 4 * 1024 * 1024
"""Most bytes of a header."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_HINT = "Make the plan again with `tailrace plan --out FILE`."


def write_bundle(path: str | Path, header: Mapping[str, Any], rows: Rows, work: Path) -> None:
    """Write the file at once and durably; `work` is a folder for the rows on their way."""
    head = _header_bytes(header)
    changes = work / CHANGES
    kept = [name for name in rows.schema if name not in NUMBERING - {"seq"}]
    with told(changes, "write"):
        write_rows(changes, rows, kept)
    sums = f"{hashlib.sha256(head).hexdigest()}  {HEADER}\n{sha256_of(changes)}  {CHANGES}\n"
    replace_file(Path(path), lambda file: _write(file, head, changes, sums))


def _header_bytes(header: Mapping[str, Any]) -> bytes:
    data = json.dumps(header, sort_keys=True, ensure_ascii=False, indent=1).encode()
    if len(data) > MAX_HEADER:
        raise SnapshotError(f"the header has {len(data)} bytes, {MAX_HEADER} are permitted")
    return data


def _write(file: IO[bytes], head: bytes, changes: Path, sums: str) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, _EPOCH), head)
        with changes.open("rb") as source, archive.open(zipfile.ZipInfo(CHANGES, _EPOCH), "w", force_zip64=True) as to:
            shutil.copyfileobj(source, to)
        archive.writestr(zipfile.ZipInfo(SUMS, _EPOCH), sums)


def read_bundle(path: str | Path, work: Path) -> tuple[dict[str, Any], Rows]:
    """Header and rows; these are unpacked to the folder `work`, and read from there.

    SnapshotError for a file that is missing, damaged, or no bundle at all.
    """
    place = Path(path)
    if not place.is_file():
        raise SnapshotError(f"there is no file {place}", hint=_HINT)
    try:
        header = _unpack(place, work / CHANGES)
        return header, Rows.of_file(work / CHANGES, pl.scan_parquet(work / CHANGES).select(pl.len()).collect().item())
    except SnapshotError:
        raise
    except OSError as error:
        raise SnapshotError(f"cannot read {place}: {error.strerror or error}", hint=_HINT) from error
    except BaseException as error:
        # polars panics are no Exceptions; an interrupt must still pass.
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
            raise
        raise SnapshotError(f"{place} is damaged, or no file of Tailrace: {error}", hint=_HINT) from error


def _unpack(path: Path, changes: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        if sorted(info.filename for info in infos) != sorted((HEADER, CHANGES, SUMS)):
            raise ValueError("it holds other members than expected")
        for info in infos:
            _refuse_odd(info, path)
        with archive.open(CHANGES) as source, changes.open("wb") as to:
            shutil.copyfileobj(source, to)
        header, sums = archive.read(HEADER), archive.read(SUMS)
    told_sums = dict(line.split("  ", 1)[::-1] for line in sums.decode().splitlines())
    for name, found in ((HEADER, hashlib.sha256(header).hexdigest()), (CHANGES, sha256_of(changes))):
        if told_sums.get(name) != found:
            raise ValueError(f"{name} does not match its checksum")
    return _header(header)


def _refuse_odd(info: zipfile.ZipInfo, path: Path) -> None:
    limit = path.stat().st_size if info.filename == CHANGES else MAX_HEADER
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
        raise ValueError(f"{info.filename} is compressed or too large")


def _header(data: bytes) -> dict[str, Any]:
    header = json.loads(data)
    if not isinstance(header, dict):
        raise TypeError("its header is no object")
    return header
