"""The adapter that the guide builds keeps the public contract."""

import re
import subprocess
import sys


def test_the_guides_adapter_passes_the_contract(read, tmp_path):
    """The code on the page, written to files as it says, passes the suite, skipping only what a folder cannot do."""
    for block in read("docs/writing-an-adapter.md").blocks("python"):
        if block.file:
            file = tmp_path / block.file
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "tests"]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert int(re.search(r"(\d+) passed", ended.stdout).group(1)) >= 15
