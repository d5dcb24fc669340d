"""The API: the same objects as `--json`, page by page, and what it refuses."""

import json
from dataclasses import replace

import pytest
from tests.unit.web.shop import ROWS, write_people

from tailrace import Project, metrics
from tailrace.cli import render
from tailrace.destination import acknowledged, rejected
from tailrace.running.ledger import RunSummary
from tailrace.serving import Scheduler
from tailrace.state import Journal
from tailrace.web.api import OPERATIONS


def run_requests(console, sync="people"):
    """Carry out what was asked for, as `serve` would; gives what came of it."""
    scheduler = Scheduler(console.root)
    results = scheduler.once()
    scheduler.stop()
    return [result for result in results if result.sync == sync]


def plan_made(console, **body):
    kept = console.post("/api/syncs/people/plans", {"wait_s": 60, **body}, code=202)
    assert kept["state"] == "made", kept
    return kept


def test_syncs_are_those_of_status(console):
    """Each has all that `status --json` has, and what the console adds."""
    (copies, people) = console.json("/api/syncs")["syncs"]
    with Project.load(console.root) as project:
        told = {line.sync: line.to_json() for line in project.status()}
    for line in (copies, people):
        held = json.loads(json.dumps(told[line["sync"]]))
        same = {name: line[name] for name in held if name != "freshness_s"}
        assert same == {name: value for name, value in held.items() if name != "freshness_s"}
    assert (people["rejected"], people["freshness_target_s"], people["late"]) == (2, 7200.0, False)
    assert (people["after"], copies["after"], copies["next_run"]) == ([], ["people"], None)


def test_one_sync_has_its_definition(console):
    """What the file says stands beside how it stands."""
    found = console.json("/api/syncs/people")
    assert found["definition"]["fields"]["email"] == {"column": "email", "nulls": "skip"}
    assert found["definition"]["schedule"] == "every 1 h"


def test_runs_come_page_by_page(console):
    """Following `next` gives each run once, the newest first, as `runs --json` has it."""
    with Project.load(console.root) as project:
        whole = [run.to_json() for run in project.runs()]
    found, query = [], "?limit=1"
    while query:
        page = console.json(f"/api/runs{query}")
        found += page["runs"]
        query = page["next"] and f"?limit=1&before={page['next']}"
    assert found == whole
    assert [run["run_id"] for run in console.json("/api/runs?sync=copies")["runs"]] == [whole[1]["run_id"]]
    assert len(console.json("/api/runs?status=partial")["runs"]) == 2


def test_one_run_has_its_batches_and_how_far_it_is(console):
    """All of it is at hand once it has ended."""
    run_id = console.json("/api/runs?sync=people")["runs"][-1]["run_id"]
    found = console.json(f"/api/runs/{run_id}")
    assert sum(batch["acknowledged"] for batch in found["batches"]) == found["acknowledged"] == 2
    assert (found["progress"]["phase"], found["progress"]["done"], found["progress"]["total"]) == ("ended", 4, 4)


def begin(project, run_id):
    """A run without an end: of three rows one was acknowledged, and one rejected."""
    state = project.state
    lease = state.acquire("people", "test", 60.0)
    what = {"mode": "mirror", "destination": "app", "object": "people", "identity": "i"}
    state.start_run(run_id, sync="people", token=lease.token, **what)
    journal = Journal(state, run_id, lease.token)
    journal.intend(1, "upsert", [0, 1])
    journal.settle(1, [acknowledged("0"), rejected("1", "BAD", "no")])
    journal.intend(2, "upsert", [2])


def test_a_run_without_an_end_is_told_alike_by_the_beginning_of_its_id(console):
    """As by the whole of it."""
    with Project.load(console.root) as project:
        begin(project, "run-without-an-end")
    found = console.json("/api/runs/run-without")
    assert (found["run_id"], found["acknowledged"], found["rejected"]) == ("run-without-an-end", 1, 1)


def test_a_run_without_an_end_tells_what_its_journal_knows(console):
    """Rows that have outcomes, and the time since it began; requests are counted at its end, and not told as none."""
    with Project.load(console.root) as project:
        begin(project, "r1")
        (run, *_) = project.runs()
        begun = replace(run.record, started_at=run.record.started_at - 3600)
    assert (run.record.tallies.acknowledged, run.record.tallies.rejected) == (1, 1)
    assert "1 h" in render.runs([RunSummary(begun)])
    listed = console.json("/api/runs?limit=1")["runs"][0]
    assert (listed["run_id"], listed["acknowledged"], listed["rejected"]) == ("r1", 1, 1)
    page = console.get("/runs/r1").text
    assert page.count("told when the run has ended") == 2
    assert page.count('data-live="acknowledged"') == 2


def test_rejected_rows_are_grouped_and_paged(console):
    """The group counts both rows; each page has one."""
    first = console.json("/api/syncs/people/rejected?limit=1")
    assert [(group["rows"], group["dismissed"]) for group in first["groups"]] == [(2, 0)]
    second = console.json(f"/api/syncs/people/rejected?limit=1&after={first['next']}")
    assert sorted(row["key"]["id"] for page in (first, second) for row in page["rejected"]) == [3, 4]
    assert second["next"] is None
    code = first["groups"][0]["code"] or ""
    assert len(console.get("/api/syncs/people/rejected", params={"code": code}).json()["rejected"]) == 2
    assert console.get("/api/syncs/people/rejected", params={"code": "other"}).json()["rejected"] == []


@pytest.mark.parametrize("choice", [{"key": {"id": 3}}, {"all": True}, {"code": None}], ids=str)
def test_rows_are_dismissed_and_retried(console, choice):
    """One, those of a code, or all; each is in the audit log."""
    code = console.json("/api/syncs/people/rejected")["groups"][0]["code"] or ""
    choice = {"code": code} if "code" in choice else choice
    rows = 1 if "key" in choice else 2
    assert console.post("/api/syncs/people/rejected/dismiss", choice) == {"sync": "people", "rows": rows}
    assert console.json("/api/syncs/people")["rejected"] == 2 - rows
    assert len(console.json("/api/syncs/people/rejected?state=dismissed")["rejected"]) == rows
    assert console.post("/api/syncs/people/rejected/retry", choice)["rows"] == rows
    assert console.json("/api/syncs/people")["rejected"] == 2
    assert [action for _, action, _ in console.audit()] == ["retry", "dismiss"]


def test_rows_are_chosen_in_one_way(console):
    """Neither none nor two ways; a key that no row has is told."""
    console.post("/api/syncs/people/rejected/retry", {}, code=400)
    console.post("/api/syncs/people/rejected/retry", {"all": True, "code": "x"}, code=400)
    console.post("/api/syncs/people/rejected/retry", {"key": {"id": 99}}, code=404)


def test_a_row_has_its_history(console):
    """The same as `explain --json`; several key columns would be several `key`."""
    story = console.json("/api/syncs/people/row?key=3")
    assert story["key"] == {"id": 3}
    assert {event["status"] for event in story["events"]} == {"rejected"}
    assert console.json("/api/syncs/people/row?key=id%3D3") == story


def test_a_plan_is_made_searched_and_applied(console):
    """The changes are those of `plan --json`; exactly they are carried out, and the audit log says by whom."""
    (console.root / "people.csv").write_text("id,name,email\n1,Anna,ann@x.io\n2,Bob,bob@x.io\n5,Eve,eve@x.io\n")
    kept = plan_made(console)
    with Project.load(console.root) as project:
        made = project.plan("people").to_json(0)
    assert kept["head"]["hash"] == made["hash"]
    found = console.json(f"/api/plans/{kept['plan']}/changes")
    shown = [{name: change[name] for name in made["changes"][0]} for change in found["changes"]]
    assert shown == made["changes"]
    assert (found["matched"], found["sampled"], found["total"]) == (1, 1, 1)
    assert console.json(f"/api/plans/{kept['plan']}/changes?search=ANNA")["matched"] == 1
    assert console.json(f"/api/plans/{kept['plan']}/changes?search=nobody")["matched"] == 0
    assert console.json(f"/api/plans/{kept['plan']}/changes?op=delete")["matched"] == 0
    console.post(f"/api/plans/{kept['plan']}/apply", {"hash": "0" * 64}, code=409)
    asked = console.post(f"/api/plans/{kept['plan']}/apply", {"hash": kept["head"]["hash"]}, code=202)
    (result,) = run_requests(console)
    assert (result.status, result.updates) == ("succeeded", 1)
    assert console.json(f"/api/requests/{asked['request_id']}")["run_id"] == result.run_id
    assert console.audit()[:2] == [("local", "apply", "people"), ("local", "plan", "people")]


def test_a_guard_stops_a_plan_unless_it_is_let_pass(console):
    """As with `apply`: the plan alone is stopped, with the override it goes through."""
    (console.root / "people.csv").write_text("id,name,email\n9,Zoe,zoe@x.io\n")
    sync = console.root / "syncs/people.yml"
    sync.write_text(sync.read_text().replace("max_deletes: 50%", "max_deletes: 1"))
    console.site.desk._looked -= 10
    kept = plan_made(console)
    assert [guard["guard"] for guard in kept["head"]["guards"] if guard["tripped"]] == ["max_deletes"]
    wanted = {"hash": kept["head"]["hash"]}
    console.post(f"/api/plans/{kept['plan']}/apply", wanted, code=202)
    (stopped,) = run_requests(console)
    assert stopped.status == "blocked"
    console.post(f"/api/plans/{kept['plan']}/apply", {**wanted, "overrides": ["max_deletes"]}, code=202)
    (passed,) = run_requests(console)
    assert passed.status == "succeeded"


def test_a_plan_out_of_date_is_told_as_that(console):
    """A run moved the snapshot since: no guard stopped it, and metrics, console and `status` say so."""
    write_people(console.root, [(1, "Anya", "ann@x.io"), *ROWS[1:], (5, "Eve", "eve@x.io")])
    kept = plan_made(console)
    with Project.load(console.root) as project:
        project.run("people")
    assert (kept["stale"], console.json(f"/api/plans/{kept['plan']}")["stale"]) == (False, True)
    assert [each["stale"] for each in console.json("/api/plans")["plans"]] == [True]
    page = console.get(f"/plans/{kept['plan']}").text
    assert "Out of date" in page
    assert "Apply exactly this plan" not in page
    console.post(f"/api/plans/{kept['plan']}/apply", {"hash": kept["head"]["hash"]}, code=202)
    (late,) = run_requests(console)
    assert (late.status, late.exit_code) == ("blocked", 3)
    line = console.json("/api/syncs/people")
    assert (line["status"], line["ending"]) == ("blocked", "outdated")
    assert "plan out of date" in console.get(f"/runs/{late.run_id}").text
    assert "stopped by a guard" not in console.get("/syncs/people").text
    with Project.load(console.root) as project:
        told = metrics.render(project)
    assert 'tailrace_runs_total{status="outdated",sync="people"} 1.0' in told
    assert 'tailrace_runs_total{status="blocked",sync="people"} 0.0' in told


def test_a_plan_that_cannot_be_made_says_why(console):
    """The state tells, and the message names the file."""
    (console.root / "people.csv").unlink()
    kept = console.post("/api/syncs/people/plans", {"wait_s": 60}, code=202)
    assert kept["state"] == "failed"
    assert "people.csv" in kept["message"]
    console.post(f"/api/plans/{kept['plan']}/apply", {"hash": "0" * 64}, code=409)


def test_a_run_is_asked_for_and_made_by_whoever_serves(console):
    """The request waits, is carried out, and says which run it became."""
    asked = console.post("/api/syncs/copies/run", {"full": True}, code=202)
    assert (asked["state"], asked["by"], asked["full"]) == ("waiting", "local", True)
    results = run_requests(console, "copies")
    told = console.json(f"/api/requests/{asked['request_id']}")
    assert told["state"] == "done"
    assert told["run_id"] in {result.run_id for result in results}
    other = console.post("/api/syncs/copies/run", code=202)
    assert console.post(f"/api/requests/{other['request_id']}/withdraw")["done"]
    assert not console.post(f"/api/requests/{other['request_id']}/withdraw")["done"]


def test_pausing_and_taking_it_back(console):
    """Once each; it says whether anything changed, and the sync says who paused it."""
    assert console.post("/api/syncs/people/pause")["done"]
    assert not console.post("/api/syncs/people/pause")["done"]
    line = console.json("/api/syncs/people")
    assert (line["paused"], line["paused_by"], line["next_run"]) == (True, "local", None)
    assert console.post("/api/syncs/people/unpause")["done"]
    console.post("/api/syncs/people/cancel", code=409)


def test_a_reset_wants_the_syncs_name(console):
    """Anything else forgets nothing."""
    console.post("/api/syncs/people/reset", {"confirm": "copies"}, code=400)
    assert console.json("/api/syncs/people")["rejected"] == 2
    console.post("/api/syncs/people/reset", {"confirm": "people"})
    assert console.json("/api/syncs/people")["rejected"] == 0


def test_accounts_tell_their_quota_and_windows(console):
    """A database has no quota; what is not known is null."""
    (account,) = console.json("/api/accounts")["accounts"]
    assert (account["destination"], account["quota_left"], account["syncs"]) == ("app", None, ["copies", "people"])


def test_health_and_metrics_answer(console):
    """For supervisors and Prometheus."""
    assert console.json("/healthz") == console.json("/readyz") == {"status": "ok"}
    assert "# TYPE tailrace_info gauge" in console.get("/metrics").text


def test_a_server_that_is_about_to_end_is_not_ready(console):
    """So that nothing new is sent to it."""
    console.site.desk.closing.set()
    try:
        assert console.json("/readyz", code=503) == {"status": "not ready", "problem": "the server is about to end"}
    finally:
        console.site.desk.closing.clear()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/syncs/nobody", 404),
        ("/api/runs/nobody", 404),
        ("/api/plans/..%2f..", 404),
        ("/api/plans/nobody/changes", 404),
        ("/api/requests/nobody", 404),
        ("/api/runs?limit=0", 400),
        ("/api/runs?limit=5&limit=6", 400),
        ("/api/runs?nothing=1", 400),
        ("/api/runs?before=zzz", 400),
        ("/api/requests?before=zzz", 400),
        ("/api/runs/2", 404),
        ("/api/runs?status=good", 400),
        ("/api/syncs/people/row", 400),
        ("/api/nothing", 404),
    ],
)
def test_what_does_not_fit_is_refused(console, path, code):
    """With a status, and an error in the one form."""
    error = console.get(path, code=code).json()["error"]
    assert set(error) == {"message", "hint"}


@pytest.mark.parametrize("body", ["[1]", "{", '{"full": "yes"}', '{"more": 1}', "NaN", '"\\ud800"', "[" * 100_000])
def test_a_body_that_does_not_fit_is_refused(console, body):
    """Never with a fault of the program."""
    console._judged(console.client.post("/api/syncs/people/run", content=body), 400)


def test_a_large_body_is_refused(console):
    """Before it is all in memory."""
    console._judged(console.client.post("/api/syncs/people/run", content=b" " * (1024 * 1024 + 1)), 413)


def test_the_document_names_every_operation(console):
    """Each with its answers; each reference in it can be followed."""
    document = console.json("/api/openapi.json")
    assert {(path, method) for path, found in document["paths"].items() for method in found} == {
        (operation.path, operation.method.lower()) for operation in OPERATIONS
    }
    names = set(document["components"]["schemas"])
    wanted = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert wanted <= names


def walked(console, path, name, take="before"):
    """All entries of a list, asked for one by one as `next` says."""
    found, following = [], ""
    while following is not None:
        page = console.json(path, params={"limit": 1, **({take: following} if following else {})})
        assert len(page[name]) <= 1
        found += page[name]
        following = page["next"]
    return found


def test_requests_plans_and_changes_come_page_by_page(console):
    """As all lists do: `limit` of them, and `next` for those after."""
    for _ in range(3):
        console.post("/api/syncs/people/run", code=202)
    assert walked(console, "/api/requests", "requests") == console.json("/api/requests")["requests"]
    (console.root / "people.csv").write_text("id,name,email\n1,Anna,ann@x.io\n2,Bobby,bob@x.io\n5,Eva,eve@x.io\n")
    kept = [plan_made(console)["plan"] for _ in range(2)]
    assert [each["plan"] for each in walked(console, "/api/plans", "plans")] == kept[::-1]
    path = f"/api/plans/{kept[0]}/changes"
    assert walked(console, path, "changes", "offset") == console.json(path)["changes"]
    assert len(console.json(path)["changes"]) == 3


def test_a_run_is_found_by_the_beginning_of_its_id(console):
    """As on the command line, where that is one run's; several are named."""
    newest = console.json("/api/runs")["runs"][0]["run_id"]
    last_part = newest.rpartition("-")[2]
    assert (
        console.json(f"/api/runs/{newest[:-3]}")["run_id"] == console.json(f"/api/runs/{last_part}")["run_id"] == newest
    )
    assert newest in console.get(f"/runs/{newest[:-3]}").text
    error = console.get(f"/api/runs/{newest[:8]}", code=409).json()["error"]
    assert newest in error["message"]


def test_a_request_for_a_paused_sync_says_what_it_waits_for(console):
    """In the answer, in the list and on the page; a dry run is made all the same, so it does not say so."""
    console.post("/api/syncs/people/pause")
    asked = console.post("/api/syncs/people/run", code=202)
    assert (asked["state"], asked["message"]) == ("waiting", "waits: the sync is paused")
    assert console.json("/api/requests")["requests"] == [asked]
    assert "waits: the sync is paused" in console.get("/syncs/people").text
    assert console.post("/api/syncs/people/run", {"dry_run": True}, code=202)["message"] is None
    console.post("/api/syncs/people/unpause")
    assert console.json(f"/api/requests/{asked['request_id']}")["message"] is None
    assert "waits to be taken" in console.get("/syncs/people").text


def test_the_document_has_refusals_only_where_they_can_happen(console):
    """A list that takes no body cannot be too large, and asks no destination."""
    paths = console.json("/api/openapi.json")["paths"]
    told = {path: set(found["get"]["responses"]) for path, found in paths.items() if "get" in found}
    assert told["/api/syncs"] == {"200", "401", "503"}
    assert told["/api/runs"] == {"200", "400", "401", "404", "503"}
    resolve = set(paths["/api/syncs/{name}/unknown/resolve"]["post"]["responses"])
    assert resolve == {"200", "400", "401", "403", "404", "409", "413", "502", "503"}
    assert "502" not in paths["/api/syncs/{name}/pause"]["post"]["responses"]


def test_metrics_tell_whether_files_are_broken(console):
    """Before, while and after they are: an alert needs all of it."""
    right = (console.root / "tailrace.yml").read_text()
    assert "tailrace_project_fault 0.0" in console.get("/metrics").text
    for text, told in (("warehouses: 7\n", "1.0"), (f"{right}\n", "0.0")):
        (console.root / "tailrace.yml").write_text(text)
        console.site.desk._looked -= 10
        assert f"tailrace_project_fault {told}" in console.get("/metrics").text


def test_broken_files_keep_the_last_good_ones(console):
    """What is shown goes on; the fault is told, on pages too."""
    (console.root / "tailrace.yml").write_text("warehouses: 7\n")
    console.site.desk._looked -= 10
    assert "warehouses" in console.json("/api/me")["fault"]
    assert (
        "The project&#39;s files have a fault" in console.get("/").text or "files have a fault" in console.get("/").text
    )
    assert len(console.json("/api/syncs")["syncs"]) == 2
