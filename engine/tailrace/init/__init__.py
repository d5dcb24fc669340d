"""A new project: the template's files, and how they are written."""

from tailrace.init.writer import write_project

__all__ = ["write_project"]
