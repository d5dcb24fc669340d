"""Tells people of trouble, once, and when it is over."""

from tailrace.alerts.watch import Watch

__all__ = ["Watch"]
