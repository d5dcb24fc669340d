"""Sends messages by Apprise, to whatever it can reach."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from tailrace.errors import AlertError, SecretError, UsageError
from tailrace.extras import need

if TYPE_CHECKING:
    from apprise import Apprise

    from tailrace.project.types import Secret

Tone: TypeAlias = Literal["failure", "success", "info"]


def send(to: Sequence[Secret], title: str, body: str, tone: Tone) -> None:
    """Send a message to each of these Apprise URLs; AlertError where one is none, or does not take it.

    No message of ours names a URL: most of them hold a secret.
    """
    failed = []
    for number, secret in enumerate(to, 1):
        mailer = _mailer(secret)
        if mailer is None:
            raise AlertError(f"alerts: {secret} (number {number} of `to`) is no Apprise URL", hint=_HINT)
        from apprise import LogCapture, NotifyType  # noqa: PLC0415 - it loads a hundred services

        # Its warnings tell what the service answered, and nothing of a message.
        with LogCapture(level=logging.WARNING, fmt="%(message)s") as words:  # type: ignore[no-untyped-call]
            taken = mailer.notify(body=body, title=title, notify_type=NotifyType(tone), body_format="text")
            why = "; ".join(words.getvalue().split("\n")).strip("; ")
        if not taken:
            failed.append(f"{secret} (number {number} of `to`{f': {why}' if why else ''})")
    if failed:
        hint = "see whether the service answers, and whether the URL holds"
        raise AlertError(f"alerts: not taken by {', '.join(failed)}", hint=hint)


def judge(to: Iterable[Secret]) -> None:
    """UsageError with the places of those that are no Apprise URLs, or cannot be read; nothing is sent."""
    wrong = []
    for secret in to:
        try:
            if _mailer(secret) is None:
                wrong.append(f"{secret.place}: {secret} is no Apprise URL")
        except SecretError as error:
            wrong.append(str(error))
    if wrong:
        raise UsageError("\n  ".join(wrong), hint=_HINT)


def _mailer(secret: Secret) -> Apprise | None:
    """What sends to that URL; None where Apprise makes nothing of it."""
    need("apprise", extra="alerts", what="alerts")
    import apprise  # noqa: PLC0415 - it loads a hundred services

    asset = apprise.AppriseAsset(app_id="Tailrace", app_desc="Tailrace", app_url="", secure_logging=True)
    mailer = apprise.Apprise(asset=asset)
    return mailer if mailer.add(secret.reveal()) else None


_HINT = "see https://github.com/caronc/apprise/wiki for how the service's URL is written"
