"""The folder for files in the making: private, and swept of what dead processes left."""

import os
import re
import socket
import subprocess
import sys

import pytest

from tailrace.snapshot.work import Workplace

HOST = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())


@pytest.fixture
def root(tmp_path):
    """A folder that is not there yet."""
    return tmp_path / "state" / "work"


def leave(root, name):
    """A folder with a file, as a process left it."""
    place = root / name
    place.mkdir(parents=True)
    (place / "half.parquet").write_text("half")
    return place


def dead():
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_process_has_one_folder(root):
    """It is made when it is first needed, private to the user, and the same afterwards."""
    place = Workplace(root)
    assert not root.exists()
    folder = place.folder
    assert folder == place.folder
    assert folder.parent == root
    assert {path.stat().st_mode & 0o777 for path in (root, folder)} == {0o700}
    assert Workplace(root).folder != folder


def test_what_dead_processes_left_is_removed(root):
    """By the next process that works there."""
    old = leave(root, f"{HOST}_{dead()}_abc")
    assert Workplace(root).folder.is_dir()
    assert not old.exists()


def test_what_others_need_stays(root):
    """Folders of living processes, those of other machines, and whatever has another name."""
    kept = [
        leave(root, f"{HOST}_{os.getpid()}_abc"),
        leave(root, f"{HOST}_{os.getppid()}_abc"),
        leave(root, f"{HOST}_1_abc"),
        leave(root, f"another-host_{dead()}_abc"),
        leave(root, "notes"),
        leave(root, f"{HOST}_none_abc"),
    ]
    assert Workplace(root).folder.is_dir()
    assert all((place / "half.parquet").exists() for place in kept)


def test_a_process_of_another_user_is_alive(root, monkeypatch):
    """That it cannot be signalled says that it is there."""
    kept = leave(root, f"{HOST}_4194000_abc")

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert Workplace(root).folder.is_dir()
    assert kept.exists()


def test_a_scratch_folder_lasts_as_long_as_its_block(root):
    """Whatever is in it goes with it, after an error too; others stay."""
    place = Workplace(root)
    other = place.new()
    with place.scratch() as folder:
        (folder / "file").write_text("x")
        assert (folder.parent, list(other.iterdir())) == (place.folder, [])
    assert not folder.exists()
    seen = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(place, seen)
    assert not seen[0].exists()
    assert other.exists()


def interrupted(place, seen):
    """A block that ends with an error."""
    with place.scratch() as folder:
        (folder / "file").write_text("x")
        seen.append(folder)
        raise KeyboardInterrupt


def test_closing_removes_everything_of_this_process(root):
    """And nothing else; the place can be used again."""
    place, other = Workplace(root), Workplace(root)
    kept = other.new()
    folder = place.new()
    place.close()
    place.close()
    assert not folder.exists()
    assert kept.exists()
    assert place.folder.is_dir()


def test_a_folder_that_others_removed_is_made_again(root):
    """Someone tidied up: the next file has a place all the same."""
    place = Workplace(root)
    place.folder.rmdir()
    assert place.new().is_dir()


def test_a_place_is_made_of_a_path(root):
    """Who asks for one may have it already."""
    place = Workplace(root)
    assert Workplace.at(place) is place
    assert Workplace.at(root).folder.parent == root


def test_a_host_name_of_any_letters(root, monkeypatch):
    """Letters that would not do in a folder's name are replaced, and the folders still recognised."""
    monkeypatch.setattr(socket, "gethostname", lambda: "höst_1/2")
    old = leave(root, f"h-st-1-2_{dead()}_abc")
    assert Workplace(root).folder.name.startswith(f"h-st-1-2_{os.getpid()}_")
    assert not old.exists()
