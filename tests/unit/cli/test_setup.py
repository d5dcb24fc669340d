"""What commands say that need no project."""

import contextlib
import io

import pytest

from tailrace.cli import main


@pytest.mark.parametrize(("folder", "inside"), [(["shop"], "cd shop && "), ([], "")])
def test_init_says_once_where_to_go(tmp_path, folder, inside):
    """The line can be followed as it stands: after the first command one is in the folder."""
    out = io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main(["init", *folder])
    assert out.getvalue().endswith(f"\nnext: {inside}tailrace plan, then tailrace run --all\n")
