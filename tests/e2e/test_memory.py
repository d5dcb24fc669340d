"""`memory:` in tailrace.yml: what a command takes stays below it, and what cannot do is refused at once."""

from pathlib import Path

import pytest

from tailrace import Project, memory

ROWS = 1_000_000
LIMIT = 512
"""MiB: the least that can be asked for."""
SYNC = """\
model: people
destination: app
object: people
mode: mirror
key: id
match: {id: id}
fields: {name: name, tag: tag, at: at, spent: spent}
guards: {max_deletes: off}
"""


def limited(workspace, text):
    config = workspace.root / "tailrace.yml"
    config.write_text(f"memory: {text}\n" + config.read_text())


def test_too_little_is_refused_before_anything_is_read(workspace, monkeypatch):
    """A snapshot whose fingerprints do not fit is told with the size that would do, which then does."""
    workspace.run("run", "people")
    config = (workspace.root / "tailrace.yml").read_text()
    limited(workspace, "512MiB")
    monkeypatch.setattr(memory, "ROW", 100 * memory.MIB)
    workspace.write(
        "models/people.sql", "select error('the model was read') as id, '' as name, '' as email, 1 as spent"
    )
    for command in ("plan", "run"):
        answer = workspace.run(command, "people", code=1)
        assert "comparing with 3 rows takes about 600 MiB, `memory` permits 512 MiB" in answer.out + answer.err
        assert "Set memory: 600MiB in tailrace.yml, or more, or leave it out." in answer.out + answer.err
        assert "the projected model fails" not in answer.out + answer.err
    for does in ("memory: 600MiB\n", ""):
        workspace.write("tailrace.yml", does + config)
        assert "the projected model fails" in workspace.run("plan", "people", code=1).err


@pytest.mark.parametrize("text", ["511MiB", "100KiB", "1000", "lots"])
def test_what_cannot_do_at_all_is_a_fault_of_the_file(workspace, text):
    """Less than the libraries take, or no amount of memory: with its place, and what would do."""
    limited(workspace, text)
    err = workspace.run("plan", "people", code=2).err
    assert "tailrace.yml:1" in err
    assert "at least 512MiB" in err


def test_what_does_not_fit_into_duckdb_goes_to_our_own_folder(workspace):
    """Not to wherever the command was called from, nor beside the database; and it is gone with the project."""
    limited(workspace, "1GiB")
    with Project.load(workspace.root) as project:
        connection = project._session.warehouse("main")._connection()
        (folder,) = connection.execute("select current_setting('temp_directory')").fetchone()
        (limit,) = connection.execute("select current_setting('memory_limit')").fetchone()
        assert (workspace.root / ".tailrace/work") in Path(folder).parents
        assert limit == "362.0 MiB"
    assert list((workspace.root / ".tailrace/work").iterdir()) == []


def test_a_model_that_duckdb_has_no_room_for_says_which_setting(workspace):
    """The advice is about `memory`, which gave DuckDB its share, and not about the SQL."""
    limited(workspace, "512MiB")
    workspace.write(
        "models/people.sql",
        "select len(list(repeat('x', 1000) || range)) as id, '' as name, '' as email, 1 as spent from range(1000000)",
    )
    err = workspace.run("plan", "people", code=1).err
    assert "Out of Memory" in err
    assert "raise `memory` in tailrace.yml: DuckDB was given 106 MiB of it" in err


def peak(workspace, *arguments):
    """The most memory a command ever has, in MiB."""
    return workspace.measured(*arguments)[1]


def model(workspace, share, order="range"):
    """Rows of some 250 bytes, of which one in `share` has another name than the others."""
    workspace.write(
        "models/people.sql",
        f"select range as id, 'name of ' || range || case when range % {share} = 0 then '!' else '' end as name, "
        f"repeat(md5(range::varchar), 6) as tag, timestamp '2026-01-01' + interval 1 second * range as at, "
        f"(range * 1.25)::decimal(12, 2) as spent from range({ROWS}) order by {order}",
    )


@pytest.mark.slow
def test_the_limit_is_obeyed(workspace):
    """A million rows: all new, none changed, some changed and sent, half of them changed, and sorted by DuckDB."""
    workspace.write("syncs/people.yml", SYNC)
    model(workspace, ROWS)
    unlimited = peak(workspace, "plan", "people")
    limited(workspace, f"{LIMIT}MiB")
    taken = {
        "all new": peak(workspace, "plan", "people"),
        "taken in": peak(workspace, "adopt", "people", "--trust"),
        "none changed": peak(workspace, "plan", "people"),
    }
    model(workspace, 2)
    taken["half changed"] = peak(workspace, "plan", "people")
    model(workspace, 100, order="tag")
    taken["some changed, sorted"] = peak(workspace, "run", "people")
    assert len(workspace.table()) == ROWS // 100 - 1
    assert max(taken.values()) <= LIMIT, taken
    assert taken["all new"] < unlimited
