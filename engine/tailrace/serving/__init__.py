"""What a team leaves running: syncs on their schedules and on request, several at once, on several machines."""

from tailrace.serving.pulse import Pulse
from tailrace.serving.scheduler import Scheduler

__all__ = ["Pulse", "Scheduler"]
