"""The examples under docs/operate-examples: what supervisors read of them, and what their commands do."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from configparser import RawConfigParser
from pathlib import Path

import pytest
import yaml

from tailrace.api import Project

EXAMPLES = Path(__file__).parents[2] / "docs/operate-examples"
UNITS = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in {".service", ".timer"})
KUBERNETES = ["kubernetes-deployment.yaml", "kubernetes-cronjob.yaml"]
BROKEN = "select 1 as id from nowhere"


def unit(name):
    """A systemd unit by its sections; keys as they are written."""
    parser = RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string((EXAMPLES / name).read_text())
    return parser


def pod(name):
    """What a pod of a Kubernetes example is."""
    spec = yaml.safe_load((EXAMPLES / name).read_text())["spec"]
    return (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]["spec"]


def image():
    """The instructions of the Dockerfile, lines joined."""
    text = (EXAMPLES / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]


def commands():
    """The program's arguments in each example that runs it for good or for a round."""
    found = {name: shlex.split(unit(name)["Service"]["ExecStart"])[1:] for name in UNITS if name.endswith(".service")}
    found |= {name: pod(name)["containers"][0]["args"] for name in KUBERNETES}
    found["Dockerfile"] = json.loads(dict(image())["CMD"])
    return found


STAYING = {name: words for name, words in commands().items() if words[0] == "serve"}
ROUNDS = {name: words for name, words in commands().items() if words[0] == "run"}


@pytest.fixture
def scheduled(workspace):
    """A project whose sync is due."""
    sync = workspace.root / "syncs/people.yml"
    sync.write_text(sync.read_text() + "schedule: {every: 1h}\n")
    return workspace


def test_there_are_examples_of_both_kinds():
    """Each is one or the other."""
    assert set(STAYING) == {"tailrace.service", "kubernetes-deployment.yaml", "Dockerfile"}
    assert set(ROUNDS) == {"tailrace-due.service", "kubernetes-cronjob.yaml"}


@pytest.mark.slow
@pytest.mark.parametrize("words", {tuple(words) for words in STAYING.values()}, ids=" ".join)
def test_what_stays_runs_what_is_due_and_ends_well(scheduled, words):
    """A supervisor's SIGTERM ends it with 0."""
    process = subprocess.Popen(
        scheduled.command(*words, "--port", "0"),
        cwd=scheduled.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with Project.load(scheduled.root) as project:
            pause = threading.Event()
            while not any(run.record.finished_at for run in project.runs()):
                assert process.poll() is None
                pause.wait(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "people" in (err if "json" in words else out)
    assert len(scheduled.table()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("words", {tuple(words) for words in ROUNDS.values()}, ids=" ".join)
def test_what_makes_a_round_ends_by_itself(scheduled, words):
    """It runs what is due, and then there is nothing to do."""
    scheduled.spawn(*words)
    assert len(scheduled.table()) == 3
    scheduled.spawn(*words)


@pytest.mark.parametrize("name", UNITS)
def test_units_are_understood_by_systemd(name, tmp_path):
    """`systemd-analyze verify` finds nothing to say, with paths of this machine in place of the example's."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd here")
    for each in UNITS:
        text = (EXAMPLES / each).read_text()
        text = re.sub(r"/opt/tailrace/bin/tailrace", sys.executable, text)
        (tmp_path / each).write_text(re.sub(r"^User=.*", "User=root", text, flags=re.MULTILINE))
    done = subprocess.run(
        [analyze, "verify", str(tmp_path / name)], capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if name in line]
    assert said == [], done.stderr


def test_services_leave_batches_the_time_to_end():
    """Supervisors wait for longer than the grace period before they kill."""
    services = [unit(name)["Service"] for name in UNITS if name.endswith(".service")]
    assert all(int(service["TimeoutStopSec"]) >= 60 for service in services)
    assert all(pod(name)["terminationGracePeriodSeconds"] >= 60 for name in KUBERNETES)


@pytest.mark.parametrize("name", KUBERNETES)
def test_pods_can_write_where_the_program_writes(name):
    """The root is read-only, so the work folder and that for temporary files are volumes; nothing runs as root."""
    spec = pod(name)
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/srv/shop/.tailrace", "/tmp"}  # noqa: S108
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    assert spec["securityContext"]["runAsNonRoot"]


def test_the_image_has_extras_that_exist(root):
    """What it installs is what the package offers, and it does not run as root."""
    steps = image()
    (extras,) = re.findall(r"tailrace\[([a-z,-]+)\]", " ".join(step for _, step in steps))
    assert set(extras.split(",")) <= offered(root)
    assert dict(steps)["USER"] == "tailrace"
    assert dict(steps)["ENTRYPOINT"] == '["tailrace"]'


def offered(root):
    """Names of the package's extras."""
    text = (root / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    return set(re.findall(r"^([a-z-]+) = \[", text.partition("\n[")[0], re.MULTILINE))


@pytest.fixture
def root():
    """The repository."""
    return Path(__file__).parents[2]


@pytest.fixture
def step(workspace, tmp_path):
    """Runs one step of the workflow as a runner does, with `tailrace` of this code and a `gh` that writes down."""
    jobs = yaml.safe_load((EXAMPLES / "github-workflow.yml").read_text())["jobs"]
    programs = tmp_path / "bin"
    programs.mkdir()
    script(programs / "tailrace", f'exec {shlex.quote(sys.executable)} -m tailrace "$@"')
    script(programs / "gh", f'echo "$@" >> {programs}/called; case "$*" in *--edit-last*) exit 1;; esac')

    def run(job, name, **env):
        (found,) = [each["run"] for each in jobs[job]["steps"] if each.get("name") == name]
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [shutil.which("bash"), "-e", "-o", "pipefail", "-c", found],
            cwd=workspace.root,
            env={**os.environ, **env, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    run.called = programs / "called"
    return run


def script(path, text):
    """An executable file."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("jq") is None, reason="GitHub's runners have jq, this machine has not")
def test_the_workflow_comments_what_a_run_would_do(workspace, step):
    """With numbers, and no value of a row; a new comment where there is none to edit."""
    assert step("plan", "Check").returncode == 0
    done = step("plan", "Plan")
    assert done.returncode == 0, done.stderr
    comment = (workspace.root / "comment.md").read_text()
    assert "| people | 3 | 0 | 0 | 0 |  |" in comment
    assert "Ann" not in comment
    assert step("plan", "Comment", PULL_REQUEST="7").returncode == 0
    assert step.called.read_text().splitlines() == [
        "pr comment 7 --edit-last --body-file comment.md",
        "pr comment 7 --body-file comment.md",
    ]


@pytest.mark.slow
def test_the_workflow_runs_all_when_it_is_merged(workspace, step):
    """And fails where a run fails."""
    done = step("apply", "Run")
    assert done.returncode == 0, done.stderr
    assert len(workspace.table()) == 3
    workspace.write("models/people.sql", BROKEN)
    assert step("apply", "Run").returncode == 1
    assert step("plan", "Check").returncode != 0
