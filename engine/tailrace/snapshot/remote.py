"""Snapshots in an object store: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

A manifest is swapped by a conditional write: the store compares the version that was read with the one it
holds, so that of two writers one fails. Data files are read through a cache of local copies.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar, cast

from tailrace.errors import SnapshotError, UsageError
from tailrace.extras import need
from tailrace.snapshot.files import FILE_MODE, make_folder, told
from tailrace.snapshot.segments import digest_of
from tailrace.snapshot.storage import LocalStorage, Storage, overtaken

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode, PutResult, UpdateVersion
    from obstore.store import ObjectStore

__all__ = ["ObjectStorage", "open_storage"]

T = TypeVar("T")

PIECE: Final = 8 * 1024 * 1024
"""Bytes of one request; larger files are moved in pieces."""
AT_ONCE: Final = 4
"""Pieces of a file that are under way at once when it is uploaded, and so in memory."""
MOST_PIECES: Final = 9_000
"""S3 takes no more than 10,000 parts of a file."""
RETRIES = 8
"""How often obstore repeats a request after a server error or a lost connection: half a minute in all."""
UNUSED: Final = timedelta(days=14)
"""How long a copy that nobody asks for stays in the cache: its object may have been removed from elsewhere."""
PROBE: Final = "_conditional-writes"
"""An object of our own, on which it is tried whether the store refuses what it should."""

_SCHEMES: Final = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_", "abfs": "AZURE_", "abfss": "AZURE_"}
"""What the environment variables of each kind of store begin with."""
_CLIENT: Final = {"timeout": "2m", "connect_timeout": "10s"}
"""Per request, and so per piece: a line of 3 Mbit/s is fast enough."""
_SETTINGS: Final = (*_CLIENT, "read_timeout", "allow_http", "proxy_url", "proxy_excludes")
"""Settings of the client that are taken from the environment. How certificates are checked is not among them."""
_NO_VERSION: Final[UpdateVersion] = {"e_tag": '"00000000000000000000000000000000"', "version": "1"}
"""A version that no object has, in a form every store takes: S3 and Azure look at the tag, Google at the number."""
_PROBE_TEXT: Final = b"Tailrace tries here whether the store honours conditional writes. It may be removed.\n"
_NO_BUCKET: Final = re.compile("NoSuchBucket|ContainerNotFound")
_HINTS: Final = (
    (_NO_BUCKET, "Create the bucket, or correct the address."),
    (re.compile("BadScheme"), "The endpoint is not https://. Where that is meant, set AWS_ALLOW_HTTP=true."),
    (re.compile(r"169\.254\.|metadata\.google"), "No credentials were found: set them in the environment."),
    (re.compile(" 40[13] "), "Check the credentials, and that they may list, read, write and remove objects there."),
    (re.compile(""), "Check the network, the region and the endpoint in the environment, and run the sync again."),
)


def open_storage(location: str, root: Path, cache: Path) -> Storage:
    """The storage at an address, or in a folder relative to `root`; `cache` is where copies of objects go."""
    if "://" in location:
        return ObjectStorage(location, cache)
    if location in {"", "warehouse"}:
        raise _unsupported(location)
    return LocalStorage(root / location)


class ObjectStorage:
    """Everything under one address, such as `s3://BUCKET/PREFIX`. May be used by several threads at once.

    Credentials, region and endpoint come from the environment, by the names of the object_store library
    (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_KEY`, …),
    or from the machine's identity in the cloud. Profiles of the AWS command line are not read.
    """

    def __init__(self, url: str, cache: Path) -> None:
        self._url = _checked_url(url)
        self._store = _connect(self._url)
        self._cache = _Cache(cache / hashlib.sha256(self._url.encode()).hexdigest()[:16])
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[bytes, UpdateVersion]] = {}
        """By name: the checksum of what was last read or written, and its version."""
        self._proven = False

    @property
    def where(self) -> str:
        """The address."""
        return self._url

    def read(self, name: str) -> bytes | None:
        """A small object's bytes; its version is remembered for `replace`."""
        found = self._fetch(name)
        return None if found is None else found[0]

    def local(self, name: str) -> Path | None:
        """A copy in the cache; it is fetched unless there is a sound one of the object's present version."""
        for _ in range(3):
            meta = self._found(name, partial(self._store.head, name))
            if meta is None:
                self._cache.drop(name)
                return None
            version, fetch = _version(meta), partial(self._download, name, meta)
            with suppress(_ChangedError):
                return self._cache.find(name, version) or self._cache.keep(name, version, fetch)
        raise SnapshotError(f"{self._url}/{name} changes while it is read", hint="Run the sync again.")

    def publish(self, name: str, source: Path) -> None:
        """Upload a file, in pieces where it is large: what a store acknowledges is durable. It becomes the copy too."""
        with told(source, "read"):
            size = source.stat().st_size
        piece = max(PIECE, -(-size // MOST_PIECES))
        with self._told("write", name):
            result = self._store.put(name, source, chunk_size=piece, max_concurrency=AT_ONCE)
        if result["e_tag"]:
            self._cache.adopt(name, _tagged(result["e_tag"], size), source)

    def replace(self, name: str, data: bytes, *, was: bytes | None) -> None:
        """Write on the condition that the object is the one that had those bytes, or that there is none."""
        self._prove()
        failed = overtaken(f"{self._url}/{name}")
        try:
            result = self._put(name, data, "create" if was is None else self._version_of(name, was))
        except SnapshotError as error:
            result, failed = None, error
        if result is not None:
            self._remember(name, data, result)
        # When only the answer was lost, the repeated request is refused: it meets what the first one wrote.
        elif self._after_failure(name) != data:
            raise failed

    def names(self, prefix: str) -> list[str]:
        """All names that begin so."""
        # obstore lists whole folders; what is left of the prefix is compared here.
        folder = prefix.rpartition("/")[0] or None
        with self._told("list", prefix):
            found = [item["path"] for page in self._store.list(folder, chunk_size=1000) for item in page]
        return sorted(name for name in found if name.startswith(prefix) and name != PROBE)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, then the copies of them."""
        for name in names:
            # One by one: of a list, Google and Azure would remove nothing after the first that is not there.
            self._found(name, partial(self._store.delete, name), "remove")
            self._cache.drop(name)

    def _found(self, name: str, ask: Callable[[], T], action: str = "read") -> T | None:
        """An answer about an object; None when there is no such object."""
        with self._told(action, name):
            try:
                return ask()
            except FileNotFoundError as error:
                if _NO_BUCKET.search(str(error)):
                    raise
        return None

    def _fetch(self, name: str) -> tuple[bytes, UpdateVersion] | None:
        def get() -> tuple[bytes, UpdateVersion]:
            result = self._store.get(name)
            data = bytes(result.bytes())
            return data, self._remember(name, data, result.meta)

        return self._found(name, get)

    def _download(self, name: str, meta: ObjectMeta, file: IO[bytes]) -> None:
        """Write the object in pieces; _ChangedError when it is no longer that version."""
        from obstore.exceptions import PreconditionError  # noqa: PLC0415 - an extra

        for start in range(0, meta["size"], PIECE):
            end = min(start + PIECE, meta["size"])
            with self._told("read", name):
                try:
                    result = self._store.get(name, options={"range": (start, end), "if_match": meta["e_tag"]})
                    piece = result.bytes()
                except (PreconditionError, FileNotFoundError):
                    raise _ChangedError from None
            if len(piece) != end - start:
                raise _ChangedError
            file.write(piece)

    def _version_of(self, name: str, data: bytes) -> UpdateVersion:
        """The version that has those bytes; the store is asked when another was seen last."""
        with self._lock:
            seen = self._seen.get(name)
        if seen is not None and seen[0] == hashlib.sha256(data).digest():
            return seen[1]
        found = self._fetch(name)
        if found is None or found[0] != data:
            raise overtaken(f"{self._url}/{name}")
        return found[1]

    def _remember(self, name: str, data: bytes, result: ObjectMeta | PutResult) -> UpdateVersion:
        version = cast("UpdateVersion", {key: value for key, value in result.items() if key in _NO_VERSION and value})
        with self._lock:
            self._seen[name] = hashlib.sha256(data).digest(), version
        return version

    def _after_failure(self, name: str) -> bytes | None:
        """What is there now; None when that cannot be told."""
        with suppress(SnapshotError):
            return self.read(name)
        return None

    def _put(self, name: str, data: bytes, mode: PutMode) -> PutResult | None:
        """A conditional write; None when it was refused."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415 - an extra

        with self._told("write", name):
            try:
                return self._store.put(name, data, mode=mode)
            except (AlreadyExistsError, PreconditionError):
                return None

    def _prove(self) -> None:
        """See to it that the store refuses what it should, before anything rests on it: some ignore conditions."""
        if self._proven:
            return
        modes: tuple[PutMode, ...] = ("create", "create", _NO_VERSION)
        answers = [self._put(PROBE, _PROBE_TEXT, mode) for mode in modes]
        if answers[1:] != [None, None]:  # only the first may find nothing there
            raise self._unconditional()
        self._proven = True

    def _unconditional(self) -> SnapshotError:
        return SnapshotError(
            f"{self._url}: the store has no conditional writes, so that two runs could overwrite each other's snapshot",
            hint="Upgrade the store, use another one, or keep snapshots in a folder. "
            "Where AWS_CONDITIONAL_PUT is set, set it to etag.",
        )

    @contextmanager
    def _told(self, action: str, name: str) -> Iterator[None]:
        """Turn what obstore says into a SnapshotError."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            yield
        except (BaseError, NotImplementedError, OSError, ValueError) as error:
            text = str(error)
            if isinstance(error, NotImplementedError) or " 501 " in text:
                raise self._unconditional() from None
            # Without the cause: its text has whole addresses, and Azure has signatures in them.
            raise SnapshotError(f"cannot {action} {self._url}/{name}: {_reason(text)}", hint=_hint(text)) from None


class _ChangedError(Exception):
    """The object is no longer what it was when its copy was begun."""


class _Cache:
    """Copies of objects: a folder for each name, in it a file named by the object's version and its own checksum.

    By that checksum a copy that the disk has spoiled is known, and fetched anew: nothing is forced to the disk here.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = False

    def find(self, name: str, version: str) -> Path | None:
        """A sound copy of that version."""
        for path in self._copies(name):
            with told(path, "read"), suppress(FileNotFoundError):
                if path.name == f"{version}-{_checksum(path)}":
                    os.utime(path)
                    return path
        return None

    def keep(self, name: str, version: str, write: Callable[[IO[bytes]], None]) -> Path:
        """Take what is written as the one copy of an object."""
        self._sweep()
        with self._beside(name) as temporary:
            with temporary.open("wb") as file:
                write(file)
            return self._named(name, version, temporary)

    def adopt(self, name: str, version: str, source: Path) -> None:
        """Take a finished file as the copy where it can be linked; elsewhere it is fetched when it is needed."""
        with suppress(OSError, SnapshotError), self._beside(name) as temporary:
            os.link(source, temporary)
            self._named(name, version, temporary)

    def drop(self, name: str, *, but: Path | None = None) -> None:
        """Remove the copies of an object."""
        folder = self._root / name
        for path in self._copies(name):
            if path != but:
                with told(path, "remove"):
                    path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or not there
            folder.rmdir()

    @contextmanager
    def _beside(self, name: str) -> Iterator[Path]:
        """A path for a file in the making, in a folder that goes with whatever is left of it."""
        folder = self._root / name
        make_folder(folder)
        with told(folder, "write"), tempfile.TemporaryDirectory(dir=folder, prefix=".") as private:
            yield Path(private) / "file"

    def _named(self, name: str, version: str, temporary: Path) -> Path:
        temporary.chmod(FILE_MODE)
        path = self._root / name / f"{version}-{_checksum(temporary)}"
        temporary.replace(path)
        self.drop(name, but=path)
        return path

    def _copies(self, name: str) -> list[Path]:
        return [path for path in (self._root / name).glob("[!.]*") if path.is_file()]

    def _sweep(self) -> None:
        """Once, remove what nobody has asked for in a long time."""
        if self._swept:
            return
        self._swept = True
        before = time.time() - UNUSED.total_seconds()
        for path in self._root.rglob("*"):
            with suppress(OSError):
                if path.is_file() and path.stat().st_mtime < before:
                    path.unlink()


def _connect(url: str) -> ObjectStore:
    need("obstore", extra="object-store", what=f"keeping snapshots in {url}")
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
    from obstore.store import from_url  # noqa: PLC0415 - an extra

    start = _SCHEMES[url.partition(":")[0]]
    # Options of our own replace those that the library would take from the environment, so they are taken here.
    found = {name: os.environ.get(start + name.upper()) for name in _SETTINGS}
    options: Any = _CLIENT | {name: value for name, value in found.items() if value}
    try:
        return from_url(url, client_options=options, retry_config={"max_retries": RETRIES})
    except (BaseError, OSError, ValueError) as error:
        raise UsageError(
            f"cannot keep snapshots in {url}: {_reason(str(error))}",
            hint=f"Correct the address, or the variables in the environment that begin with {start}.",
        ) from None


def _checked_url(url: str) -> str:
    """The address in one form; UsageError for one that is none, or has more in it than it should."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise _unsupported(url)
    bucket, _, prefix = rest.rstrip("/").partition("/")
    user, at, _ = bucket.rpartition("@")
    if (at and (":" in user or not scheme.startswith("abfs"))) or any(char in rest for char in "?#"):
        raise UsageError(
            f"the address {scheme}://… has a user, a password or a query in it",
            hint="Leave them out: credentials come from the environment.",
        )
    parts = prefix.split("/") if prefix else []
    if not bucket or any(part in {"", ".", ".."} for part in parts):
        raise UsageError(f"{url!r} is no address of a bucket", hint=f"Write {scheme}://BUCKET/PREFIX.")
    return f"{scheme}://{'/'.join([bucket, *parts])}"


def _unsupported(location: str) -> UsageError:
    scheme, separator, _ = location.partition("://")
    shown = f"{scheme}{separator}…" if separator else location  # what follows may be a password
    return UsageError(
        f"snapshots cannot be kept in {shown!r}",
        hint="Name a folder, or an address that begins with s3://, gs://, az://, abfs:// or abfss://.",
    )


def _version(meta: ObjectMeta) -> str:
    return _tagged(meta["e_tag"] or meta["last_modified"].isoformat(), meta["size"])


def _tagged(tag: str, size: int) -> str:
    return f"{hashlib.sha256(tag.encode()).hexdigest()[:16]}-{size}"


def _checksum(path: Path) -> str:
    return digest_of(path).rpartition(":")[2]


def _reason(text: str) -> str:
    """What the store said, in a line without addresses."""
    said = [found[1] for found in (re.search(f"<{tag}>([^<]*)<", text) for tag in ("Code", "Message")) if found]
    line = ": ".join(said) or text.partition("\n\nDebug source:")[0].rpartition(" - ")[2]
    return textwrap.shorten(re.sub(r"\?[^\s\"]*=[^\s\"]*", "", line), 300, placeholder=" …")


def _hint(text: str) -> str:
    return next(hint for pattern, hint in _HINTS if pattern.search(text))
