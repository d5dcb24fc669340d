"""What is told of trouble, in words: titles, lines, where to look, and what quiet hours hold back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tailrace.clock import moment

if TYPE_CHECKING:
    from datetime import datetime

    from tailrace.alerts.sending import Tone
    from tailrace.project import LoadedProject
    from tailrace.state.alerts import Alert

_LEADS: Final[Mapping[str, str]] = {"failed": "failed: ", "guard": "stopped by a guard: ", "late": "late: "}
"""Before the words of a trouble, where these do not say by themselves what kind it is."""
_NAMES: Final[Mapping[str, str]] = {
    "failed": "failed",
    "guard": "stopped by a guard",
    "rejected": "rejected rows",
    "unknown": "rows of unknown outcome",
    "late": "late",
    "volume": "an unusual number of rows",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """A trouble that is over."""

    alert: Alert
    dismissed: int = 0
    """Rejected rows that did not get through, and count no more as somebody set them aside."""

    @property
    def line(self) -> str:
        """What was wrong, since when, and why it is not any more where that is no good news."""
        alert = self.alert
        since = moment(alert.since).strftime("%Y-%m-%d %H:%M UTC")
        over = f"{alert.sync}: over: {_NAMES.get(alert.kind, alert.kind)}, since {since}"
        if not self.dismissed:
            return over
        rows = "1 row is" if self.dismissed == 1 else f"{self.dismissed:,} rows are"
        return f"{over}; {rows} dismissed, and not sent until changed or retried"


@dataclass(slots=True)
class News:
    """What goes to one list of addresses, in one message."""

    project: LoadedProject
    begun: list[Alert] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    @property
    def tone(self) -> Tone:
        """Whether it is good news."""
        if self.begun:
            return "failure"
        return "info" if all(over.dismissed for over in self.ended) else "success"

    @property
    def title(self) -> str:
        """How it stands, in a line."""
        names = {alert.sync for alert in self.begun} or {over.alert.sync for over in self.ended}
        if self.tone == "info":
            what = f"rejected rows of {len(names)} {'sync' if len(names) == 1 else 'syncs'} are dismissed"
        else:
            how = "in trouble" if self.begun else "well again"
            what = f"{len(names)} {'sync is' if len(names) == 1 else 'syncs are'} {how}"
        return f"{_called(self.project)}: {what}"

    @property
    def body(self) -> str:
        """A line for each, and where to look."""
        begun = [f"{alert.sync}: {_LEADS.get(alert.kind, '')}{alert.message}" for alert in self.begun]
        return "\n".join((*begun, *(over.line for over in self.ended), *_console(self.project)))


@dataclass(frozen=True, slots=True)
class Quiet:
    """Syncs of which nothing is told until quiet hours end; None where they never do."""

    until: datetime | None
    syncs: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.syncs)
        if self.until is None:
            return f"quiet hours without an end: of {names} nothing is ever told"
        return f"quiet hours until {self.until:%Y-%m-%d %H:%M} UTC: what is wrong with {names} by then is told then"


def trial(project: LoadedProject) -> tuple[str, str]:
    """Title and body of a message that says that it is a test."""
    lines = ("This is a test: alerts of this project arrive here.", *_console(project))
    return f"{_called(project)}: a test", "\n".join(lines)


def _called(project: LoadedProject) -> str:
    """The program and the project, by its folder as on the console's pages."""
    return f"Tailrace {project.root.resolve().name}"


def _console(project: LoadedProject) -> list[str]:
    url = project.config.console_url
    return [] if url is None else [f"see {url}"]
