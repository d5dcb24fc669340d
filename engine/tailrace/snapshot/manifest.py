"""The manifest: what a snapshot consists of, and proof that it is what was written.

Format 2: segments, each with its values and the names of its rows. Format 1 was one file of
rows a generation; it is read as one segment whose rows have no names yet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from tailrace.diff.fingerprint import Part
from tailrace.errors import SnapshotError
from tailrace.snapshot.identity import Identity
from tailrace.snapshot.mark import Mark
from tailrace.values import LogicalType

FORMAT = 2
"""Version of the folder's layout; a higher one was written by a newer Tailrace."""
NAME = "manifest.json"
MAX_BYTES = 16 * 1024 * 1024

Values: TypeAlias = Literal["clear", "hashed"]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file, by name within the folder; `digest` is the checksum's kind and its hex digits."""

    name: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that were written together, some of which may have been replaced since.

    `values` is a parquet file: `k:`, `m:`, `f:`, and `unknown` where a row has unknown fields.
    `names` has the rows' fingerprints, eight bytes each (sixteen where they are wide), in the order of
    the rows; None for rows that were never named. `live` has one bit a row; None when all are live.
    `ids` is a parquet file of the rows' record ids, where `values` does not have them.
    """

    id: str
    rows: int
    live_rows: int
    values: FileEntry
    names: FileEntry | None = None
    live: FileEntry | None = None
    ids: FileEntry | None = None
    null_is_unknown: tuple[str, ...] = ()
    """Fields whose NULL in this segment was never sent."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """All its files."""
        return tuple(item for item in (self.values, self.names, self.live, self.ids) if item is not None)


@dataclass(frozen=True, slots=True)
class Naming:
    """How the rows' names were made: see `tailrace.diff.fingerprint`."""

    parts: tuple[Part, ...]
    golden: str
    """What the hash function gave for known values then."""
    secret: str = ""
    """Tells one secret from another, without saying it."""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Garbage:
    """A file that no row needs any more; it stays a while for readers that began before."""

    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says. `generation` counts changes of content, `revision` every change of files."""

    identity: Identity
    generation: int
    revision: int
    run_id: str
    saved_at: datetime
    types: Mapping[str, LogicalType]
    rows: int
    segments: tuple[Segment, ...] = ()
    naming: Naming | None = None
    values: Values = "clear"
    secret: str = ""
    """Tells with which key values were made into digests."""
    shared: bool = False
    """Whether two live rows may have one match value."""
    garbage: tuple[Garbage, ...] = ()
    mark: Mark | None = None
    """How far the model was read by its cursor; written only where there is one, so that nothing else changes."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """All files that hold something of the snapshot."""
        return tuple(file for segment in self.segments for file in segment.files)

    def to_json(self) -> bytes:
        """The file's bytes."""
        body = {
            "format": FORMAT,
            "identity": self.identity.as_dict(),
            "generation": self.generation,
            "revision": self.revision,
            "run_id": self.run_id,
            "saved_at": self.saved_at.isoformat(),
            "types": {name: str(logical) for name, logical in self.types.items()},
            "rows": self.rows,
            "values": self.values,
            "secret": self.secret,
            "shared": self.shared,
            "naming": _naming_json(self.naming) if self.naming else None,
            "segments": [_segment_json(segment) for segment in self.segments],
            "garbage": [{"name": item.name, "since": item.since.isoformat()} for item in self.garbage],
            **({"mark": self.mark.to_json()} if self.mark else {}),
        }
        return _rendered({**body, "digest": _digest(body)})


def is_ours(name: str) -> bool:
    """Whether a file in a snapshot's folder can be one that a commit made."""
    return name.endswith((".parquet", ".names", ".live", ".tmp")) and not any(char in name for char in "/\\\0")


class Damaged(SnapshotError):
    """A file of a snapshot is not what was written."""


def damaged(path: str, what: str, sync: str) -> Damaged:
    """The error for a snapshot that cannot be trusted: which file, and the ways out."""
    return Damaged(
        f"the snapshot of {sync!r} is damaged: {path} {what}",
        hint=f"Restore the folder from a backup; or forget it with `tailrace reset {sync}`, and then take what the "
        f"destination holds with `tailrace adopt {sync}`, or else the next run sends everything again. Records whose "
        "row has left the model since the last run are not removed then.",
    )


def parse_manifest(data: bytes, path: str, sync: str) -> Manifest:
    """A manifest from its bytes; SnapshotError when it cannot be trusted."""
    body = _load(data, path, sync)
    version = body.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise SnapshotError(
            f"{path} was written by a newer version of Tailrace (format {version}, this one reads up to {FORMAT})",
            hint="Upgrade Tailrace.",
        )
    try:
        manifest = _first(body) if version == 1 else _second(body)
        _refuse_strange_names(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, f"is no manifest ({type(error).__name__}: {error})", sync) from error
    return manifest


def _load(data: bytes, path: str, sync: str) -> dict[str, Any]:
    try:
        body = json.loads(data if len(data) <= MAX_BYTES else b"")
    except (ValueError, RecursionError) as error:
        raise damaged(path, "is no JSON", sync) from error
    if not isinstance(body, dict):
        raise damaged(path, "is no JSON object", sync)
    return body


def _first(body: Mapping[str, Any]) -> Manifest:
    rows = int(body["rows"])
    files = [FileEntry(str(item["name"]), f"sha256:{item['sha256']}", int(item["size"])) for item in body["files"]]
    return replace(
        _common(body),
        revision=int(body["generation"]),
        shared=True,  # nobody looked then
        segments=tuple(Segment(f"g{body['generation']}-{i}", rows, rows, file) for i, file in enumerate(files)),
    )


def _second(body: dict[str, Any]) -> Manifest:
    if body["format"] != FORMAT:
        raise ValueError(f"format {body['format']!r}")
    digest = body.pop("digest")
    if digest != _digest(body):
        raise ValueError("it does not match its checksum")
    naming = body["naming"]
    if body["values"] not in {"clear", "hashed"}:
        raise ValueError(f"values {body['values']!r}")
    return replace(
        _common(body),
        revision=int(body["revision"]),
        values=body["values"],
        secret=str(body["secret"]),
        shared=bool(body["shared"]),
        naming=_naming(naming) if naming else None,
        segments=tuple(_segment(item) for item in body["segments"]),
        garbage=tuple(Garbage(str(i["name"]), datetime.fromisoformat(i["since"])) for i in body["garbage"]),
        mark=Mark.from_json(body["mark"]) if "mark" in body else None,
    )


def _common(body: Mapping[str, Any]) -> Manifest:
    return Manifest(
        identity=Identity.from_dict(body["identity"]),
        generation=int(body["generation"]),
        revision=0,
        run_id=str(body["run_id"]),
        saved_at=datetime.fromisoformat(body["saved_at"]),
        types={str(name): LogicalType.parse(text) for name, text in body["types"].items()},
        rows=int(body["rows"]),
    )


def _naming_json(naming: Naming) -> dict[str, Any]:
    parts = [[part.column, part.policy, part.carrier] for part in naming.parts]
    return {"golden": naming.golden, "secret": naming.secret, "wide": naming.wide, "parts": parts}


def _naming(data: Mapping[str, Any]) -> Naming:
    parts = tuple(Part(*map(str, part)) for part in data["parts"])
    return Naming(parts, str(data["golden"]), str(data["secret"]), bool(data["wide"]))


def _segment_json(segment: Segment) -> dict[str, Any]:
    files = {kind: getattr(segment, kind) for kind in ("values", "names", "live", "ids")}
    return {
        "id": segment.id,
        "rows": segment.rows,
        "live_rows": segment.live_rows,
        "null_is_unknown": list(segment.null_is_unknown),
        "files": {k: {"name": f.name, "digest": f.digest, "size": f.size} for k, f in files.items() if f is not None},
    }


def _segment(data: Mapping[str, Any]) -> Segment:
    files = {kind: FileEntry(str(f["name"]), str(f["digest"]), int(f["size"])) for kind, f in data["files"].items()}
    return Segment(
        id=str(data["id"]),
        rows=int(data["rows"]),
        live_rows=int(data["live_rows"]),
        null_is_unknown=tuple(map(str, data["null_is_unknown"])),
        **files,
    )


def _refuse_strange_names(manifest: Manifest) -> None:
    for name in _names(manifest):
        if name in {"", ".", "..", NAME} or any(char in name for char in "/\\\0"):
            raise ValueError(f"{name!r} is no data file")


def _names(manifest: Manifest) -> Iterator[str]:
    yield from (file.name for file in manifest.files)
    yield from (item.name for item in manifest.garbage)


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_rendered(body)).hexdigest()


def _rendered(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=1, ensure_ascii=False).encode() + b"\n"
