"""The API against its own OpenAPI document: whatever fits is taken, whatever does not is refused as documented."""

import json
import subprocess
import sys

import pytest
from tests.e2e.served import served

from tailrace import Project

pytestmark = pytest.mark.slow
EXAMPLES = 20


def with_what_is_there(serve, headers):
    """The document, with the names of what the project has: else most requests would be for what it has not."""
    plan = serve.post("/api/syncs/people/plans", {"wait_s": 60}, headers=headers)
    there = {
        "name": "people",
        "run_id": serve.get("/api/runs", headers=headers)["runs"][0]["run_id"],
        "plan": plan["plan"],
        "request_id": serve.post("/api/syncs/people/run", headers=headers)["request_id"],
    }
    document = serve.get("/api/openapi.json", headers=headers)
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["schema"] = {"type": "string", "enum": [there[parameter["name"]]]}
    return document


def test_schemathesis_finds_nothing(workspace):
    """No fault of the program, no answer but the documented ones, nothing taken that does not fit, no way in unasked.

    That what fits is always accepted is not asked: a reset with another sync's name fits, and is refused.
    """
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    workspace.run("run", "people")
    with Project.load(workspace.root) as project:
        token = project.make_token("schemathesis", "admin")
    with served(workspace, "--auth") as serve:
        headers = {"authorization": f"Bearer {token}"}
        document = workspace.write("openapi.json", json.dumps(with_what_is_there(serve, headers)))
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", serve.url]
        command += ["--header", f"Authorization: Bearer {token}", "--phases", "examples,coverage,fuzzing"]
        command += ["--max-examples", str(EXAMPLES), "--seed", "1", "--continue-on-failure", "--no-color"]
        command += ["--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all"]
        done = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
        assert "Tested: 26" in done.stdout
        assert serve.get("/healthz") == {"status": "ok"}
