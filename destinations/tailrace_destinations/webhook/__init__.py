"""Batches of rows, POSTed as signed JSON to a URL."""

from __future__ import annotations

from tailrace.destination import Capabilities, Context, Destination, Operation, Plugin
from tailrace_destinations.webhook.config import WebhookConfig, address

_OPERATIONS = frozenset({Operation.UPSERT, Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.ARCHIVE})


def _open(config: WebhookConfig, context: Context) -> Destination:
    from tailrace_destinations.webhook.adapter import WebhookDestination  # noqa: PLC0415  # httpx only when used

    destination: WebhookDestination = WebhookDestination(config, context)
    return destination


def _capabilities(config: WebhookConfig) -> Capabilities:
    """Every operation may be repeated, because the receiver tells a repetition by its Idempotency-Key."""
    return Capabilities(
        operations=_OPERATIONS,
        idempotent=_OPERATIONS,
        batch_size=config.batch_size or 100,
        concurrency=config.concurrency or 1,
        find=False,
        match="optional",
        addresses="match",
    )


plugin = Plugin(
    name="webhook",
    summary="signed JSON batches, POSTed to a URL",
    config=WebhookConfig,
    open=_open,
    capabilities=_capabilities,
    account_hint=address,
    requires=("httpx",),
)

__all__ = ["WebhookConfig", "plugin"]
