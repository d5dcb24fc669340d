"""What is on record as Prometheus has it: `render` gives the text of a scrape.

Counters are sums since the state database was made, whichever machine ran, and also over runs that are forgotten. So
several processes that serve one project tell the same, and only one of them needs to be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from tailrace.clock import now
from tailrace.errors import TailraceError
from tailrace.limits import breaker
from tailrace.limits.standing import Standing
from tailrace.running.ledger import FRESH
from tailrace.running.planner import known_identity, known_quota
from tailrace.running.result import RunStatus
from tailrace.state import IssueCounts
from tailrace.state.totals import BUCKETS

if TYPE_CHECKING:
    from tailrace.api import Project
    from tailrace.project import Sync

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_MINUTE_S: Final = 60.0
_STATUSES = (*get_args(RunStatus), "outdated")
"""As `tailrace.state.records.ending` has them."""
_OUTCOMES = ("acknowledged", "rejected", "unknown", "skipped")
Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]


def render(project: Project, *, fault: bool = False) -> str:
    """The metrics of a project, as text; StateError when the state database does not answer.

    `fault` tells that its files are broken now, and what they said before is in use.
    """
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - few commands need it

    registry = CollectorRegistry()
    registry.register(_Collector([*_families(project), _fault(broken=fault)]))
    return generate_latest(registry).decode()


class _Collector:
    """Gives what was gathered."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        """The families of samples."""
        return self._families


def _families(project: Project) -> Iterator[Any]:
    yield _gauge("tailrace_info", "The version that tells this.", ("version",), [((version("tailrace"),), 1.0)])
    yield from _of_totals(project)
    yield from _of_syncs(project)
    yield from _of_accounts(project)
    waiting = sum(each.sync in project.syncs for each in project.state.requests(states={"waiting"}, limit=None))
    yield _gauge("tailrace_requests_waiting", "Requests for runs that wait.", (), [((), float(waiting))])
    alerts = [((alert.sync, alert.kind), 1.0) for alert in project.alerts() if alert.ended_at is None]
    yield _gauge("tailrace_alert", "1 for each trouble that alerts see.", ("sync", "kind"), alerts)


def _fault(*, broken: bool) -> Any:
    words = "1 while the project's files are broken, and what they said before goes on."
    return _gauge("tailrace_project_fault", words, (), [((), float(broken))])


def _of_totals(project: Project) -> Iterator[Any]:
    held = project.state.totals()
    sums = {name: held.get(name, {}) for name in project.syncs}
    by_status = [((n, s), sums[n].get(f"runs {s}", 0.0)) for n in sums for s in _STATUSES]
    yield _counter("tailrace_runs", "Runs that ended, by how.", ("sync", "status"), by_status)
    by_outcome = [((n, outcome), sums[n].get(outcome, 0.0)) for n in sums for outcome in _OUTCOMES]
    yield _counter("tailrace_rows", "Rows of runs, by outcome.", ("sync", "outcome"), by_outcome)
    for name, key, words in (
        ("tailrace_destination_requests", "calls", "Requests to the destination."),
        ("tailrace_destination_retries", "retries", "Requests that were repeated."),
        ("tailrace_throttled_seconds", "throttled_s", "Time that runs waited for rate limits."),
    ):
        yield _counter(name, words, ("sync",), [((n,), sums[n].get(key, 0.0)) for n in sums])
    yield _durations(sums)


def _durations(sums: Mapping[str, Mapping[str, float]]) -> Any:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    family = HistogramMetricFamily("tailrace_run_duration_seconds", "How long runs took.", labels=["sync"])
    bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
    for name, held in sums.items():
        counts = accumulate(held.get(f"took {number}", 0.0) for number in range(len(bounds)))
        family.add_metric([name], list(zip(bounds, counts, strict=True)), held.get("seconds", 0.0))
    return family


def _of_syncs(project: Project) -> Iterator[Any]:
    state, at = project.state, now().timestamp()
    latest = {name: state.last_run(name) for name in project.syncs}
    reached = {name: state.last_run(name, FRESH) for name in project.syncs}
    targets = {name: sync.config.freshness for name, sync in project.syncs.items()}
    running, paused = project.running(), set(project.pauses())
    paused |= {name for name, sync in project.syncs.items() if sync.config.paused}
    yield _by_sync("tailrace_freshness_seconds", "Age of the last run that got through.", {
        name: max(0.0, at - run.started_at) for name, run in reached.items() if run
    })  # fmt: skip
    yield _by_sync("tailrace_freshness_target_seconds", "How old it may be.", {
        name: target for name, target in targets.items() if target is not None
    })  # fmt: skip
    yield _by_sync("tailrace_last_run_timestamp_seconds", "When the last run began.", {
        name: run.started_at for name, run in latest.items() if run
    })  # fmt: skip
    stages = [((name, stage), took) for name, run in latest.items() if run for stage, took in run.seconds.items()]
    yield _gauge("tailrace_last_run_stage_seconds", "What its stages took.", ("sync", "stage"), stages)
    held = {name: run for name, run in reached.items() if run}
    yield _by_sync("tailrace_model_rows", "Rows of the model in the last run that got through.", {
        name: float(run.counts.model_rows) for name, run in held.items()
    })  # fmt: skip
    yield _by_sync("tailrace_running", "1 while a run goes on.", {n: float(n in running) for n in project.syncs})
    yield _by_sync("tailrace_paused", "1 while the sync is paused.", {n: float(n in paused) for n in project.syncs})
    yield _gauge("tailrace_rows_open", "Rows that need attention.", ("sync", "kind"), _open_rows(project))


def _open_rows(project: Project) -> Samples:
    counts = project.state.issue_counts()
    for name, sync in project.syncs.items():
        try:
            digest = known_identity(project.session, sync).digest
        except TailraceError:
            continue  # what is wrong with its destination, its runs tell
        held = counts.get((name, digest), IssueCounts())
        for kind in ("rejected", "dead", "unknown", "dismissed"):
            yield (name, kind), float(getattr(held, kind))


def _of_accounts(project: Project) -> Iterator[Any]:
    quotas: list[tuple[tuple[str, ...], float]] = []
    most: list[tuple[tuple[str, ...], float]] = []
    standings: dict[str, tuple[float, Standing]] = {}
    for name, sync in _one_each(project).items():
        try:
            target = project.session.target(sync)
        except TailraceError:
            continue
        standings[name] = project.state.limits(target.account).look()
        quota = known_quota(project.session, target)
        quotas += [((name,), float(quota.left))] if quota.left is not None else []
        most += [((name,), float(quota.most))] if quota.most is not None else []
    labels = ("destination",)
    yield _gauge("tailrace_quota_left", "Requests of the account's quota that are left.", labels, quotas)
    yield _gauge("tailrace_quota_limit", "The account's quota of requests.", labels, most)
    yield _gauge("tailrace_breaker_open", "1 while nothing is sent, as the account does not answer.", labels, [
        ((name,), float(not breaker.closed(standing))) for name, (_, standing) in standings.items()
    ])  # fmt: skip
    yield _gauge("tailrace_throttle_pause_seconds", "How long nothing more is permitted.", labels, [
        ((name,), max(0.0, standing.paused_until - at)) for name, (at, standing) in standings.items()
    ])  # fmt: skip
    yield _gauge("tailrace_throttle_share", "Share of the rate limit that is used after refusals.", labels, [
        ((name,), standing.share_at(at, _MINUTE_S)) for name, (at, standing) in standings.items()
    ])  # fmt: skip


def _one_each(project: Project) -> dict[str, Sync]:
    """For each destination some sync that writes to it."""
    return {sync.config.destination: sync for sync in project.syncs.values()}


def _by_sync(name: str, words: str, values: Mapping[str, float]) -> Any:
    return _gauge(name, words, ("sync",), [((sync,), value) for sync, value in values.items()])


def _gauge(name: str, words: str, labels: tuple[str, ...], samples: Samples) -> Any:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    return _filled(GaugeMetricFamily(name, words, labels=labels), samples)


def _counter(name: str, words: str, labels: tuple[str, ...], samples: Samples) -> Any:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    return _filled(CounterMetricFamily(name, words, labels=labels), samples)


def _filled(family: Any, samples: Samples) -> Any:
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
