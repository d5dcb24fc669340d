from __future__ import annotations

import errno
import os
from pathlib import Path

import duckdb
import pytest

from tailrace.errors import UsageError
from tailrace.init import write_project

FILES = {
    ".gitignore",
    "README.md",
    "tailrace.yml",
    "data/customers.csv",
    "data/orders.csv",
    "models/customers.sql",
    "syncs/customers.yml",
}


def tree(folder):
    """Every file and link below a folder, by its path in it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


def test_writes_and_names_all_files(tmp_path):
    """The files returned are those on disk, in a folder that did not exist."""
    project = tmp_path / "new" / "project"
    written = write_project(project)
    assert {path.relative_to(project).as_posix() for path in written} == FILES
    assert tree(project) == FILES


def test_writes_into_a_folder_with_other_files(tmp_path):
    """What the folder has already, and the template does not, stays."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "other.sql").write_text("SELECT 1")
    write_project(tmp_path)
    assert tree(tmp_path) == FILES | {"models/other.sql"}


def test_refuses_to_overwrite(tmp_path):
    """All files in the way are named, they are left as they were, and nothing else is written."""
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "customers.yml").write_text("mine too")
    with pytest.raises(UsageError, match=r"README\.md, syncs/customers\.yml") as caught:
        write_project(tmp_path)
    assert caught.value.exit_code == 2
    assert "tailrace init DIR" in str(caught.value)
    assert tree(tmp_path) == {"README.md", "syncs/customers.yml"}
    assert (tmp_path / "README.md").read_text() == "mine"


def test_refuses_a_dangling_link(tmp_path):
    """A link that leads nowhere is in the way too, and no file appears at its other end."""
    (tmp_path / "tailrace.yml").symlink_to(tmp_path / "elsewhere.yml")
    with pytest.raises(UsageError, match=r"tailrace\.yml"):
        write_project(tmp_path)
    assert tree(tmp_path) == {"tailrace.yml"}


def test_a_file_in_place_of_a_folder(tmp_path):
    """A file called `models` makes the folder impossible: a clear error, and nothing half-written."""
    (tmp_path / "models").write_text("not a folder")
    with pytest.raises(UsageError, match="models"):
        write_project(tmp_path)
    assert tree(tmp_path) == {"models"}


def test_the_target_is_a_file(tmp_path):
    """A file in place of the project folder is a usage error."""
    target = tmp_path / "file"
    target.write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        write_project(target)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    """When the last file does not fit, the earlier ones and their folders go again."""
    original = Path.open

    def full(self, *args, **kwargs):
        if self.name == "tailrace.yml" and "x" in str(args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write_project(tmp_path / "project")
    assert list(tmp_path.iterdir()) == []


def test_the_model_runs(tmp_path, monkeypatch):
    """The template's SELECT gives each customer once, orders added up exactly."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as connection:
        model = (tmp_path / "models" / "customers.sql").read_text()
        rows = connection.sql(f"SELECT customer_id, orders, lifetime_value::VARCHAR FROM ({model})").fetchall()
    assert len(rows) == 12
    assert sorted(rows)[:3] == [(1, 2, "169.90"), (2, 1, "15.50"), (3, 1, "310.00")]
    assert (8, 0, "0.00") in rows
