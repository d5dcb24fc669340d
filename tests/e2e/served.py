"""A `tailrace serve` of its own process, with a client of its API."""

import contextlib
import json
import os
import signal
import subprocess

import httpx


class Served:
    """A `serve` of its own process, and a client of its API; with `log` it tells of itself in a log of JSON."""

    def __init__(self, workspace, *arguments, env=None, log=False):
        self.root = workspace.root
        self.process = subprocess.Popen(
            workspace.command("serve", "--port", "0", "--tick", "0.1", *arguments),
            cwd=workspace.root,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = (self.process.stderr if log else self.process.stdout).readline()
        self.first = json.loads(line) if log else {"message": line}
        assert self.first["message"].startswith("console: "), line + self.process.stderr.read()
        self.url = self.first["message"].split()[1]
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def get(self, path, **how):
        return self._judged(self.client.get(path, **how)).json()

    def post(self, path, body=None, **how):
        return self._judged(self.client.post(path, json=body or {}, **how)).json()

    def events(self, path):
        """Server-sent events until the server ends them."""
        with self.client.stream("GET", path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def until(self, path, wanted):
        """The object once it is as wanted; it is asked for again and again, and the test's own timeout ends it."""
        while not wanted(found := self.get(path)):
            assert self.process.poll() is None
        return found

    @staticmethod
    def _judged(answer):
        assert answer.is_success, f"{answer.status_code}: {answer.text}"
        return answer

    def stop(self):
        """SIGTERM; gives what it printed."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        assert (self.process.returncode, "Traceback" in err) == (0, False), out + err
        return out, err


@contextlib.contextmanager
def served(workspace, *arguments, **how):
    made = Served(workspace, *arguments, **how)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.stop()
