"""Smoke tests against real accounts."""
