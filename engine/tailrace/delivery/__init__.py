"""From a plan to outcomes: journal, limits, batches, retries, and what to do when no answer comes."""

from tailrace.delivery.deliver import deliver
from tailrace.delivery.job import DeliveryReport, ErrorGroup, Job, JournalLike, OnProgress, Progress
from tailrace.delivery.limiter import Interrupted, Limiter
from tailrace.delivery.recover import Recovery, recover

__all__ = [
    "DeliveryReport",
    "ErrorGroup",
    "Interrupted",
    "Job",
    "JournalLike",
    "Limiter",
    "OnProgress",
    "Progress",
    "Recovery",
    "deliver",
    "recover",
]
