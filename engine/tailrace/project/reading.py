"""What validators know of the file they read: where a text stands, and which keys were known at each level."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic_core import PydanticCustomError

from tailrace.project.references import Part, Place, TemplateError, parse


class Text(str):
    """A string of a project file that knows where it stands; line and column count from 1."""

    __slots__ = ("column", "line")
    line: int
    column: int

    @classmethod
    def at(cls, text: str, line: int, column: int) -> Self:
        """Mark the text with its place."""
        marked = cls(text)
        marked.line, marked.column = line, column
        return marked


@dataclass(frozen=True)
class Reading:
    """The validation context while a file is read; without it a model is being built from code."""

    root: Path = Path()
    file: Path | None = None
    known: dict[int, set[str]] = field(default_factory=dict)
    """By the id of each mapping read: the keys its model knows, for suggestions."""


def place_of(value: str, context: Any) -> Place:
    """Where a value being validated was written; `context` is a validation context."""
    if not isinstance(context, Reading):
        return Place()
    if isinstance(value, Text):
        return Place(context.root, context.file, value.line, value.column)
    return Place(context.root, context.file)


def problem(message: str, kind: str = "value") -> PydanticCustomError:
    """Build an error for a validator to raise. Its words follow the field's name: `should be …`."""
    return PydanticCustomError(kind, "{message}", {"message": message})


def parse_field(value: str) -> tuple[Part, ...]:
    """`references.parse` for use in validators: a fault is pydantic's to report."""
    try:
        return parse(value)
    except TemplateError as fault:
        raise problem(f"holds no proper reference: {fault}", "reference") from None
