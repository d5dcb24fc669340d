"""The soak: `tailrace serve` for half an hour over a bad network, with commands beside it that are killed now and then.

    python -m tests.sweep.soak --minutes 30

Memory, open files, threads, the files of the project and the state database are measured all the while. What was
reached by the second quarter must do for the last one: a table tells, and the exit code is 1 where something grew.

Times that are hours or months in life are seconds here, or the soak would end before anything is due to be removed:
`keep_runs`, and the grace of snapshot files that no row needs any more.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.sweep.lanes import TOKENS, Bad
from tests.sweep.mutants import BRIEF_GRACE
from tests.sweep.process import Nursery

from tailrace.sandbox import SandboxServer
from tailrace.testing.faults import FaultProxy

KEYS = 400
"""Keys that rows come and go under: the model, and so the snapshots, stay as large as they are."""
EVERY_S = 1.0
"""Between two samples, changes of the model, and commands."""
STIR_S = 20.0
"""After so long the network gets other faults."""
QUARTERS = 4
KILLED = 0.25
"""The share of commands that are killed."""
MIB = 1024 * 1024
HERE = Path(__file__).resolve().parents[2]
"""The folder of `tests`."""

PROJECT = """\
lease: 20s
keep_runs: {keep}s
warehouses:
  main: {{type: duckdb, path: ":memory:"}}
destinations:
  hub: {{type: hubspot, access_token: "${{env:HUB_TOKEN}}", base_url: "{hub}", settle: 0.2s, concurrency: 2}}
  sf:
    type: salesforce
    auth: {{flow: client_credentials, login_url: "{sf}", client_id: app, client_secret: "${{env:SF_SECRET}}"}}
    settle: 0.2s
    concurrency: 2
  db: {{type: sql, url: "sqlite:///{db}", create_table: true, settle: 0.2s}}
"""
SYNCS: Mapping[str, str] = {
    "hub": "destination: hub\nobject: contacts\nmode: upsert\nschedule: {every: 1s}\n"
    "match: {warehouse_id: id}\nfields: {lastname: name}\n",
    "sf": "destination: sf\nobject: Contact\nmode: mirror\nschedule: {every: 1s}\n"
    "match: {External_Id__c: id}\nfields: {LastName: name}\n",
    "db": "destination: db\nobject: people\nmode: mirror\nmatch: {id: id}\nfields: {name: name}\n",
    "log": "destination: db\nobject: log\nmode: append\nappend: changes\nfields: {id: id, name: name}\n",
}
COMMON = """\
model: people
key: id
batch_size: 50
guards: {max_deletes: "100%", max_changes: "100%", on_empty: allow}
rejects: {max_attempts: 3}
"""
MODEL = """\
select id, name from read_csv('people.csv', header = true, columns = {'id': 'bigint', 'name': 'varchar'})
"""
COMMANDS: Sequence[tuple[str, ...]] = (
    ("run", "db"),
    ("run", "db"),
    ("run", "log"),
    ("run", "log"),
    ("run", "hub"),
    ("resolve", "log", "--skip"),
    ("plan", "sf"),
    ("status",),
    ("explain", "db", "--key", "7"),
)


@dataclass(frozen=True)
class Measure:
    """How much something may grow between two quarters: a share of what it was, and so much more."""

    name: str
    unit: float
    share: float
    more: float
    """In units."""

    def most(self, before: float) -> float:
        """What it may be at most."""
        return before * (1 + self.share) + self.more * self.unit


MEASURES: Mapping[str, Measure] = {
    # Allocators keep some of what they once had. In half an hour there are some 900 runs between the two quarters:
    # a leak of 50 KiB a run shows.
    "memory": Measure("memory of serve, MiB", MIB, 0.10, 16),
    # These come and go with each run, and a sample may fall into one.
    "descriptors": Measure("open files of serve", 1, 0.0, 8),
    "threads": Measure("threads of serve", 1, 0.0, 6),
    # Three to seven files a run, of as many runs as `keep_runs` takes in: that varies with how fast they happen to be.
    "files": Measure("files in .tailrace/", 1, 0.25, 40),
    "bytes": Measure("their size, MiB", MIB, 0.25, 2),
    # SQLite gives pages back to itself, not to the disk; its log grows to 4 MiB before it is begun anew.
    "state": Measure("state database, MiB", MIB, 0.15, 1),
    "log": Measure("its write-ahead log, MiB", MIB, 0.0, 5),
    "runs": Measure("runs on record", 1, 0.25, 30),
}


@dataclass
class Samples:
    """What was measured, one after another."""

    taken: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in MEASURES})

    def add(self, sample: Mapping[str, float]) -> None:
        """Take a sample."""
        for name, value in sample.items():
            self.taken[name].append(value)

    def quarters(self, name: str) -> list[float]:
        """The median of each quarter of the time."""
        values = self.taken[name] if len(self.taken[name]) >= QUARTERS else [0.0] * QUARTERS
        ends = [len(values) * at // QUARTERS for at in range(QUARTERS + 1)]
        return [median(values[begin:end]) for begin, end in itertools.pairwise(ends)]

    def grown(self) -> list[str]:
        """What grew, in words."""
        found = []
        for name, measure in MEASURES.items():
            if len(self.taken[name]) < QUARTERS:
                return ["serve ended before enough was measured"]
            _, second, _, last = (value / measure.unit for value in self.quarters(name))
            if last > (most := measure.most(second * measure.unit) / measure.unit):
                found.append(f"{measure.name} grew: {last:,.1f} in the last quarter, at most {most:,.1f} was expected")
        return found

    def table(self) -> str:
        """The medians, quarter by quarter."""
        rows = ["| | first quarter | second | third | last | at most |", "|---|---:|---:|---:|---:|---:|"]
        for name, measure in MEASURES.items():
            quarters = self.quarters(name)
            values = [value / measure.unit for value in (*quarters, measure.most(quarters[1]))]
            rows.append(f"| {measure.name} | " + " | ".join(f"{value:,.1f}" for value in values) + " |")
        return "\n".join(rows)


@dataclass
class Told:
    """What came of a soak."""

    samples: Samples
    statuses: Counter[str]
    """Runs that were on record, by how they ended, each once."""
    commands: int = 0
    killed: int = 0
    faults: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The whole of it."""
        ended = ", ".join(f"{times:,} {status}" for status, times in self.statuses.most_common())
        commands = f"{self.commands:,} commands beside them, {self.killed:,} killed"
        head = f"{self.statuses.total():,} runs ({ended}); {commands}"
        return "\n".join([head, "", self.samples.table(), "", *(f"FAULT: {fault}" for fault in self.faults)])


class Soak:
    """A project in a folder, a server, and commands beside it."""

    def __init__(self, root: Path, nursery: Nursery, network: Sequence[Bad], *, keep: float, seed: int) -> None:
        self._root, self._nursery, self._network, self._keep = root, nursery, network, keep
        self._random = random.Random(seed)  # noqa: S311 - a seed that can be given again is what is wanted
        self._rows: dict[int, str] = {}
        self._said = 0
        self._seen: dict[str, str] = {}
        self.told = Told(Samples(), Counter())

    def build(self, hub: str, sf: str) -> None:
        """Write the project."""
        database = self._root.parent / "app.db"
        self._write("tailrace.yml", PROJECT.format(keep=self._keep, hub=hub, sf=sf, db=database))
        self._write("models/people.sql", MODEL)
        for name, text in SYNCS.items():
            self._write(f"syncs/{name}.yml", COMMON + text)
        self._change()

    def run(self, seconds: float) -> Told:
        """Soak for so long."""
        with self._serving() as serve:
            begun = stirred = time.monotonic()
            while (now := time.monotonic()) - begun < seconds and serve.poll() is None:
                if now - stirred > STIR_S:
                    stirred = now
                    for bad in self._network:
                        bad.stir()
                self._change()
                self._command()
                self._note_runs()
                if serve.poll() is None:
                    self.told.samples.add(self._sample(serve.pid))
                time.sleep(max(0.0, EVERY_S - (time.monotonic() - now)))
        self.told.faults += [*self.told.samples.grown(), *self._forgotten()]
        self.told.statuses.update(self._seen.values())
        return self.told

    @contextmanager
    def _serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """`tailrace serve`, in a process of its own, for as long as the block lasts."""
        out = self._root.parent / "serve.txt"
        code = (
            "from tests.sweep.mutants import apply; from tailrace.cli import main; "
            f"apply({BRIEF_GRACE!r}); main(['serve', '--tick', '0.2', '--port', '0'])"
        )
        with out.open("w") as file:
            # The project's folder is not that of the tests, which the child imports as well.
            paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
            process = subprocess.Popen([sys.executable, "-c", code], cwd=self._root, env=env, stdout=file, stderr=file)
            try:
                yield process
                if process.poll() is not None:
                    said = out.read_text(errors="replace")[-2000:]
                    self.told.faults.append(f"serve ended by itself, with exit code {process.returncode}: {said}")
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)
        text = out.read_text(errors="replace")
        if "Traceback" in text:
            self.told.faults.append(f"serve told of a fault of the program: {text[text.index('Traceback') :][:8000]}")

    def _write(self, name: str, text: str) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partly = path.with_name(f"{path.name}.new")
        partly.write_text(text)
        partly.replace(path)

    def _change(self) -> None:
        """Some rows leave, some come back, some have another name."""
        for key in self._random.sample(range(1, KEYS + 1), 20):
            if self._rows.pop(key, None) is None or self._random.random() < 0.5:
                self._said += 1
                self._rows[key] = f"Name {self._said}"
        self._write("people.csv", "id,name\n" + "".join(f"{key},{name}\n" for key, name in self._rows.items()))

    def _command(self) -> None:
        """A command in a process of its own, which may be killed."""
        command = self._random.choice(COMMANDS)
        kill_after = self._random.uniform(0, 0.8) if self._random.random() < KILLED else None
        env = {"TAILRACE_SOAK_GRACE_S": str(self._keep)}
        ended = self._nursery.begin(command, self._root, env, BRIEF_GRACE).end(kill_after)
        self.told.commands += 1
        self.told.killed += ended.killed
        if "Traceback" in ended.out or ended.code == 70:
            self.told.faults.append(f"{' '.join(command)} ended with a traceback: {ended.out[-2000:]}")

    def _sample(self, pid: int) -> dict[str, float]:
        process = Path("/proc") / str(pid)
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        sizes = list(_sizes(self._root / ".tailrace"))
        return {
            "memory": float(status["VmRSS"].split()[0]) * 1024,
            "descriptors": sum(1 for _ in (process / "fd").iterdir()),
            "threads": float(status["Threads"]),
            "files": len(sizes),
            "bytes": sum(sizes),
            "state": _size(self._root / ".tailrace/state.db"),
            "log": _size(self._root / ".tailrace/state.db-wal"),
            "runs": self._asked("select count(*) from runs")[0][0],
        }

    def _note_runs(self) -> None:
        self._seen.update(self._asked("select run_id, status from runs"))

    def _forgotten(self) -> Iterator[str]:
        """Runs that rows in trouble still need, and that are not there any more."""
        for sync, run_id in self._asked("select sync, run_id from row_issues"):
            if not self._asked(f"select 1 from runs where run_id = '{run_id}'"):
                yield f"{sync}: a row in trouble is of run {run_id}, which is no longer on record"
            if not (self._root / ".tailrace/snapshots" / sync / "runs" / run_id / "meta.json").exists():
                yield f"{sync}: a row in trouble is of run {run_id}, whose files are gone"

    def _asked(self, query: str) -> list[tuple]:
        path = self._root / ".tailrace/state.db"
        if not path.exists():
            return [(0,)] if "count" in query else []
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # its tables are being made
            return [(0,)] if "count" in query else []


def soak(minutes: float, seed: int) -> Told:
    """Soak for so long."""
    seconds = minutes * 60
    keep = max(5.0, round(seconds / 20))
    os.environ.update(TOKENS)
    os.environ["TAILRACE_SOAK_GRACE_S"] = str(keep)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-soak-")))
        root = folder / "project"
        root.mkdir()
        server = stack.enter_context(SandboxServer())
        proxies = [stack.enter_context(FaultProxy(url)) for url in (server.hubspot_url, server.salesforce_url)]
        network = [Bad(proxy, seed + number) for number, proxy in enumerate(proxies)]
        made = Soak(root, stack.enter_context(Nursery(folder)), network, keep=keep, seed=seed)
        made.build(*(proxy.url for proxy in proxies))
        return made.run(seconds)


def _sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("state.db"):
                yield _size(Path(place) / name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it is gone meanwhile
        return 0


def main() -> int:
    """Soak, tell, and say by the exit code whether all is flat."""
    parser = argparse.ArgumentParser(prog="soak", description="Let serve run over a bad network and look what grows.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    chosen = parser.parse_args()
    sys.stdout.write(f"soaking for {chosen.minutes:g} minutes with --seed {chosen.seed}\n")
    sys.stdout.flush()
    told = soak(chosen.minutes, chosen.seed)
    sys.stdout.write(f"\n{told.text()}\n")
    return 1 if told.faults else 0


if __name__ == "__main__":
    sys.exit(main())
