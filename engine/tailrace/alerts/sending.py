"""Sends messages by Apprise, to whatever it can reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from tailrace.errors import AlertError
from tailrace.extras import need

if TYPE_CHECKING:
    from tailrace.project.types import Secret

Tone: TypeAlias = Literal["failure", "success", "info"]


def send(to: Sequence[Secret], title: str, body: str, tone: Tone) -> None:
    """Send a message to each of these Apprise URLs; AlertError where one is none, or does not take it.

    No message of ours names a URL: most of them hold a secret.
    """
    need("apprise", extra="alerts", what="alerts")
    import apprise  # noqa: PLC0415 - it loads a hundred services

    asset = apprise.AppriseAsset(app_id="Tailrace", app_desc="Tailrace", app_url="", secure_logging=True)
    failed = []
    for number, secret in enumerate(to, 1):
        mailer = apprise.Apprise(asset=asset)
        if not mailer.add(secret.reveal()):
            raise AlertError(
                f"alerts: {secret} (number {number} of `to`) is no Apprise URL",
                hint="see https://github.com/caronc/apprise/wiki for how the service's URL is written",
            )
        if not mailer.notify(body=body, title=title, notify_type=apprise.NotifyType(tone), body_format="text"):
            failed.append(f"{secret} (number {number} of `to`)")
    if failed:
        hint = "see whether the service answers, and whether the URL holds"
        raise AlertError(f"alerts: not taken by {', '.join(failed)}", hint=hint)
