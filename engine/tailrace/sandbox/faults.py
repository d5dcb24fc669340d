"""Failures on request: the next N requests, rows or bulk jobs that match a rule go wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


class RuleError(ValueError):
    """A rule that the sandbox was given cannot be understood."""


@dataclass(slots=True)
class Fault:
    """What happens to requests whose method equals `method` and whose path matches the regex `path`.

    The first `skip` of them pass, the next `times` fail. With `commit` the request is carried out
    first, and only then is its answer replaced, delayed or lost. `drop` closes the connection
    without an answer; else `status`, `body` and `headers` are the answer; with none of these the
    request is only delayed by `delay` seconds.
    """

    method: str | None = None
    path: str = ""
    times: int = 1
    skip: int = 0
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    commit: bool = False

    def meets(self, method: str, path: str) -> bool:
        """Whether the rule is about this request."""
        return (self.method is None or self.method.upper() == method) and re.search(self.path, path) is not None


@dataclass(slots=True)
class RowFault:
    """The next `times` written rows of `object` whose `field` is one of `values` (any, if empty) fail with `code`."""

    object: str
    code: str
    message: str = "The sandbox was told to refuse this row."
    field: str | None = None
    values: tuple[str, ...] = ()
    times: int = 1

    def meets(self, row: Mapping[str, Any]) -> bool:
        """Whether the rule is about this row."""
        if self.field is None:
            return True
        return not self.values or str(row.get(self.field)) in self.values


@dataclass(slots=True)
class JobFault:
    """The next `times` bulk jobs of `object` fail after so many `rows`, and do not come to the others."""

    object: str
    rows: int = 0
    message: str = "InternalServerError : The sandbox was told to let this job fail."
    times: int = 1


def build(rule: type[Any], data: Any) -> Any:
    """A rule from JSON data; RuleError names what is not understood."""
    if not isinstance(data, Mapping):
        raise RuleError("a rule is a JSON object")
    known = {f.name for f in fields(rule)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise RuleError(f"unknown {', '.join(unknown)}; a rule has {', '.join(sorted(known))}")
    try:
        made = rule(**{key: tuple(value) if key == "values" else value for key, value in data.items()})
        re.compile(getattr(made, "path", ""))
    except (TypeError, re.error) as error:
        raise RuleError(str(error)) from error
    return made


class Faults:
    """The rules in force, first come first served."""

    def __init__(self) -> None:
        self.requests: list[Fault] = []
        self.rows: list[RowFault] = []
        self.jobs: list[JobFault] = []

    def for_request(self, method: str, path: str) -> Fault | None:
        """The rule this request falls under, used up by one; None when all is well."""
        for fault in self.requests:
            if fault.meets(method, path):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                self._use(self.requests, fault)
                return fault
        return None

    def for_row(self, object: str, row: Mapping[str, Any]) -> RowFault | None:
        """The rule this row falls under, used up by one."""
        for fault in self.rows:
            if fault.object.lower() == object.lower() and fault.meets(row):
                self._use(self.rows, fault)
                return fault
        return None

    def for_job(self, object: str) -> JobFault | None:
        """The rule this bulk job falls under, used up by one."""
        for fault in self.jobs:
            if fault.object.lower() == object.lower():
                self._use(self.jobs, fault)
                return fault
        return None

    def clear(self) -> None:
        """Forget all rules."""
        self.jobs.clear()
        self.requests.clear()
        self.rows.clear()

    @staticmethod
    def _use(rules: list[Any], fault: Any) -> None:
        fault.times -= 1
        if fault.times <= 0:
            rules.remove(fault)
