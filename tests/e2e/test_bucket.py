"""Snapshots in a bucket through the command line, against an S3 server on this machine."""

import itertools
import logging
import os
import shutil
import threading
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection

import obstore
import pytest
from moto.server import ThreadedMotoServer

from tailrace.snapshot import remote
from tailrace.snapshot.store import SnapshotStore

DENIED = (
    b"<?xml version='1.0'?><Error><Code>InvalidAccessKeyId</Code>"
    b"<Message>The AWS Access Key Id you provided does not exist in our records.</Message></Error>"
)
FIRST = ((1, "Ann", "ann@example.com", 10.5), (2, "Bob", None, 20), (3, "Cid", "cid@example.com", 0))
SECOND = (FIRST[0], (2, "Rob", None, 20), (4, "Dee", None, 7))
WRONG = "AKIAWRONG"
_numbers = itertools.count(1)


class Door:
    """Stands before the server: lets one request in at a time, and none with a key that is not ours."""

    def __init__(self, app):
        self.app = app
        self.lock = threading.Lock()
        self.read_only = False

    def __call__(self, environ, start_response):
        write = environ["REQUEST_METHOD"] in {"PUT", "POST", "DELETE"}
        if WRONG in environ.get("HTTP_AUTHORIZATION", "") or (self.read_only and write):
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(DENIED)))])
            return [DENIED]
        with self.lock:
            return self.app(environ, start_response)


@pytest.fixture(scope="module")
def server():
    """An S3 server on a free port."""
    logger = logging.getLogger("werkzeug")
    level = logger.level
    logger.setLevel(logging.ERROR)
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    running._server.app = Door(running._server.app)
    yield running
    running.stop()
    logger.setLevel(level)


@pytest.fixture
def door(server):
    """What stands before the server."""
    server._server.app.read_only = False
    return server._server.app


@pytest.fixture
def bucket(server, door, monkeypatch):
    """The address of an empty bucket, and an environment in which it is found."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ALLOW_HTTP": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "RETRIES", 0)
    name = f"prod-{next(_numbers)}"
    with closing(HTTPConnection(*server.get_host_and_port())) as connection:
        connection.request("PUT", f"/{name}")
        assert connection.getresponse().status == HTTPStatus.OK
    return f"s3://{name}/tailrace"


def objects(bucket):
    """Names of all objects in a bucket."""
    store = obstore.store.from_url(bucket, client_options={"allow_http": True})
    return {item["path"] for page in store.list() for item in page}


def configure(workspace, *, snapshots, state=None):
    """Keep the snapshots, and the state, elsewhere; the table is beside all of them."""
    lines = [f"snapshots: {snapshots}"]
    lines += [f"state: {state}"] if state else []
    config = (workspace.root / "tailrace.yml").read_text()
    config = config.replace("sqlite:///app.db", f"sqlite:///{workspace.root}/app.db")
    workspace.write("tailrace.yml", "\n".join([*lines, config]))
    workspace.people(*FIRST)


def ran(workspace, **how):
    (run,) = workspace.run("run", "people", "--json", **how).json["runs"]
    return run


def said(workspace):
    """What a plan would do, by key."""
    (plan,) = workspace.run("plan", "people", "--json").json["plans"]
    return {change["key"]["id"]: (change["op"], change["fields"]) for change in plan["changes"]}


def machine(workspace, root):
    """Another machine with the same project, and nothing of what the first one has on its disk."""
    shutil.copytree(workspace.root, root, ignore=shutil.ignore_patterns(".tailrace", "*.db"))
    return type(workspace)(root)


def test_a_project_lives_in_a_bucket(workspace, bucket):
    """Run, change, run, plan, explain; all that is kept is in the bucket, and what is here may be thrown away."""
    configure(workspace, snapshots=bucket)
    assert workspace.spawn("run", "people", "--json").json["runs"][0]["acknowledged"] == 3
    workspace.people(*SECOND)
    assert said(workspace) == {
        2: ("update", {"name": {"old": "Bob", "new": "Rob"}}),
        3: ("delete", {}),
        4: ("insert", said(workspace)[4][1]),
    }
    assert ran(workspace)["acknowledged"] == 3
    shutil.rmtree(workspace.root / ".tailrace/cache")
    assert workspace.spawn("plan", "--exit-code").code == 0
    assert ran(workspace)["status"] == "nothing_to_do"
    story = workspace.run("explain", "people", "--key", "2", "--json").json
    assert [event["fields"].keys() for event in story["events"]] == [{"name", "spent", "source"}, {"name"}]
    assert workspace.run("status", "--json").json["syncs"][0]["snapshot_rows"] == 3
    assert not (workspace.root / ".tailrace/snapshots").exists()
    names = objects(bucket)
    assert {name.split("/")[0] for name in names} == {"people", "_conditional-writes"}
    assert sum(name.endswith("/meta.json") for name in names) == 2


@pytest.mark.parametrize("state", ["sqlite", "postgres"])
def test_a_second_machine_goes_on_where_the_first_left_off(workspace, bucket, tmp_path_factory, request, state):
    """With the bucket and the state in common, it matters not which machine runs."""
    here = f"sqlite:///{workspace.root}/shared.db"
    url = here if state == "sqlite" else request.getfixturevalue("postgres_database")
    configure(workspace, snapshots=bucket, state=f"'{url}'")
    other = machine(workspace, tmp_path_factory.mktemp("other") / "project")
    assert ran(workspace)["acknowledged"] == 3
    assert ran(other)["status"] == "nothing_to_do"
    for one in (workspace, other):
        one.people(*SECOND)
    plan = said(other)
    assert plan == said(workspace)
    assert plan.keys() == {2, 3, 4}
    assert ran(other)["acknowledged"] == 3
    assert said(workspace) == {}
    assert ran(workspace)["status"] == "nothing_to_do"
    workspace.people(*FIRST)
    assert ran(workspace)["acknowledged"] == 3
    told = [one.run("explain", "people", "--key", "2", "--json").json for one in (workspace, other)]
    assert told[0] == told[1]
    assert [event["op"] for event in told[0]["events"]] == ["insert", "update", "update"]
    assert [row[1] for row in workspace.table()] == ["Ann", "Bob", "Cid"]


def test_a_run_that_broke_off_is_settled_by_the_other_machine(workspace, bucket, tmp_path, monkeypatch):
    """What was sent is known to whoever comes next: nothing is sent a second time."""
    configure(workspace, snapshots=bucket, state=f"'sqlite:///{workspace.root}/shared.db'")
    other = machine(workspace, tmp_path / "other")
    with monkeypatch.context() as broken:
        broken.setattr(SnapshotStore, "commit", interrupted)
        workspace.run("run", "people", code=130)
    assert len(workspace.table()) == 3
    run = ran(other)
    assert (run["status"], run["acknowledged"]) == ("nothing_to_do", 0)
    assert "3 acknowledged" in run["recovered"][0]


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (
            "bucket",
            ["s3://no-such-bucket/tailrace/people/", "NoSuchBucket", "Create the bucket, or correct the address."],
        ),
        ("key", ["InvalidAccessKeyId", "Check the credentials, and that they may list, read, write and remove"]),
        ("endpoint", ["error sending request", "Check the network, the region and the endpoint in the environment"]),
        ("http", ["The endpoint is not https://. Where that is meant, set AWS_ALLOW_HTTP=true."]),
    ],
)
def test_a_bucket_that_cannot_be_had_is_told(workspace, bucket, monkeypatch, what, words):
    """What is wrong and what to do, exit code 1, and nothing is sent; without keys, and without a traceback."""
    configure(workspace, snapshots="s3://no-such-bucket/tailrace" if what == "bucket" else bucket)
    if what == "key":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", WRONG)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    elif what == "endpoint":
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    elif what == "http":
        monkeypatch.delenv("AWS_ALLOW_HTTP")
    for command in (["plan"], ["run", "people"], ["explain", "people", "--key", "1"], ["adopt", "people", "--yes"]):
        answer = workspace.run(*command, code=1)
        text = answer.out + answer.err
        assert [word for word in words if word not in text] == [], text
        assert WRONG not in text
        assert "secret-canary" not in text
    assert "unreadable" in workspace.run("status").out
    assert not (workspace.root / "app.db").exists() or workspace.table("sqlite_master") == []


@pytest.mark.parametrize(
    ("address", "words"),
    [("ftp://x/y", "an address that begins with s3://"), ("s3://me:canary@x/y", "a password or a query in it")],
)
def test_an_address_that_is_none_is_a_fault_of_the_file(workspace, address, words):
    """Exit code 2: a scheme nobody knows, or a password in the address, which is not shown."""
    configure(workspace, snapshots=address)
    answer = workspace.run("plan", code=2)
    assert words in answer.err
    assert "canary" not in answer.out + answer.err


def test_who_may_not_write_sends_nothing(workspace, bucket, door):
    """What is to be sent must be durable before it is: with leave to read alone, a plan is all there is."""
    configure(workspace, snapshots=bucket)
    door.read_only = True
    assert said(workspace).keys() == {1, 2, 3}
    answer = workspace.run("run", "people", code=1)
    assert "Check the credentials, and that they may list, read, write and remove objects there." in answer.out
    assert not (workspace.root / "app.db").exists() or workspace.table("sqlite_master") == []
    door.read_only = False
    assert ran(workspace)["acknowledged"] == 3
