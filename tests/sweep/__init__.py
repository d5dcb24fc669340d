"""Kills the real program again and again, and proves that no row is lost or doubled by it."""
