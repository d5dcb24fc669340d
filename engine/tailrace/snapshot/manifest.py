"""The manifest: what a snapshot folder holds, and proof that it is what was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tailrace.errors import SnapshotError
from tailrace.snapshot.files import told
from tailrace.snapshot.identity import Identity
from tailrace.values import LogicalType

FORMAT = 1
"""Version of the folder's layout; a higher one was written by a newer Tailrace."""
NAME = "manifest.json"
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One data file, by name within the folder."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says."""

    identity: Identity
    generation: int
    run_id: str
    saved_at: datetime
    types: Mapping[str, LogicalType]
    rows: int
    files: tuple[FileEntry, ...]

    def to_json(self) -> bytes:
        """The file's bytes."""
        body = {
            "format": FORMAT,
            "identity": self.identity.as_dict(),
            "generation": self.generation,
            "run_id": self.run_id,
            "saved_at": self.saved_at.isoformat(),
            "types": {name: str(logical) for name, logical in self.types.items()},
            "rows": self.rows,
            "files": [{"name": item.name, "sha256": item.sha256, "size": item.size} for item in self.files],
        }
        return json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n"


def damaged(path: Path, what: str, sync: str) -> SnapshotError:
    """The error for a snapshot that cannot be trusted: which file, and the ways out."""
    return SnapshotError(
        f"the snapshot of {sync!r} is damaged: {path} {what}",
        hint=f"Restore the folder from a backup; or forget it with `tailrace reset {sync}`, and then take what the "
        f"destination holds with `tailrace adopt {sync}`, or else the next run sends everything again.",
    )


def read_manifest(folder: Path, sync: str) -> Manifest | None:
    """The folder's manifest; None when there is no snapshot, SnapshotError when it cannot be trusted."""
    path = folder / NAME
    if not path.exists():
        _refuse_orphans(folder, path, sync)
        return None
    body = _load(path, sync)
    version = body.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise SnapshotError(
            f"{path} was written by a newer version of Tailrace (format {version}, this one reads up to {FORMAT})",
            hint="Upgrade Tailrace.",
        )
    try:
        return _manifest(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, f"is no manifest ({type(error).__name__}: {error})", sync) from error


def _refuse_orphans(folder: Path, path: Path, sync: str) -> None:
    # The first commit writes an empty manifest before any data, so that this is never a mere crash.
    if any(folder.glob("data-*.parquet")):
        raise damaged(path, "is missing, though data files are there", sync)


def _load(path: Path, sync: str) -> dict[str, Any]:
    with told(path, "read"):
        text = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, "is no JSON", sync) from error
    if not isinstance(body, dict):
        raise damaged(path, "is no JSON object", sync)
    return body


def _manifest(body: Mapping[str, Any]) -> Manifest:
    if body["format"] != FORMAT:
        raise ValueError(f"format {body['format']!r}")
    return Manifest(
        identity=Identity.from_dict(body["identity"]),
        generation=int(body["generation"]),
        run_id=str(body["run_id"]),
        saved_at=datetime.fromisoformat(body["saved_at"]),
        types={str(name): LogicalType.parse(text) for name, text in body["types"].items()},
        rows=int(body["rows"]),
        files=tuple(_file(item) for item in body["files"]),
    )


def _file(item: Mapping[str, Any]) -> FileEntry:
    name = str(item["name"])
    if Path(name).name != name or not name.startswith("data-"):
        raise ValueError(f"{name!r} is no data file")
    return FileEntry(name, str(item["sha256"]), int(item["size"]))
