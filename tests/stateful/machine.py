"""The machine: what people, destinations and fate may do to a sync, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.stateful import checks
from tests.stateful.lab import Life, Process, Twist
from tests.stateful.vendor import ALL, OBJECT
from tests.stateful.world import LEASE_S, Facts, Kind, World

from tailrace.errors import AnswerLost, BatchRejected, Retriable, SnapshotError, StateError, TailraceError
from tailrace.failpoints import POINTS
from tailrace.running.result import RunResult

Item = TypeVar("Item")
PATIENCE = 8
"""Runs after which a sync must be at rest, once nothing goes wrong any more."""
REFS = st.sampled_from([f"r{number}" for number in range(8)])
NOTES = st.sampled_from(["a", "b", "c", None])
PICKS = st.integers(0, 30)
FIELDS: dict[str, list[dict[str, Any] | None]] = {
    "Name": [{"column": "name"}],
    "Note": [None, {"column": "note"}, {"column": "note", "nulls": "skip"}, {"column": "ref"}],
    "Size": [None, {"column": "size"}, {"value": "big"}, {"column": "name"}],
    "First": [None, {"column": "name", "write": "create"}, {"column": "name", "write": "empty"}, {"column": "name"}],
}
POINT = st.sampled_from(POINTS)
MOMENT = st.one_of(st.tuples(st.none(), st.integers(1, 70)), st.tuples(POINT, st.integers(1, 2)))
"""When something strikes: at so many moments of any kind, or when a place is reached that often."""


DEATH = st.one_of(st.none(), st.builds(lambda when: Twist(when[1], Life.die, when[0]), MOMENT))
"""For commands that are rarer than runs."""


class Machine(RuleBasedStateMachine):
    """Subclasses say which kind of sync it is."""

    kind: ClassVar[Kind]
    steps: ClassVar[int] = 0
    """Steps of all machines of this class so far."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.kind)
        self.facts: Facts | None = None
        self.plan = self.world.root / "saved.plan"
        self.planned = self.broken = self.interrupted = False

    def teardown(self) -> None:
        """Calm down, look, and leave nothing behind."""
        try:
            if not self.broken:
                self.settle()
        finally:
            self.world.close()

    # What people do to the model

    @initialize(refs=st.lists(REFS, min_size=3, max_size=5, unique=True))
    def some_rows(self, refs: list[str]) -> None:
        for ref in refs:
            self.world.model.add(ref, "a")

    @rule(ref=REFS, text=NOTES)
    def a_row_is_new(self, ref: str, text: str | None) -> None:
        if len(self.world.model.rows) < 9:
            self.world.model.add(ref, text)

    @rule(pick=PICKS)
    def a_row_changes(self, pick: int) -> None:
        self._of(self.world.model.keys, pick, self.world.model.rename)

    @rule(pick=PICKS, text=NOTES)
    def a_row_has_another_note(self, pick: int, text: str | None) -> None:
        self._of(self.world.model.keys, pick, lambda key: self.world.model.change(key, {"note": text}))

    @rule(pick=PICKS)
    def a_row_leaves(self, pick: int) -> None:
        self._of(self.world.model.keys, pick, self.world.model.remove)

    @rule(pick=PICKS, version=PICKS)
    def a_row_is_as_it_was(self, pick: int, version: int) -> None:
        self._of(sorted(self.world.model.past), pick, lambda key: self.world.model.bring_back(key, version))

    @rule(pick=PICKS, ref=st.one_of(REFS, st.none()))
    def a_match_value_changes(self, pick: int, ref: str | None) -> None:
        self._of(self.world.model.keys, pick, lambda key: self.world.model.change(key, {"ref": ref}))

    @rule(pick=PICKS)
    def a_key_is_there_twice(self, pick: int) -> None:
        self._of(self.world.model.keys, pick, self.world.model.repeat)

    @rule(pick=PICKS)
    def a_row_loses_its_key(self, pick: int) -> None:
        self._of(self.world.model.keys, pick, lambda key: self.world.model.change(key, {"id": None}))

    @rule()
    def the_model_is_mended(self) -> None:
        self.world.model.tell_apart()

    @rule(field=st.sampled_from(sorted(FIELDS)), pick=PICKS)
    def the_mapping_changes(self, field: str, pick: int) -> None:
        choices = FIELDS[field]
        chosen = choices[pick % len(choices)]
        self.world.setup.fields.pop(field, None)
        if chosen is not None:
            self.world.setup.fields[field] = chosen
        # In mode append a field that is compared anew is a change, of which a record is made.
        self.world.vendor.allowed.update(range(1, self.world.model.highest + 1))

    # What the destination does

    @rule(key=st.integers(1, 6), whole=st.booleans())
    def rows_are_refused(self, *, key: int, whole: bool) -> None:
        self.world.vendor.refuse(lambda row: row.key == (key,), "NO", "not this one", whole_batch=whole)

    @rule(key=st.integers(1, 6))
    def rows_are_refused_for_now(self, key: int) -> None:
        self.world.vendor.refuse(lambda row: row.key == (key,), "BUSY", "not now", recovery="retry")

    @rule(times=st.sampled_from([1, 2, 5]), after=st.booleans())
    def answers_are_lost(self, *, times: int, after: bool) -> None:
        self.world.vendor.fail(AnswerLost("the connection broke"), times=times, after_commit=after)

    @rule(times=st.sampled_from([1, 12]), at=st.sampled_from(["push", "find", "check", "describe"]))
    def requests_are_refused_for_now(self, times: int, at: Any) -> None:
        self.world.vendor.fail(Retriable("too many requests", retry_after=1), at, times=times)

    @rule()
    def a_batch_is_refused(self) -> None:
        self.world.vendor.fail(BatchRejected("not this batch", code="BATCH"), times=1)

    @rule()
    def the_destination_heals(self) -> None:
        self.world.vendor.heal()

    @rule(pick=PICKS, field=st.sampled_from(["Name", "Note"]))
    def somebody_changes_a_record(self, pick: int, field: str) -> None:
        self._of(self._records(), pick, lambda record: self.world.vendor.spoil(record, {field: "theirs"}))

    @rule(pick=PICKS)
    def somebody_deletes_a_record(self, pick: int) -> None:
        self._of(self._records(), pick, self.world.vendor.lose)

    @rule(ref=REFS)
    def somebody_makes_a_record(self, ref: str) -> None:
        if self.kind.matched and not self.world.vendor.with_ref(ref):
            record = self.world.vendor.put(OBJECT, {"Ref": ref, "Name": "theirs", "Note": "theirs"})
            # Where no answer comes, a look-up takes it; in mode append nothing is ever written to it then.
            self.world.vendor.excused[record] = {ALL} if self.kind.mode == "append" else {"Name", "Note"}

    @rule(hours=st.sampled_from([0.1, 2, 48]))
    def time_passes(self, hours: float) -> None:
        self.world.clock.advance(hours * 3600)

    # Runs

    @rule(limit=st.sampled_from([None, None, None, 1]), full=st.booleans())
    def run(self, *, limit: int | None, full: bool) -> None:
        self._ran(self.world.run(limit=limit, full=full and self.kind.mode != "append"))

    @rule(when=MOMENT, far=st.booleans())
    def run_and_die(self, *, when: tuple[str | None, int], far: bool) -> None:
        self._ran(self.world.run(Twist(when[1], Life.die, when[0]), far=far))

    @rule(count=st.integers(1, 20), at=st.sampled_from(["state.begin", "disk.publish", "disk.replace"]))
    def run_into_trouble(self, count: int, at: str) -> None:
        self._ran(self.world.run(Twist(count, _trouble(at), at)))

    @rule(when=MOMENT)
    def run_beside_another(self, when: tuple[str | None, int]) -> None:
        self.interrupted = False
        result = self.world.run(Twist(when[1], self._another, when[0]))
        self._ran(result, told=not self.interrupted)

    @rule(when=MOMENT, edit=st.booleans())
    def run_and_be_overtaken(self, *, when: tuple[str | None, int], edit: bool) -> None:
        must_fail = alone = False

        def overtake(life: Life) -> None:
            nonlocal must_fail, alone
            alone = False
            must_fail, held = self.world.holds_and_runs(life), self.world.holds(life)
            self.world.clock.advance(LEASE_S + 1)
            if edit:
                self._of(self.world.model.keys, 0, self.world.model.rename)
            note(f"the other: {_brief(self.world.run())}")
            life.overtaken = True
            self.world.vendor.stale = 0 if held else None

        alone = True
        result = self.world.run(Twist(when[1], overtake, when[0]))
        late, self.world.vendor.stale = self.world.vendor.stale, None
        self._ran(result, told=alone)
        if late is None:
            return
        self._expect(late <= 1, f"after it was overtaken, a run sent {late} requests")
        if must_fail:
            self._expect(result is not None and result.status == "failed", f"a run was overtaken, and ended: {result}")

    @rule()
    def plan_and_save(self) -> None:
        before = (self.world.vendor.writes, self._generation())
        with self.world.process() as process:
            process.save_plan(process.plan("people"), self.plan)
        self.planned = True
        self._expect((self.world.vendor.writes, self._generation()) == before, "a plan wrote something")

    @precondition(lambda self: self.planned)
    @rule()
    def apply(self) -> None:
        before = self.world.vendor.writes
        with self.world.process() as process:
            result = process.apply(self.plan)
        if result.status == "blocked":
            self._expect(self.world.vendor.writes == before, "a plan that was refused wrote something")
        self._ran(result)

    # What people do about rows in trouble

    @precondition(lambda self: self._has("rejected"))
    @rule()
    def retry(self) -> None:
        self._command(lambda process: process.retry("people"))

    @precondition(lambda self: self._has("rejected"))
    @rule()
    def run_the_rejected(self) -> None:
        self._ran(self.world.run(only_rejected=True))

    @precondition(lambda self: self._has("rejected"))
    @rule(pick=PICKS)
    def dismiss(self, pick: int) -> None:
        keys = [issue.key["id"] for issue in self.facts.issues if issue.kind == "rejected"]
        self._of(keys, pick, lambda key: self._command(lambda it: it.dismiss("people", key={"id": str(key)})))

    @precondition(lambda self: self._has("unknown"))
    @rule(way=st.sampled_from(["look_up", "resend", "skip"]), death=DEATH)
    def resolve(self, way: Any, death: Twist | None) -> None:
        held = {issue.key["id"] for issue in self.facts.issues if issue.kind == "unknown"}
        self._command(lambda process: process.resolve("people", way), death)
        if way == "skip":
            self.world.vendor.trust(held)
        elif way == "resend" and self.kind.mode in {"insert", "append"}:
            self.world.vendor.disown(held)

    @rule(trust=st.booleans(), death=DEATH)
    def adopt(self, *, trust: bool, death: Twist | None) -> None:
        if trust or self.kind.matched:
            before, known = self._of_others(), self._known()
            self._command(lambda process: process.adopt("people", trust=trust), death)
            if self.kind.mode == "append":
                self.world.vendor.taken |= self._of_others() - before  # other modes write to them what is theirs
                self.world.vendor.disown(known - self._known())  # several records have their match value
            if trust:
                # A record belongs to one row: those of model rows' match values are taken to be theirs.
                theirs = self.world.vendor.made_with({row["ref"] for row in self.world.model.rows})
                self.world.vendor.trust(set(self.world.model.keys) | theirs)

    def _of_others(self) -> set[str]:
        """Records that the snapshot has of one row, and that were made for another."""
        makers = self.world.vendor.makers
        rows = self.world.facts().snapshot.to_dicts()
        return {row["record_id"] for row in rows if makers.get(row["record_id"], row["k:id"]) != row["k:id"]}

    def _known(self) -> set[int]:
        """Keys of the snapshot's rows."""
        return set(self.world.facts().snapshot.to_dict(as_series=False).get("k:id", ()))

    @rule(death=DEATH)
    def reset(self, death: Twist | None) -> None:
        self._command(lambda process: process.reset("people"), death)
        if death is not None:  # one that broke off leaves a damaged snapshot, of which runs say: reset it
            self._command(lambda process: process.reset("people"))
        if self.kind.mode == "append":  # where no answer comes to what is appended anew, a look-up takes these
            self.world.vendor.taken |= self.world.vendor.records(OBJECT).keys()
        self.world.vendor.forget()

    # Looking

    @rule()
    def settle(self) -> None:
        """Once nothing goes wrong any more, a few runs must bring everything there."""
        self.world.vendor.heal()
        for _ in range(PATIENCE):
            self.world.a_day_passes()
            result = self.world.run()
            self._ran(result)
            self._expect(result.status not in {"failed", "blocked"}, f"a run failed though all is well: {result}")
            # A row of mode insert that is skipped has the record of another row now, which is new by that.
            taken = self.kind.mode == "insert" and result.skipped
            if not (result.acknowledged or result.recovered or taken):
                break
        else:
            self._fault(f"after {PATIENCE} runs there is still something to do: {result}")
        self._look()
        for fault in checks.losses(self.world, self.facts):
            self._fault(fault)

    @invariant()
    def the_records_agree(self) -> None:
        """After each step: the snapshot is what was acknowledged, nothing is doubled, nothing forgotten."""
        type(self).steps += 1
        if self.facts is None:
            self._look()

    def _look(self) -> None:
        self.facts = self.world.facts()
        for fault in (*checks.disagreements(self.world, self.facts), *checks.doubles(self.world)):
            self._fault(fault)

    def _ran(self, result: RunResult | None, *, told: bool = True) -> None:
        """Look at the records anew; and, where nobody else ran meanwhile, whether they tell what the run told."""
        self.facts = None
        note(f"→ {_brief(result)}")
        if result is not None and result.status != "blocked" and told:
            for fault in checks.untold(self.world, result):
                self._fault(fault)

    def _command(self, act: Callable[[Process], Any], twist: Twist | None = None) -> None:
        """What a person types; it may be refused, with reasons."""
        self.facts = None
        try:
            with self.world.process(twist) as process:
                note(f"→ {act(process)}")
        except TailraceError as error:
            note(f"→ {error}")

    def _another(self, _life: Life) -> None:
        held = self.world.holds()
        result = self.world.run()
        self.interrupted = True
        told = result is not None and result.status == "failed" and "holds this sync" in str(result.message)
        self._expect(told == held, f"a second run ended: {result}")

    def _has(self, kind: str) -> bool:
        return self.facts is not None and any(issue.kind == kind for issue in self.facts.issues)

    def _records(self) -> list[str]:
        return sorted(self.world.vendor.records(OBJECT))

    def _generation(self) -> tuple[int, ...]:
        return tuple(
            path.stat().st_mtime_ns for path in sorted(self.world.root.glob(".tailrace/snapshots/**/manifest.json"))
        )

    @staticmethod
    def _of(items: Sequence[Item], pick: int, act: Callable[[Item], object]) -> None:
        if items:
            act(items[pick % len(items)])

    def _expect(self, holds: object, otherwise: str) -> None:
        if not holds:
            self._fault(otherwise)

    def _fault(self, text: str) -> None:
        self.broken = True
        raise Broken(text)


class Brisk(Machine):
    """Less that leads nowhere, and more deaths on the way of a row: for faults that must be found in few steps."""

    the_mapping_changes = a_key_is_there_twice = a_row_loses_its_key = the_model_is_mended = None
    a_row_has_another_note = a_match_value_changes = a_row_is_as_it_was = None
    somebody_changes_a_record = somebody_deletes_a_record = somebody_makes_a_record = None
    plan_and_save = apply = adopt = reset = resolve = dismiss = None

    @rule(ref=REFS, at=st.sampled_from(["vendor.asked", "vendor.answered", "batch.settled", "delivery.ended"]))
    def a_row_is_new_and_its_run_dies(self, ref: str, at: str) -> None:
        self.a_row_is_new(ref, "a")
        self._ran(self.world.run(Twist(1, Life.die, at)))


class Broken(AssertionError):
    """A promise is broken."""


def _trouble(at: str) -> Callable[[Life], None]:
    def strike(_life: Life) -> None:
        if at.startswith("state"):
            raise StateError("the state database is locked")
        raise SnapshotError("no space left on the device")

    return strike


def _brief(result: RunResult | None) -> str:
    if result is None:
        return "died"
    told = f"+{result.inserts} ~{result.updates} -{result.deletes}"
    counts = f"{result.acknowledged} acknowledged, {result.rejected} rejected, {result.unknown} unknown"
    counts += f", {result.skipped} skipped"
    return f"{result.status} {told}: {counts}; {[*map(str, result.recovered)]} {result.message or ''}"
