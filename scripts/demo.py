"""The main job, end to end, on this machine alone: `make demo`.

A small shop's warehouse (DuckDB) is carried into Salesforce and HubSpot, both played by local simulators, and into a
database (SQLite). Then the data changes, and only the changes go out. Every command shown is the real command line.
After each run the destinations are read back and compared with the warehouse, value by value; the exit code is other
than 0 if anything is not as the text says.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import IO

import demo_data
from demo_compare import TARGETS, Places, Table, actual, changed, differences, expected

from tailrace.sandbox import SandboxServer

FOLDER = demo_data.WAREHOUSE.parent
ROOT = FOLDER.parent.parent
TAILRACE = Path(sys.executable).with_name("tailrace")
WELL, BLOCKED, REFUSED_ROWS = 0, 3, 4
"""Exit codes of the command line."""
REFUSED = {"crm.Contact": {"99"}, "hub.contacts": {"99"}}
"""Records that the CRMs will not take after `demo_data.change`: their new e-mail address is none."""
LINES_SHOWN = 10


class Shop:
    """The warehouse and its destinations, and what these held when last looked at."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self._places = Places(demo_data.WAREHOUSE, sandbox.control, FOLDER / "ops.db")
        self._held: dict[str, Table] = {target.name: {} for target in TARGETS}
        self._sent: dict[str, int] = {}

    def compare(self, apart_from: dict[str, set[str]] | None = None) -> None:
        """Check each record against the warehouse, and that the CRMs got no row that had not changed."""
        apart_from = apart_from or {}
        moved = {target.name: self._compare(target.name, apart_from.get(target.name, set())) for target in TARGETS}
        sent = self._newly_sent()
        _expect(
            [f"{name}: {count} rows were sent for {moved[name]} changed ones" for name, count in sent.items()
             if count != moved[name]]
        )  # fmt: skip
        refused = sum(len(keys) for keys in apart_from.values())
        but = f" but the {refused} refused ones" if refused else ""
        total = sum(len(held) for held in self._held.values())
        changes = ", ".join(f"{name} {count}" for name, count in moved.items() if count) or "none"
        say(f"Read back and compared, value by value: all {total} records{but} are as the warehouse says.")
        say(f"Records written by this run: {changes}.")

    def _compare(self, name: str, apart_from: set[str]) -> int:
        """How many records of one target changed since the last look."""
        target = next(target for target in TARGETS if target.name == name)
        wanted = expected(target, self._places)
        found = actual(target, self._places, wanted)
        spared = {key: record for key, record in wanted.items() if key not in apart_from}
        checked = {key: record for key, record in found.items() if key not in apart_from}
        _expect(differences(target, spared, checked))
        for key in apart_from:
            _expect([f"{name} {key} was written though refused"] if found.get(key) != self._held[name].get(key) else [])
        moved = len(changed(self._held[name], found))
        self._held[name] = found
        return moved

    def _newly_sent(self) -> dict[str, int]:
        """Rows that the CRMs were sent and took since the last call, by target; they count by themselves."""
        control = self._places.control
        counted = {f"crm.{name}": rows for name, rows in control.salesforce.counters()["writes"].items()}
        counted |= {f"hub.{name}": rows for name, rows in control.hubspot.counters()["writes"].items()}
        new = {name: rows - self._sent.get(name, 0) for name, rows in counted.items()}
        self._sent = counted
        return new

    def expect_untouched(self) -> None:
        """Check that the CRMs got nothing since the last look."""
        _expect([f"{name}: {rows} rows were sent" for name, rows in self._newly_sent().items() if rows])
        say("Checked: nothing was sent.")


def main() -> None:
    """Tell the story."""
    start = time.monotonic()
    lock = hold_lock()
    shutil.rmtree(FOLDER, ignore_errors=True)
    demo_data.build()
    with SandboxServer(rate_limits=True) as sandbox:
        write_references(sandbox)
        shop = Shop(sandbox)
        first_day(shop)
        second_day(shop)
        put_right(shop)
        broken_load(shop)
    lock.close()
    account(time.monotonic() - start)


def hold_lock() -> IO[str]:
    """Keep a second demo from clearing the folder under the first; the lock ends with the process."""
    FOLDER.parent.mkdir(exist_ok=True)
    lock = (FOLDER.parent / "demo.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit("demo: another `make demo` is running in this folder; try again when it has ended") from None
    return lock


def write_references(sandbox: SandboxServer) -> None:
    """Write the files that tailrace.yml refers to; only their owner may read them."""
    references = {
        "salesforce.url": sandbox.salesforce_url,
        "salesforce.id": "demo-client",
        "salesforce.secret": "demo-client-secret",
        "hubspot.url": sandbox.hubspot_url,
        "hubspot.token": "demo-private-app-token",
    }
    for name, content in references.items():
        path = FOLDER / name
        path.touch(mode=0o600)
        path.write_text(content, encoding="utf-8")


def first_day(shop: Shop) -> None:
    """Everything is new."""
    title("1. Everything is new")
    say(
        f"A warehouse with {demo_data.CUSTOMERS} customers, their companies and {demo_data.ORDERS} orders stands in "
        ".tailrace/demo/. Local servers that behave like Salesforce and HubSpot are running; the database is a "
        "SQLite file. The project is this folder: tailrace.yml, models/ and syncs/."
    )
    tailrace("check")
    tailrace("run", "--all")
    shop.compare()


def second_day(shop: Shop) -> None:
    """Some rows change; a dry run shows them, and only they go out."""
    title("2. The data changes, and only the changes go out")
    say(
        "Five customers ordered, one moved to a new e-mail address, one lost a telephone number, three came, two left. "
        "And someone typed an e-mail address that is none, for customer 99. First a look, which writes nothing:"
    )
    demo_data.change()
    tailrace("plan", "contacts")
    shop.expect_untouched()
    say("That is what is to go to Salesforce. Now send it, and the rest:")
    tailrace("run", "--all", expect=REFUSED_ROWS)
    say("Exit code 4: all but the refused rows arrived. A refused row costs only itself, and is kept with the reason:")
    tailrace("rejected", "contacts")
    shop.compare(apart_from=REFUSED)


def put_right(shop: Shop) -> None:
    """The refused row is corrected at its source; then there is nothing left to do."""
    title("3. The bad row is put right at its source")
    demo_data.repair()
    tailrace("run", "--all")
    shop.compare()
    say("And once more, with nothing changed:")
    tailrace("run", "--all")
    shop.compare()


def broken_load(shop: Shop) -> None:
    """A guard stops a mass delete."""
    title("4. A broken load loses half of the customers")
    demo_data.lose_half()
    tailrace("run", "contacts", expect=BLOCKED)
    say("Exit code 3: a guard stopped the run before its first write.")
    shop.expect_untouched()
    demo_data.restore()


def account(seconds: float) -> None:
    """What happened, and where to look next."""
    title("What you saw")
    print(
        textwrap.dedent(f"""\
        - six syncs carried three SQL models into two CRMs and a database
        - the second run sent only the rows and fields that had changed, and deleted who had left
        - one bad row was refused, kept with its reason, and went through once it was put right
        - a load that lost half of the customers was stopped before it could delete them
        - every record was read back and compared with the warehouse, {len(TARGETS)} objects, 4 times: no difference
        It took {seconds:.0f} s. The simulators have stopped; state and snapshots are in .tailrace/demo/.

        Where to look next
          syncs/contacts.yml                                   what a sync says, with comments
          .venv/bin/tailrace explain contacts --key 99         everything ever done to one row, and why
          .venv/bin/tailrace status                            each sync: last run, rows, next run
          .venv/bin/tailrace runs                              the history of runs
          .venv/bin/tailrace init my-project                   a project of your own, that runs as it stands
          README.md, docs/                                     how to connect real accounts
        """)
    )


def tailrace(*arguments: str, expect: int = WELL) -> None:
    """Show a command, run it, and insist on its exit code."""
    print(f"\n$ tailrace {' '.join(arguments)}", flush=True)
    code = subprocess.run([TAILRACE, *arguments], cwd=ROOT, check=False).returncode
    if code != expect:
        raise SystemExit(f"\ndemo: `tailrace {' '.join(arguments)}` ended with exit code {code}, not {expect}")
    print(flush=True)


def title(text: str) -> None:
    """Begin a chapter."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{text}\n{'-' * len(text)}{plain}", flush=True)


def say(text: str) -> None:
    """Print a paragraph."""
    print(textwrap.fill(text, 110), flush=True)


def _expect(faults: list[str]) -> None:
    """End the demo when something is not as it should be."""
    if faults:
        more = [f"… and {len(faults) - LINES_SHOWN} more"] if len(faults) > LINES_SHOWN else []
        raise SystemExit("\n".join(["", "demo: this is not as it should be:", *faults[:LINES_SHOWN], *more]))


if __name__ == "__main__":
    main()
