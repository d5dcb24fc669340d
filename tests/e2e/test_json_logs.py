"""With `--log-format json` all of stderr is lines of JSON, and what nobody need watch is told there."""

import json
import signal

from tests.e2e.served import served

JSON = ("--log-format", "json")
BROKEN = "select 1 as id, 'x' as name from nowhere"


def lines(text):
    """The log's lines, each with what all of them have."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in found)
    return found


def scheduled(workspace):
    """Have the people go out each hour."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "schedule: {every: 1h}\n")
    return workspace


def test_a_round_tells_its_runs_in_the_log(workspace):
    """With ids, how it ended and numbers of rows, whatever the level; nothing is on stdout."""
    scheduled(workspace)
    answer = workspace.run(*JSON, "--log-level", "error", "run", "--due")
    (line,) = lines(answer.err)
    assert answer.out == ""
    assert (line["level"], line["sync"], line["status"], line["acknowledged"]) == ("info", "people", "succeeded", 3)
    (run,) = workspace.run("runs", "--json").json["runs"]
    assert (line["run_id"], line["ending"]) == (run["run_id"], run["ending"])
    assert line["message"].startswith("people  succeeded")
    (line,) = lines(workspace.run(*JSON, "run", "--due").err)
    assert line["message"] == "nothing is due"


def test_a_run_that_fails_says_why_in_fields(workspace):
    """So that an alert on logs need not read the message."""
    scheduled(workspace).write("models/people.sql", BROKEN)
    answer = workspace.run(*JSON, "run", "--due", code=1)
    line = lines(answer.err)[-1]
    assert (answer.out, line["ending"]) == ("", "failed")
    assert "nowhere" in line["why"]


def test_reports_and_objects_stay_on_stdout(workspace):
    """What was asked for is no line of a log: a report, or one object with `--json`."""
    answer = workspace.run(*JSON, "run", "people")
    assert answer.out.startswith("people  succeeded")
    assert answer.err == ""
    scheduled(workspace).people()
    answer = workspace.run(*JSON, "plan", "people", "--json")
    assert (answer.json["plans"][0]["sync"], answer.err) == ("people", "")


def test_errors_are_lines_of_the_log(workspace):
    """Of the command, with its exit code; of one sync among several, with its name; text has `error:` before them."""
    (line,) = lines(workspace.run(*JSON, "pause", "nobody", code=2).err)
    assert (line["level"], line["exit_code"]) == ("error", 2)
    assert not line["message"].startswith("error")
    assert workspace.run("pause", "nobody", code=2).err.startswith("error: ")
    workspace.write("models/people.sql", BROKEN)
    (line,) = lines(workspace.run(*JSON, "plan", code=1).err)
    assert (line["level"], line["sync"]) == ("error", "people")
    workspace.write("tailrace.yml", "warehouses: 7\n")
    (line,) = lines(workspace.run(*JSON, "status", code=2).err)
    assert "tailrace.yml:1" in line["message"]


def test_serve_is_a_log_from_its_first_line_to_its_last(workspace):
    """Where the console is, the schedule, each run, and that it was told to stop."""
    with served(scheduled(workspace), *JSON, log=True) as serve:
        ended = serve.until("/api/runs", lambda found: any(run["finished_at"] for run in found["runs"]))
        out, err = serve.stop()
    told = [serve.first, *lines(err)]
    assert out == ""
    assert told[0]["url"] == serve.url
    (schedule,) = [line for line in told if "syncs" in line]
    assert [(each["sync"], each["after"]) for each in schedule["syncs"]] == [("people", [])]
    (run,) = [line for line in told if "run_id" in line]
    assert run["run_id"] == ended["runs"][0]["run_id"]
    stopping = ("warning", "stopping; press Ctrl-C again to stop now")
    assert stopping in [(line["level"], line["message"]) for line in told]


def test_a_run_that_is_stopped_says_so_in_the_log(workspace, hook):
    """A signal's words are a line as well."""
    hook.hold(after=1)
    begun = workspace.begin(*JSON, "run", "people")
    assert hook.waiting.wait(60)
    begun.send_signal(signal.SIGTERM)
    stopping = json.loads(begun.stderr.readline())
    hook.go.set()
    out, err = begun.communicate(timeout=60)
    assert (stopping["level"], begun.returncode) == ("warning", 143)
    assert "stopping after the batches in flight" in stopping["message"]
    assert lines(err) == []
    assert out.startswith("people  interrupted")
