"""Where HubSpot keeps what, by version of its API: v3 (associations v4), or a dated version.

Dated versions stand behind the name of the API (`/crm/objects/2026-09/contacts`), v3 before it
(`/crm/v3/objects/contacts`). Account information and events have no dated paths that we know of, and go by
v3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from tailrace_destinations.hubspot.config import ApiVersion

ACCOUNT: Final = "/account-info/v3/details"
EVENTS: Final = "/events/v3"
TOKEN: Final = "/oauth/2026-09/token"  # noqa: S105 - a path, and the same for all versions: that of v1 ends in February 2027


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one version."""

    version: ApiVersion

    def objects(self, object: str, call: str) -> str:
        """A call about records of an object, such as `batch/upsert`."""
        return f"{self._place('objects')}/{_safe(object)}/{call}"

    def properties(self, object: str) -> str:
        """The properties of an object."""
        return f"{self._place('properties')}/{_safe(object)}"

    def associations(self, here: str, there: str, call: str) -> str:
        """A call about associations of two objects, such as `batch/create`."""
        place = "/crm/v4/associations" if self.version == "v3" else self._place("associations")
        return f"{place}/{_safe(here)}/{_safe(there)}/{call}"

    def lists(self, call: str) -> str:
        """A call about lists, such as `search`."""
        return f"{self._place('lists')}/{call}"

    def _place(self, api: str) -> str:
        return f"/crm/v3/{api}" if self.version == "v3" else f"/crm/{api}/{self.version}"


def _safe(name: str) -> str:
    return quote(name, safe="")
