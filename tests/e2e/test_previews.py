"""What a plan shows of its changes, and what is said where it cannot show them all."""

import re

import pytest

from tailrace import Project

MANY = [(n, f"P{n}", f"p{n}@example.com", n) for n in range(1, 101)]
NEXT = [
    *((n, f"P{n}", f"p{n}@example.com", n + (n > 50)) for n, *_ in MANY[3:]),
    *((n, "New", None, 0) for n in range(101, 161)),
]
SHOWN = ["delete"] * 3 + ["update"] * 9 + ["insert"] * 8


@pytest.fixture
def changed(workspace):
    """A sync with 3 deletes, 50 updates and 60 inserts to do."""
    workspace.people(*MANY)
    workspace.run("run", "people")
    workspace.people(*NEXT)
    return workspace


def planned(workspace, *arguments):
    (plan,) = workspace.run("plan", "people", "--json", *arguments).json["plans"]
    return plan


def test_no_kind_of_change_hides_another(changed):
    """Of twenty lines the deletes come first, all of them, and updates and inserts share what is left."""
    out = changed.run("plan", "people").out
    signs = re.findall(r"^  ([+~-]) id=", out, re.MULTILINE)
    assert signs == ["-"] * 3 + ["~"] * 9 + ["+"] * 8
    assert "  … and 41 more updates, 52 more inserts (--limit 0 shows all)\n" in out


@pytest.mark.parametrize(
    ("limit", "kinds", "left"),
    [
        (1, "-", "2 more deletes, 50 more updates, 60 more inserts"),
        (2, "-~", "2 more deletes, 49 more updates, 60 more inserts"),
        (4, "--~+", "1 more delete, 49 more updates, 59 more inserts"),
        (112, "---" + "~" * 50 + "+" * 59, "1 more insert"),
        (113, "---" + "~" * 50 + "+" * 60, None),
        (0, "---" + "~" * 50 + "+" * 60, None),
    ],
)
def test_each_kind_has_its_part(changed, limit, kinds, left):
    """Whatever the limit; the last line says of each kind how many more there are."""
    out = changed.run("plan", "people", "--limit", str(limit)).out
    assert "".join(re.findall(r"^  ([+~-]) id=", out, re.MULTILINE)) == kinds
    assert re.findall(r"… and (.*) \(", out) == ([left] if left else [])


def test_json_says_how_many_changes_it_leaves_out(changed):
    """`changes` has the same ones as the text, and two numbers tell of the others."""
    plan = planned(changed)
    assert [change["op"] for change in plan["changes"]] == SHOWN
    assert (plan["changes_total"], plan["changes_shown"]) == (113, 20)
    whole = planned(changed, "--limit", "0")
    assert (whole["changes_total"], whole["changes_shown"], len(whole["changes"])) == (113, 113, 113)
    assert len({(change["op"], change["key"]["id"]) for change in whole["changes"]}) == 113
    with Project.load(changed.root) as project:
        made = project.plan("people")
        assert made.to_json()["changes"] == plan["changes"]
        assert made.to_json()["changes_shown"] == 20
        assert [change.op for change in made.changes(20)] == SHOWN


def test_an_old_value_that_nobody_knows_is_a_question_mark(workspace):
    """A field that is new to the mapping: what the record has there is unknown, which is not the same as empty."""
    workspace.people((1, "Ann", None, 1), (2, "Bob", None, 2))
    workspace.run("run", "people")
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "  shout: {sql: upper(name)}\n")
    workspace.people((1, "Ann", "ann@example.com", 1), (2, "Bob", None, 2), (3, "Cid", None, 3))
    out = workspace.run("plan", "people").out
    assert "  ~ id=1    email ? → ann@example.com    shout ? → ANN\n" in out
    assert "  ~ id=2    shout ? → BOB\n" in out
    fields = {change["key"]["id"]: change["fields"] for change in planned(workspace)["changes"]}
    assert fields[1]["shout"] == {"old": None, "new": "ANN", "old_known": False}
    assert fields[3]["shout"] == {"old": None, "new": "CID"}


def test_an_old_value_that_is_known_to_be_empty_is_not(workspace):
    """What was sent as NULL and acknowledged is known; what was left out by `nulls: skip` is not."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace("source: {value: warehouse}", "mail: email"))
    workspace.people((1, "Ann", None, 1))
    workspace.run("run", "people")
    workspace.people((1, "Ann", "ann@example.com", 1))
    (change,) = planned(workspace)["changes"]
    assert change["fields"] == {
        "email": {"old": None, "new": "ann@example.com", "old_known": False},
        "mail": {"old": None, "new": "ann@example.com"},
    }
    assert "email ? → ann@example.com    mail ∅ → ann@example.com" in workspace.run("plan", "people").out


def test_a_value_that_cannot_be_compared_any_more_is_unknown(workspace):
    """A column that changed its type: what was acknowledged under the old one is not shown as empty."""
    workspace.people((1, "Ann", None, 1))
    workspace.run("run", "people")
    model = workspace.root / "models/people.sql"
    model.write_text("select id, [name] as name, email, spent from (" + model.read_text() + ")")
    (change,) = planned(workspace)["changes"]
    assert change["fields"]["name"]["old_known"] is False


def test_a_stale_plan_names_rows_that_differ(workspace):
    """As many rows changed as were planned, but otherwise: up to three keys say where to look."""
    workspace.people(*MANY[:10])
    workspace.run("run", "people")
    workspace.people(*((n, f"Q{n}" if n <= 6 else name, mail, spent) for n, name, mail, spent in MANY[:10]))
    workspace.run("plan", "people", "--out", "people.plan")
    workspace.people(*((n, f"R{n}" if n <= 5 or n == 7 else name, mail, spent) for n, name, mail, spent in MANY[:10]))
    message = workspace.run("apply", "people.plan", "--json", code=3).json["runs"][0]["message"]
    assert "now + 0 ~ 6 - 0, in the plan + 0 ~ 6 - 0" in message
    assert re.search(r"only: id=[1-5], id=[1-5], id=[1-5] and 4 more\. Nothing was written", message)
    assert workspace.table()[0][1] == "P1"


def test_a_run_that_failed_before_it_planned_speaks_of_no_plan(workspace):
    """A model that cannot be read: there are no counts to tell."""
    workspace.write("models/people.sql", "select nothing from nowhere")
    answer = workspace.run("run", "people", code=1)
    assert answer.out.startswith("people  failed   (run ")
    assert "planned" not in answer.out
    served = workspace.run("run", "--all", "--log-level", "info", code=1)
    assert "planned" not in served.out + served.err


def test_a_run_that_was_stopped_after_it_planned_speaks_of_it(changed):
    """A guard's run tells what it would have done."""
    changed.people()
    answer = changed.run("run", "people", code=3)
    assert "people  blocked  planned + 0 inserts   ~ 0 updates   - 100 deletes" in answer.out
