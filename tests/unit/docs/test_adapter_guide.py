"""The adapter that the guide builds keeps the public contract, and the guide tells the faults as they are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import tailrace
import tailrace_destinations
from tailrace.testing import faults
from tailrace.testing.faults.__main__ import main

TREE = [Path(package.__file__).parents[1] for package in (tailrace, tailrace_destinations)]
"""Where the code under test is: an installed copy may be of another version."""

TELLING = """
from pathlib import Path
import tailrace
Path("imported").write_text(str(Path(tailrace.__file__).parents[1]))
"""


def test_the_guides_adapter_passes_the_contract(read, tmp_path):
    """The code on the page, written to files as it says, passes the suite, skipping only what a folder cannot do."""
    for block in read("docs/writing-an-adapter.md").blocks("python"):
        if block.file:
            file = tmp_path / block.file
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
    (tmp_path / "conftest.py").write_text(TELLING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "tests"]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": os.pathsep.join(map(str, (tmp_path, *TREE)))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "imported").read_text() == str(TREE[0])
    assert int(re.search(r"(\d+) passed", ended.stdout).group(1)) >= 15


def test_the_example_of_a_lost_answer_runs(read, capsys):
    """It prints what the page says: the client was left without an answer, and the record was created."""
    page = read("docs/writing-an-adapter.md")
    (example,) = [block for block in page.blocks("python") if "FaultProxy" in block.text]
    exec(example.text, {})  # noqa: S102 - our own page
    error, created, schedule, entry = capsys.readouterr().out.splitlines()
    assert "disconnected" in error
    assert created == "1 created"
    assert schedule.startswith("Schedule.script([Drop(commit=True)]")
    assert entry.endswith("(write)  server: 201  client: closed  drop after commit")


def test_every_fault_is_in_the_table(read):
    """The table has exactly the faults that there are."""
    rows = read("docs/writing-an-adapter.md").rows("7. Put a bad network before it")
    told = {re.match(r"\w+", name).group() for names, _ in rows for name in names[:1]}
    assert told == {kind.__name__ for kind in faults.Fault.__subclasses__() if kind.__module__.startswith("tailrace.")}


def test_the_options_of_the_proxy_exist(read, capsys):
    """Those that the page shows are among those that --help tells."""
    try:
        main(["--help"])
    except SystemExit:
        known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    (block,) = [b for b in read("docs/writing-an-adapter.md").blocks("console") if "testing.faults" in b.text]
    assert set(re.findall(r"--[a-z-]+", block.text)) <= known
