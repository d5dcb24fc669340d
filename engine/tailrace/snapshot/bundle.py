"""A change frame and a header in one file: saved plans, and whatever else must travel whole.

The file is a ZIP archive with `header.json`, `changes.parquet` and `SHA256SUMS`, none of them
compressed (parquet is so itself), so that a small file cannot unpack into a huge one.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from tailrace.errors import SnapshotError
from tailrace.snapshot.content import content_hash
from tailrace.snapshot.files import parquet, replace_file

__all__ = ["content_hash", "read_bundle", "write_bundle"]

HEADER, CHANGES, SUMS = "header.json", "changes.parquet", "SHA256SUMS"
MAX_HEADER = 4 * 1024 * 1024
"""Most bytes of a header."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_HINT = "Make the plan again with `tailrace plan --out FILE`."


def write_bundle(path: str | Path, header: Mapping[str, Any], frame: pl.DataFrame) -> None:
    """Write the file at once and durably; the same content gives the same bytes but for parquet's version."""
    buffer = io.BytesIO()
    parquet(frame)(buffer)
    parts = {HEADER: _header_bytes(header), CHANGES: buffer.getvalue()}
    replace_file(Path(path), lambda file: file.write(_archive(parts)))


def _header_bytes(header: Mapping[str, Any]) -> bytes:
    data = json.dumps(header, sort_keys=True, ensure_ascii=False, indent=1).encode()
    if len(data) > MAX_HEADER:
        raise SnapshotError(f"the header has {len(data)} bytes, {MAX_HEADER} are permitted")
    return data


def _archive(parts: Mapping[str, bytes]) -> bytes:
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in parts.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**parts, SUMS: sums.encode()}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return buffer.getvalue()


def read_bundle(path: str | Path) -> tuple[dict[str, Any], pl.DataFrame]:
    """Header and frame; SnapshotError for a file that is missing, damaged, or no bundle at all."""
    place = Path(path)
    if not place.is_file():
        raise SnapshotError(f"there is no file {place}", hint=_HINT)
    try:
        parts = _parts(place)
        return _header(parts[HEADER]), pl.read_parquet(io.BytesIO(parts[CHANGES]))
    except SnapshotError:
        raise
    except OSError as error:
        raise SnapshotError(f"cannot read {place}: {error.strerror or error}", hint=_HINT) from error
    except BaseException as error:
        # polars panics are no Exceptions; an interrupt must still pass.
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
            raise
        raise SnapshotError(f"{place} is damaged, or no file of Tailrace: {error}", hint=_HINT) from error


def _parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        if sorted(info.filename for info in infos) != sorted((HEADER, CHANGES, SUMS)):
            raise ValueError("it holds other members than expected")
        for info in infos:
            _refuse_odd(info, path)
        parts = {info.filename: archive.read(info) for info in infos}
    sums = dict(line.split("  ", 1)[::-1] for line in parts[SUMS].decode().splitlines())
    for name in (HEADER, CHANGES):
        if sums.get(name) != hashlib.sha256(parts[name]).hexdigest():
            raise ValueError(f"{name} does not match its checksum")
    return parts


def _refuse_odd(info: zipfile.ZipInfo, path: Path) -> None:
    limit = path.stat().st_size if info.filename == CHANGES else MAX_HEADER
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
        raise ValueError(f"{info.filename} is compressed or too large")


def _header(data: bytes) -> dict[str, Any]:
    header = json.loads(data)
    if not isinstance(header, dict):
        raise TypeError("its header is no object")
    return header
