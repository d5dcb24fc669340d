"""A project on a live account: what the smoke tests have in common."""

import secrets
from contextlib import contextmanager

from tailrace.api import Project
from tailrace.destination import Batch, Context, Row
from tailrace.testing.calls import RecordingCalls

WAREHOUSE = "warehouses:\n  main: {type: duckdb, path: ':memory:'}\n"


class LiveLab:
    """Its records are those whose match value begins with `mark`; `removal` is how they are taken away."""

    def __init__(self, root, plugin, removal, *, object, match, name):
        self.root, self.plugin, self.removal = root, plugin, removal
        self.object, self.match, self.name = object, match, name
        self.mark = f"tailrace-live-{secrets.token_hex(6)}"
        self.numbers = 0
        for folder in ("models", "syncs"):
            (root / folder).mkdir()
        self.model(n1="Ann", n2="Bob", n3="Zoë 🙂")

    def destination(self, lines):
        """Write the project's file; `lines` are those of the destination."""
        (self.root / "tailrace.yml").write_text(f"{WAREHOUSE}destinations:\n  live:\n{lines}")

    def sync(self, text):
        """Write the sync."""
        (self.root / "syncs/rows.yml").write_text(text)

    def key(self, number):
        """The match value of a row."""
        self.numbers = max(self.numbers, number)
        return f"{self.mark}-{number}"

    def model(self, **names):
        """What the model gives: names by number, as `n1="Ann"`."""
        rows = [f"('{self.key(int(number[1:]))}', '{name}')" for number, name in names.items()]
        (self.root / "models/rows.sql").write_text(f"select * from (values {', '.join(rows)}) as t(id, name)")

    def run(self):
        """Run the sync."""
        with Project.load(self.root) as project:
            return project.run("rows")

    @contextmanager
    def open(self):
        """The destination itself."""
        with Project.load(self.root) as project:
            config = project.syncs["rows"].destination_config
        opened = self.plugin.open(config, Context("live", RecordingCalls(), str(self.root), object=self.object))
        try:
            yield opened
        finally:
            opened.close()

    def found(self):
        """Its records in the account."""
        keys = [(self.key(number),) for number in range(1, self.numbers + 1)]
        with self.open() as opened:
            return list(opened.find(self.object, [self.match], keys, [self.name]))

    def kept(self):
        """Names in the account by number."""
        return {int(record.match[0].rpartition("-")[2]): record.values[self.name] for record in self.found()}

    def clean(self):
        """Take away whatever is left of the records."""
        rows = tuple(Row(record.id, record.match, record.match, {}, record.id) for record in self.found())
        if rows:
            with self.open() as opened:
                outcomes = list(opened.push(Batch("clean", self.object, self.removal, (self.match,), rows)))
            assert {outcome.status for outcome in outcomes} == {"acknowledged"}
