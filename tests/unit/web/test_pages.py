"""Each page shows what it is about, without a browser."""

import re

import pytest
from tests.unit.web.shop import write_people

from tailrace.state import NewIssue
from tailrace.web import plans

PATHS = [
    "/",
    "/syncs/people",
    "/syncs/copies",
    "/syncs/people/rejected",
    "/syncs/people/rejected/dismiss?all=yes",
    "/syncs/people/run",
    "/syncs/people/row",
    "/syncs/people/row?key.id=1",
    "/syncs/people/row?key.id=3",
    "/runs",
    "/rejected",
    "/unknown",
    "/accounts",
    "/lineage",
    "/audit",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_made(console, path):
    """Each answers with a whole page that names its project."""
    page = console.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>" in page.text
    assert page.text.rstrip().endswith("</html>")


def test_pages_tell_when_syncs_run_next(console):
    """After others by their names, a moment gone by as now, and a target as it was written."""
    with console.site.desk.using() as project, project.state.transaction() as connection:
        connection.exec_driver_sql("update runs set started_at = started_at - 4000")
    for page in (console.get("/").text, console.get("/syncs/people").text):
        assert re.search(r"<time [^>]*>due now</time>", page)
    assert '<span class="quiet">after people</span>' in console.get("/").text
    assert 'after <a href="/syncs/people">people</a>' in console.get("/syncs/copies").text
    sync = console.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace("freshness: 2h", "freshness: 90s"))
    console.site.desk._looked -= 10
    assert "the target is 1 min 30 s" in console.get("/syncs/people").text
    assert "of 1 min 30 s" in console.get("/").text


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/syncs/people", "Fleet"),
        ("/syncs/people/rejected", "Rejected"),
        ("/syncs/people/row", "Fleet"),
        ("/runs", "Runs"),
    ],
)
def test_the_menu_says_where_one_is(console, path, entry):
    """Also on pages that have no entry of their own."""
    assert re.findall(r'aria-current="\w+">(\w+)<', console.get(path).text) == [entry]


def test_each_cell_of_a_table_carries_its_columns_name(console):
    """On a narrow screen it stands beside the value, as the head of the table is not seen there."""
    for path in PATHS:
        cells = re.findall(r"<td[^>]*>", console.get(path).text)
        assert [cell for cell in cells if not re.search("data-label=|colspan=", cell)] == [], path


def planned(console, check=""):
    """The page of a plan that a form made."""
    answer = console.send("/syncs/people/plan", check=check)
    plan = answer.headers["location"].rpartition("/")[2]
    for thread in list(console.site.plans._threads.values()):
        thread.join()
    return console.get(f"/plans/{plan}").text


def test_a_plan_shows_rows_old_and_new(console):
    """Each change with its key; what is deleted with what it was."""
    write_people(console.root, [(1, "<b>Anna</b>", "ann@x.io"), (2, "Bob", "bob@x.io"), (6, "Flo", "")])
    page = planned(console)
    assert "&lt;b&gt;Anna&lt;/b&gt;" in page
    assert "<b>Anna" not in page
    assert "All 3 changes are here." in page
    assert "Apply exactly this plan" in page


def test_a_stopped_plan_says_why(console):
    """The banner names the guard and its limit; an admin may let it pass."""
    write_people(console.root, [(1, "Anne", "ann@x.io")])
    file = console.root / "syncs/people.yml"
    file.write_text(file.read_text().replace("max_deletes: 50%", "max_deletes: 0"))
    console.site.desk._looked -= 10
    page = planned(console)
    assert "Stopped by a guard" in page
    assert 'name="override" value="max_deletes"' in page


def test_a_broken_mapping_stops_a_plan_too(console):
    """The contract's verdict, which has no figures, is shown in words."""
    file = console.root / "syncs/people.yml"
    file.write_text(file.read_text().replace("  name: name\n", "  name: name\n  nothing: name\n"))
    console.site.desk._looked -= 10
    assert "nothing" in planned(console, check="yes").partition("Stopped by")[2]


def test_a_plan_that_cannot_be_made_is_told(console):
    """With what the engine says."""
    (console.root / "people.csv").unlink()
    assert "The plan could not be made" in planned(console)


def test_a_sample_is_called_one(console, monkeypatch):
    """Where not all changes can be searched, the page says how many can."""
    monkeypatch.setattr(plans, "SAMPLE", 2)
    write_people(console.root, [(number, "New", "") for number in range(10, 20)])
    page = planned(console)
    assert "Only 2 of 13 changes can be looked at and searched here" in page


def test_rejected_rows_show_payload_and_reply(console):
    """Of the row that was opened; the reply is the destination's own."""
    link = re.search(r'href="(\?open=[0-9a-f]+)#', console.get("/syncs/people/rejected").text)[1]
    page = console.get(f"/syncs/people/rejected{link}").text
    assert "Sent in run" in page
    assert re.search("Much too long a name|Also far too long", page)
    assert "CHECK constraint failed" in page


def test_forms_do_what_they_say(console):
    """Each leaves a line for the next page, and one in the audit log."""
    for path, fields, said in [
        ("/syncs/people/run", {}, "people: a run is asked for"),
        ("/syncs/people/run", {"full": "yes"}, "of all rows and fields"),
        ("/syncs/people/pause", {}, "people is paused"),
        ("/syncs/people/pause", {}, "was paused already"),
        ("/syncs/people/unpause", {}, "people goes on"),
        ("/syncs/people/rejected/dismiss", {"key": '{"id":3}'}, "1 row is set aside"),
        ("/syncs/people/rejected/retry", {"all": "yes"}, "2 rows are due"),
        ("/syncs/people/resolve", {"way": "resend"}, "0 rows settled"),
        ("/syncs/people/reset", {"confirm": "people"}, "is forgotten"),
    ]:
        answer = console.send(path, **fields)
        assert said in console.get(answer.headers["location"]).text, path
        assert said not in console.get(answer.headers["location"]).text  # once
    assert len(console.audit()) == 9


@pytest.mark.parametrize(
    ("page", "button", "asked"),
    [
        ("/syncs/people/rejected", "Dismiss all", "Dismiss 2 rejected rows of people?"),
        ("/syncs/people", "Run, sending every row and field again", "Send every row of people again?"),
    ],
)
def test_what_touches_many_rows_asks_once_more(console, page, button, asked):
    """The button leads to a page that asks, by a form that changes nothing; that page has the form that does it."""
    form = next(part for part in console.get(page).text.split("<form") if button in part)
    assert 'method="get"' in form
    path = re.search(r'action="([^"]+)"', form)[1]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    text = console.get(path, params=fields).text
    assert asked in text
    assert console.audit() == []
    sent = next(part for part in text.split("<form") if 'method="post"' in part)
    again = {name: value for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', sent) if name != "csrf"}
    console.send(re.search(r'action="([^"]+)"', sent)[1], **again)
    assert len(console.audit()) == 1


def test_the_pages_say_that_a_retry_undoes_a_dismissal(console):
    """Before it, where it is asked, and after it."""
    assert "a retry undoes that" in console.get("/syncs/people/rejected").text
    assert "Retry undoes it" in console.get("/syncs/people/rejected/dismiss?all=yes").text
    answer = console.send("/syncs/people/rejected/dismiss", all="yes")
    assert "retry undoes it" in console.get(answer.headers["location"]).text


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/syncs/nobody/run", {}, 404),
        ("/syncs/people/cancel", {}, 409),
        ("/syncs/people/rejected/retry", {}, 400),
        ("/syncs/people/rejected/retry", {"key": "[1]"}, 400),
        ("/syncs/people/rejected/retry", {"key": '{"id":99}'}, 404),
        ("/syncs/people/resolve", {"way": "guess"}, 400),
        ("/syncs/people/reset", {"confirm": "x"}, 400),
        ("/plans/nobody/apply", {}, 404),
        ("/requests/nobody/withdraw", {}, 400),
    ],
)
def test_forms_that_do_not_fit_are_told(console, path, fields, code):
    """With a page that says what is wrong; nothing is done."""
    page = console.send(path, code=code, **fields).text
    assert 'role="alert"' in page
    assert console.audit() == []


@pytest.mark.parametrize(
    "path", ["/syncs/nobody", "/runs/nobody", "/plans/nobody", "/runs?sync=nobody", "/unknown?sync=nobody", "/nowhere"]
)
def test_a_page_that_is_not_there_is_told(console, path):
    """As a page, for whoever looks with a browser."""
    page = console.get(path, code=404, headers={"accept": "text/html"})
    assert "Back to the fleet" in page.text


def test_a_key_that_is_none_is_told(console):
    """A text where the key is a number finds nothing, and that is said."""
    assert "no run on record" in console.get("/syncs/people/row?key.id=x").text


def test_unknown_outcomes_say_what_can_be_done(console):
    """A row without an answer: why, since when, and the three ways."""
    with console.site.desk.using() as project:
        run = project.runs(sync="people")[0].record
        issue = NewIssue('{"id":1}', "update", "create", "unknown", "ANSWER_LOST", "no answer came", "p")
        project._session.state.record_issues("people", run.identity, run.run_id, [issue], max_attempts=3)
    page = console.get("/unknown?sync=people").text
    for words in ("id=1", "no answer came", "Look them up", "Send again", "Take as delivered", "held: decide above"):
        assert words in page
    assert console.json("/api/syncs/people/unknown")["unknown"][0]["key"] == {"id": 1}
    assert console.json("/api/syncs/people")["unknown"] == 1
