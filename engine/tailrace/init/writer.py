"""Write the template of a new project, all of it or nothing."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tailrace.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

RENAMED = {"gitignore": ".gitignore"}
"""Template files whose own name would act on our repository."""
ELSEWHERE = "Name an empty or a new folder: tailrace init DIR"


def write_project(directory: Path) -> list[Path]:
    """Write a project that runs as it stands; the files written, in order of their names.

    UsageError when one of them exists, or cannot be written. Then nothing was left behind.
    """
    contents = {directory / path: content for path, content in sorted(_template().items())}
    _refuse_existing(directory, contents)
    created: list[Path] = []
    try:
        for path, content in contents.items():
            _make_folders(path.parent, created)
            with path.open("xb") as file:
                created.append(path)
                file.write(content)
    except OSError as error:
        _undo(created)
        raise UsageError(f"cannot write {error.filename or directory}: {error.strerror}", hint=ELSEWHERE) from error
    return list(contents)


def _template() -> dict[PurePosixPath, bytes]:
    """Content by path within the project."""
    root = files("tailrace.init") / "template"
    return {
        path.with_name(RENAMED.get(path.name, path.name)): file.read_bytes()
        for path, file in _walk(root, PurePosixPath())
    }


def _walk(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in folder.iterdir():
        path = below / entry.name
        if entry.is_dir():
            yield from _walk(entry, path)
        else:
            yield path, entry


def _refuse_existing(directory: Path, contents: Mapping[Path, bytes]) -> None:
    """A dangling link counts as a file: writing through it would write elsewhere."""
    existing = [path for path in contents if path.exists() or path.is_symlink()]
    if existing:
        names = ", ".join(str(path.relative_to(directory)) for path in existing)
        raise UsageError(f"{directory} already has {names}; nothing was written", hint=ELSEWHERE)


def _make_folders(folder: Path, created: list[Path]) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        created.append(path)


def _undo(created: list[Path]) -> None:
    """Remove what this call made, and only that, the last first."""
    for path in reversed(created):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
