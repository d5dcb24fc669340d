"""The faults: each a small value that leads one request astray.

A fault of your own is a `Fault` too: its `meet` says what becomes of the request.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Protocol

from tailrace.errors import UsageError
from tailrace.testing.faults.request import Request
from tailrace.testing.faults.wire import Reply, reply

_REFUSALS = range(400, 600)


class Passage(Protocol):
    """One request's way through the proxy: what a fault may do to it."""

    @property
    def request(self) -> Request:
        """The request."""

    async def forward(self) -> Reply:
        """Have the server carry it out."""

    async def answer(self, reply: Reply) -> None:
        """Give the client this answer."""

    async def answer_in_part(self, reply: Reply, share: float) -> None:
        """Give the client that share (0 to 1) of the answer's body, then close the connection."""

    def cut(self) -> None:
        """Close the client's connection. The request may be forwarded all the same."""

    async def wait(self, seconds: float) -> None:
        """Wait; less when the proxy is stopped, so that nothing it holds is lost."""

    async def wait_for_another(self, seconds: float) -> None:
        """Wait, that long at most, until the server has answered a request that came later than this one.

        One request waits at a time: another one passes at once, for it is the one that is waited for.
        """

    def end_session(self, fault: Fault) -> None:
        """From now on, have all requests with this one's Authorization header meet `fault`, but for signing in."""


class Fault(ABC):
    """What a request meets instead of being passed on and back."""

    @property
    def name(self) -> str:
        """A short name, for logs: the class's own, in words."""
        return re.sub(r"\B[A-Z]", r" \g<0>", type(self).__name__).lower()

    @abstractmethod
    async def meet(self, passage: Passage) -> None:
        """Lead the request through."""


@dataclass(frozen=True, slots=True)
class Drop(Fault):
    """Close the connection without an answer: before the server heard of it, or (`commit`) after it is carried out."""

    _: KW_ONLY
    commit: bool = False

    @property
    def name(self) -> str:
        """Which of the two it is."""
        return "drop after commit" if self.commit else "drop"

    async def meet(self, passage: Passage) -> None:
        """Close."""
        if self.commit:
            await passage.forward()
        passage.cut()


@dataclass(frozen=True, slots=True)
class Truncate(Fault):
    """Carry the request out, and close the connection in the middle of the answer's body, after `share` of it.

    An answer without a body is cut in its first line, so that no client can take it for a whole one.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise UsageError(f"share={self.share} leaves nothing to cut off.", hint="Give at least 0 and less than 1.")

    async def meet(self, passage: Passage) -> None:
        """Cut the answer."""
        await passage.answer_in_part(await passage.forward(), self.share)


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """Wait so many seconds before the request is forwarded, or before it is answered."""

    before: float = 0.1
    after: float = 0.0

    async def meet(self, passage: Passage) -> None:
        """Pass it on and back, late."""
        await passage.wait(self.before)
        answer = await passage.forward()
        await passage.wait(self.after)
        await passage.answer(answer)


@dataclass(frozen=True, slots=True)
class Answer(Fault):
    """Answer with an error in the server's place: without its knowledge, or (`commit`) after it carried it out.

    `body` is text, JSON by default; `retry_after` is in seconds.
    """

    status: int
    _: KW_ONLY
    retry_after: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    commit: bool = False

    def __post_init__(self) -> None:
        if self.status not in _REFUSALS:
            raise UsageError(f"{self.status} is no error.", hint="Give a status from 400 to 599.")

    @property
    def name(self) -> str:
        """The status, and what sets this answer apart."""
        wait = "" if self.retry_after is None else f" retry after {self.retry_after}"
        return f"{self.status}{wait}{' after commit' if self.commit else ''}"

    async def meet(self, passage: Passage) -> None:
        """Answer."""
        if self.commit:
            await passage.forward()
        waits = () if self.retry_after is None else (("Retry-After", str(self.retry_after)),)
        headers = tuple((name.encode(), value.encode()) for name, value in (*self.headers, *waits))
        words = self.body or json.dumps({"message": f"a fault was injected: {self.name}"})
        await passage.answer(reply(self.status, words.encode(), headers))


@dataclass(frozen=True, slots=True)
class ExpireSession(Fault):
    """Answer 401, and go on so for this session: only after signing in again, with another token, is it well.

    For clients that sign in. A client whose token never changes is shut out for good, as it would be by a vendor.
    A request that signs in itself is passed on unharmed.
    """

    body: str = '[{"errorCode": "INVALID_SESSION_ID", "message": "a fault was injected: the session expired"}]'

    async def meet(self, passage: Passage) -> None:
        """Refuse this request, and all further ones of its session."""
        if passage.request.kind == "sign_in":
            await passage.answer(await passage.forward())
            return
        passage.end_session(self)
        await Answer(401, body=self.body).meet(passage)


@dataclass(frozen=True, slots=True)
class Reorder(Fault):
    """Hold the request until a later one was carried out, `wait` seconds at most."""

    wait: float = 0.5

    async def meet(self, passage: Passage) -> None:
        """Let another one go first."""
        await passage.wait_for_another(self.wait)
        await passage.answer(await passage.forward())


@dataclass(frozen=True, slots=True)
class Linger(Fault):
    """Close the connection at once, and have the request carried out `seconds` later: a killed client's last words."""

    seconds: float = 1.0

    async def meet(self, passage: Passage) -> None:
        """Close, wait, forward."""
        passage.cut()
        await passage.wait(self.seconds)
        await passage.forward()


FAULTS: Mapping[str, Fault] = {
    "drop": Drop(),
    "drop_after_commit": Drop(commit=True),
    "truncate": Truncate(),
    "delay": Delay(),
    "429": Answer(429),
    "429_retry_after": Answer(429, retry_after=1),
    "500": Answer(500),
    "500_after_commit": Answer(500, commit=True),
    "503": Answer(503),
    "reorder": Reorder(),
    "linger": Linger(),
    "expire_session": ExpireSession(),
}
"""The usual faults, by the names that the command line knows them by."""
