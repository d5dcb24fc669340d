"""HubSpot behind the destination seam."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from tailrace.destination import Account, Batch, Operation, Outcome, Record
from tailrace.errors import AccessDenied, ObjectNotFound
from tailrace_destinations.hubspot.client import Client
from tailrace_destinations.hubspot.config import HubSpotOptions
from tailrace_destinations.hubspot.errors import Refused, parts
from tailrace_destinations.hubspot.judge import judge
from tailrace_destinations.hubspot.linkkinds import LinkKinds
from tailrace_destinations.hubspot.links import Links
from tailrace_destinations.hubspot.linkwriter import LinkWriter
from tailrace_destinations.hubspot.making import Maker, announce, propose
from tailrace_destinations.hubspot.paths import ACCOUNT
from tailrace_destinations.hubspot.reading import Reader
from tailrace_destinations.hubspot.schema import STANDARD_OBJECTS, Properties, read_properties
from tailrace_destinations.hubspot.stages import Stages
from tailrace_destinations.hubspot.writing import REMOVALS, Writer
from tailrace_destinations.plain import ca_bundle, close_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tailrace.destination import Capabilities, Context, Field, Lookup, ObjectSchema
    from tailrace.judging import Judgement, Wish
    from tailrace.making import Make
    from tailrace.values import LogicalType, Value
    from tailrace_destinations.hubspot.config import HubSpotConfig


_KINDS: Final = {"STANDARD": False, "SANDBOX": True, "DEVELOPER_TEST": True}
"""Whether an account is one to try things on, by its accountType; others are not known to be either."""


class HubSpotDestination:
    """An open HubSpot account."""

    def __init__(self, config: HubSpotConfig, context: Context, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.zone = ZoneInfo(config.timezone) if config.timezone else None
        """Of timestamps that have none."""
        self.client = Client(config, context.calls, ca_bundle(config.ca_file, context.project_dir))
        self._properties: dict[str, Properties] = {}
        self._lock = threading.Lock()
        self._kinds = LinkKinds(self.client, self._known)
        self._options = context.options if isinstance(context.options, HubSpotOptions) else HubSpotOptions()
        self._maker = Maker(self.client, self.zone)
        self._reader = Reader(self.client, self._known)
        stages = Stages(self._reader, self._known) if self._options.lifecycle_backwards else None
        self._writer = Writer(self.client, self._known, self._reader, stages)
        self._links = Links(self._kinds, LinkWriter(self.client), self._reader.find)

    def check(self) -> Account:
        """Ask whose token it is; the quota comes with the answer's headers."""
        reply = self.client.request("GET", ACCOUNT, write=False)
        portal = reply.body.get("portalId")
        if portal is None:
            raise AccessDenied("HubSpot did not say whose token it is.", hint="Check base_url and the token.")
        self.client.zone = _zone(reply.body.get("timeZone"))
        left = reply.headers.get("x-hubspot-ratelimit-daily-remaining", "")
        most = reply.headers.get("x-hubspot-ratelimit-daily", "")
        return Account(
            id=str(portal),
            name=str(reply.body.get("accountType") or ""),
            sandbox=_KINDS.get(str(reply.body.get("accountType"))),
            quota_left=int(left) if left.isdigit() else None,
            quota_max=int(most) if most.isdigit() else None,
            notes=(self.client.sign_in_note,) if self.client.sign_in_note else (),
        )

    def describe(self, object: str) -> ObjectSchema:
        """The object's properties, asked anew."""
        found = self._ask_properties(object)
        with self._lock:
            self._properties[object] = found
        return found.schema

    def judge(self, wish: Wish) -> Judgement:
        """What a mapping asks that the fields alone do not tell."""
        properties, archived = self._known(wish.object), partial(self._archived, wish.object)
        return judge(wish, properties, archived, backwards=self._options.lifecycle_backwards)

    def _archived(self, object: str) -> frozenset[str]:
        """The properties that were put away."""
        reply = self.client.request("GET", f"{self.client.paths.properties(object)}?archived=true", write=False)
        return frozenset(str(entry.get("name")) for entry in parts(reply.body, "results") if entry.get("archived"))

    def missing(self, object: str, names: Sequence[str]) -> dict[str, Make]:
        """With `create_fields`, the properties that are not there."""
        if not self._options.create_fields:
            return {}
        known = self._known(object).schema.fields
        return {name: self._make(name) for name in names if name not in known}

    def _make(self, name: str) -> Make:
        return lambda logical: propose(name, logical, self.zone)

    def announce(self, object: str, fields: Mapping[str, Field]) -> str:
        """Which properties a run would make."""
        return announce(object, fields, self._known(object).schema.fields)

    def make_fields(self, object: str, types: Mapping[str, LogicalType]) -> None:
        """Make properties, and see what they are."""
        self._maker.make(object, self._known(object), types)
        self.describe(object)
        self._maker.verify(object, self._known(object), types)

    def _known(self, object: str) -> Properties:
        with self._lock:
            if object not in self._properties:
                self._properties[object] = self._ask_properties(object)
            return self._properties[object]

    def _ask_properties(self, object: str) -> Properties:
        try:
            reply = self.client.request("GET", self.client.paths.properties(object), write=False)
        except (ObjectNotFound, Refused) as error:
            raise ObjectNotFound(
                f"HubSpot has no object {object!r}{close_names(object, STANDARD_OBJECTS)}",
                code=error.code,
                hint="Custom objects go by their type id (2-123) or full name (p123_name), and need a scope.",
            ) from None
        return read_properties(object, parts(reply.body, "results"), self.zone)

    def describe_lookups(self, object: str, lookups: Mapping[str, Lookup]) -> dict[str, Field | str]:
        """References are associations, whatever their field is called."""
        return self._kinds.describe(object, lookups)

    def push(self, batch: Batch) -> Iterable[Outcome]:
        """Send a batch of at most 100 rows; outcomes go by trace id or key, never by position."""
        if batch.operation is Operation.HARD_DELETE:
            return self._writer.erase(batch)
        referring = batch.operation not in REMOVALS and any(
            batch.lookups.keys() & row.values.keys() for row in batch.rows
        )
        return self._links.push(batch, self._writer.write) if referring else self._writer.write(batch, {})

    def find(
        self,
        object: str,
        match: Sequence[str],
        values: Sequence[tuple[Value, ...]],
        fields: Sequence[str] = (),
    ) -> Iterator[Record]:
        """Read records by one unique property, 100 a request."""
        return self._reader.find(object, match, values, fields)

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()


def _zone(name: object) -> ZoneInfo | None:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return None
