"""Alerts over Apprise to a real receiver: told once, together, not in quiet hours, and when it is over."""

import json
import re
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tailrace.alerts import Watch
from tailrace.api import Project
from tailrace.errors import AlertError
from tailrace.state import NewIssue

NOON = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
BROKEN = "select 1 as id, 'x' as name from nowhere"


class Receiver(ThreadingHTTPServer):
    """Keeps what Apprise sends to `json://`; refuses it when told to."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages, self.refusing = [], False
        self.serving = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.serving.start()

    @property
    def url(self):
        return f"json://127.0.0.1:{self.server_address[1]}/path-with-a-secret"

    def taken(self):
        """Title, text and type of what came since the last look."""
        found = [(each["title"], each["message"], each["type"]) for each in self.messages]
        self.messages.clear()
        return found


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.server.refusing:
            self.server.messages.append(body)
        self.send_response(500 if self.server.refusing else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(monkeypatch):
    """A receiver whose address is in the environment."""
    server = Receiver()
    monkeypatch.setenv("ALERT_URL", server.url)
    yield server
    server.shutdown()
    server.serving.join()
    server.server_close()


@pytest.fixture
def watched(workspace, receiver):
    """A project that tells the receiver."""
    configure(workspace, "to: ['${env:ALERT_URL}']")
    return workspace


def configure(workspace, alerts):
    """Write the project's alerts."""
    text = (workspace.root / "tailrace.yml").read_text().partition("alerts:")[0]
    workspace.write("tailrace.yml", f"{text}alerts: {{{alerts}}}\n")


def look(workspace, at=NOON):
    """One look by a process of its own, at that time."""
    with Project.load(workspace.root) as project:
        return Watch(project._session, clock=lambda: at).look()


def called(workspace, words):
    """A title: it names the project by its folder."""
    return f"Tailrace {workspace.root.name}: {words}"


def reject(workspace):
    """Run, and have a row be refused."""
    workspace.run("run", "people")
    with Project.load(workspace.root) as project:
        from tailrace.running.planner import known_identity  # noqa: PLC0415

        digest = known_identity(project._session, project.syncs["people"]).digest
        issue = NewIssue('{"id":7}', "insert", "upsert", "rejected", "BAD", "ann@example.com is taken", "p")
        project.state.record_issues("people", digest, "r1", [issue], max_attempts=5)


def test_a_failure_is_told_once_and_so_is_its_end(watched, receiver):
    """However often it fails for the same reason; a good run ends it, and good runs are not told."""
    watched.run("run", "people")
    assert look(watched) == 0
    good = (watched.root / "models/people.sql").read_text()
    watched.write("models/people.sql", BROKEN)
    watched.run("run", "people", code=1)
    assert look(watched) == 1
    ((title, text, kind),) = receiver.taken()
    assert (title, kind) == (called(watched, "1 sync is in trouble"), "failure")
    assert text.startswith("people: failed: ")
    assert "nowhere" in text
    watched.run("run", "people", code=1)
    assert (look(watched), receiver.taken()) == (0, [])
    watched.write("models/people.sql", good)
    watched.run("run", "people")
    assert look(watched) == 1
    ((title, text, kind),) = receiver.taken()
    assert (title, kind) == (called(watched, "1 sync is well again"), "success")
    assert text.startswith("people: over: failed, since 2026-06-03 12:00 UTC")
    assert look(watched) == 0


def test_what_comes_at_once_is_told_in_one_message(watched, receiver):
    """Of several syncs and kinds, to those who are told the same; a sync with addresses of its own has its own."""
    for name in ("a", "b"):
        watched.write(f"syncs/{name}.yml", (watched.root / "syncs/people.yml").read_text())
    text = (watched.root / "syncs/b.yml").read_text()
    watched.write("syncs/b.yml", f"{text}alerts: {{to: ['${{env:ALERT_URL}}?x=1'], on: [failed]}}\n")
    watched.write("models/people.sql", BROKEN)
    for name in ("people", "a", "b"):
        watched.run("run", name, code=1)
    assert look(watched) == 2
    titles = sorted((title, len(text.splitlines())) for title, text, _ in receiver.taken())
    assert titles == [(called(watched, "1 sync is in trouble"), 1), (called(watched, "2 syncs are in trouble"), 2)]


def test_rejected_rows_are_told_by_number_and_not_by_value(watched, receiver):
    """No key and no message of the destination goes out."""
    reject(watched)
    assert look(watched) == 1
    ((_, text, _),) = receiver.taken()
    assert text == "people: 1 rejected row"


def test_a_dismissal_is_no_good_news(watched, receiver):
    """The rows did not get through: it is told that they are set aside. When they have, all is well."""
    reject(watched)
    look(watched)
    receiver.taken()
    watched.run("dismiss", "people")
    assert look(watched) == 1
    ((title, text, kind),) = receiver.taken()
    assert (title, kind) == (called(watched, "rejected rows of 1 sync are dismissed"), "info")
    over = "people: over: rejected rows, since 2026-06-03 12:00 UTC"
    assert text == f"{over}; 1 row is dismissed, and not sent until changed or retried"
    watched.run("retry", "people")
    assert (look(watched), len(receiver.taken())) == (1, 1)
    watched.run("run", "people")  # the model has no such row any more
    assert look(watched) == 1
    ((title, text, kind),) = receiver.taken()
    assert (title, text, kind) == (called(watched, "1 sync is well again"), over, "success")


def test_messages_lead_to_the_console_where_that_is_known(watched, receiver):
    """By `serve.url`, else by `oidc`; a guard is called one once."""
    text = (watched.root / "tailrace.yml").read_text()
    watched.write("tailrace.yml", f"serve: {{url: 'https://tailrace.example.com/'}}\n{text}")
    watched.run("run", "people")
    watched.people()
    watched.run("run", "people", code=3)
    assert look(watched) == 1
    ((_, said, _),) = receiver.taken()
    guard = "on_empty: the model gives no row, the snapshot has 3 rows. Nothing was written."
    assert said == f"people: stopped by a guard: {guard}\nsee https://tailrace.example.com"
    watched.run("notify", "--test")
    assert receiver.taken()[0][1].endswith("arrive here.\nsee https://tailrace.example.com")


def test_quiet_hours_put_off_what_still_holds(watched, receiver):
    """What began and ended meanwhile is never told."""
    configure(watched, "to: ['${env:ALERT_URL}'], quiet: [{from: '22:00', to: '06:00'}]")
    good = (watched.root / "models/people.sql").read_text()
    night, morning = NOON + timedelta(hours=11), NOON + timedelta(hours=18)
    watched.write("models/people.sql", BROKEN)
    watched.run("run", "people", code=1)
    assert (look(watched, night), receiver.taken()) == (0, [])
    assert look(watched, morning) == 1
    assert "failed" in receiver.taken()[0][1]
    watched.write("models/people.sql", good)
    watched.run("run", "people")
    assert look(watched, night) == 0
    watched.write("models/people.sql", BROKEN)
    watched.run("run", "people", code=1)
    assert (look(watched, morning), receiver.taken()) == (0, [])


def test_notify_says_that_quiet_hours_hold_it_back(watched, receiver):
    """Until when, and of which syncs; a test goes out all the same, and says so too."""
    at = datetime.now(UTC)
    start, end = (at + timedelta(hours=hours) for hours in (-1, 1))
    window = f"{{from: '{start:%H:%M}', to: '{end:%H:%M}'}}"
    configure(watched, f"to: ['${{env:ALERT_URL}}'], quiet: [{window}]")
    assert watched.run("notify").out == "0 messages sent\n"
    watched.write("models/people.sql", BROKEN)
    watched.run("run", "people", code=1)
    words = f"quiet hours until {end:%Y-%m-%d %H:%M} UTC: what is wrong with people by then is told then"
    assert watched.run("notify").out.splitlines() == ["0 messages sent", words]
    assert receiver.taken() == []
    assert watched.run("notify", "--test").out.splitlines() == ["the test was taken by all addresses", words]
    assert len(receiver.taken()) == 1
    configure(watched, "to: ['${env:ALERT_URL}'], quiet: [{from: '00:00', to: '24:00'}]")
    assert watched.run("notify").out.splitlines()[1] == "quiet hours without an end: of people nothing is ever told"


def test_what_was_not_taken_is_told_again(watched, receiver):
    """A receiver that is away costs nothing but time."""
    watched.write("models/people.sql", BROKEN)
    watched.run("run", "people", code=1)
    receiver.refusing = True
    assert look(watched) == 0
    receiver.refusing = False
    assert look(watched) == 1
    assert len(receiver.taken()) == 1


def test_a_sync_that_cannot_be_judged_is_not_told_to_be_well(watched, receiver):
    """Its alert stays until it is known how it stands; one of a sync that is no more is nobody's here."""
    watched.write("models/people.sql", BROKEN)
    watched.run("run", "people", code=1)
    look(watched)
    receiver.taken()
    sync = (watched.root / "syncs/people.yml").read_text()
    watched.write("syncs/people.yml", sync.replace("mode: mirror", "mode: mirror\non_delete: hard_delete"))
    assert (look(watched), receiver.taken()) == (0, [])
    with Project.load(watched.root) as project:
        assert [(alert.sync, alert.kind) for alert in project.alerts()] == [("people", "failed")]
    watched.write("syncs/other.yml", sync)
    (watched.root / "syncs/people.yml").unlink()
    assert (look(watched), receiver.taken()) == (0, [])
    with Project.load(watched.root) as project:
        assert project.alerts() == []
        assert len(project.state.alerts()) == 1
    assert look(watched, NOON + timedelta(days=91)) == 0
    with Project.load(watched.root) as project:
        assert project.state.alerts() == []


def test_two_processes_do_not_tell_it_twice(watched, receiver):
    """While one looks, another does nothing."""
    watched.write("models/people.sql", BROKEN)
    watched.run("run", "people", code=1)
    with Project.load(watched.root) as project:
        seen = []

        def slow(to, title, body, tone):
            seen.append(title)
            assert look(watched) == 0

        assert Watch(project._session, sender=slow, clock=lambda: NOON).look() == 1
    assert (len(seen), receiver.taken()) == (1, [])
    assert look(watched) == 0


def test_a_round_tells_what_went_wrong_in_it(watched, receiver):
    """`run --due` looks at its end."""
    sync = watched.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "schedule: {every: 1h}\n")
    watched.write("models/people.sql", BROKEN)
    watched.run("run", "--due", code=1)
    assert len(receiver.taken()) == 1
    assert watched.run("notify").out == "0 messages sent\n"


def test_a_test_message_is_sent_on_demand(watched, receiver):
    """To all addresses; what goes wrong says which, without the URL."""
    assert "taken by all" in watched.run("notify", "--test").out
    assert receiver.taken() == [
        (called(watched, "a test"), "This is a test: alerts of this project arrive here.", "info")
    ]
    receiver.refusing = True
    answer = watched.run("notify", "--test", code=1)
    assert "${env:ALERT_URL} (number 1 of `to`: " in answer.err
    assert "500" in answer.err
    assert "path-with-a-secret" not in answer.out + answer.err


def test_what_is_no_url_of_apprise_is_named(watched, monkeypatch):
    """By its reference, and never as it is."""
    monkeypatch.setenv("ALERT_URL", "carrier-pigeon://loft")
    with Project.load(watched.root) as project, pytest.raises(AlertError, match=r"\$\{env:ALERT_URL\}.*no Apprise URL"):
        project.notify_test()


def test_without_addresses_the_test_says_so(workspace):
    """And what to write."""
    answer = workspace.run("notify", "--test", code=2)
    assert "nobody is to be told" in answer.err
    assert "alerts: {to: [...]}" in answer.err


def test_a_url_in_the_file_itself_is_refused(workspace):
    """It is a secret, whatever service it is of."""
    configure(workspace, "to: ['slack://token']")
    answer = workspace.run("status", code=2)
    assert "alerts.to" in answer.err
    assert "must not stand in the file itself" in answer.err


def test_check_names_addresses_that_apprise_does_not_understand(watched, monkeypatch, receiver):
    """By file and line, each of them, with the reference in place of what it says; nothing is sent."""
    assert "alerts: 1 address that Apprise understands" in watched.run("check").out
    monkeypatch.setenv("ALERT_URL", "carrier-pigeon://loft-with-a-secret")
    monkeypatch.setenv("OTHER_URL", "json://")
    sync = (watched.root / "syncs/people.yml").read_text()
    watched.write("syncs/people.yml", f"{sync}alerts: {{to: ['${{env:OTHER_URL}}', '${{env:NO_SUCH_URL}}']}}\n")
    answer = watched.run("check", code=2)
    said = answer.out + answer.err
    line = (watched.root / "tailrace.yml").read_text().splitlines().index("alerts: {to: ['${env:ALERT_URL}']}") + 1
    assert f"tailrace.yml:{line}:15: ${{env:ALERT_URL}} is no Apprise URL" in said
    assert re.search(r"people\.yml:\d+:15: \$\{env:OTHER_URL\} is no Apprise URL", said)
    assert re.search(r"people\.yml:\d+:35: .*NO_SUCH_URL", said)
    assert "secret" not in said
    assert receiver.taken() == []
