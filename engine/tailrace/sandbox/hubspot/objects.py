"""The objects a new portal has, with a core of their properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailrace.sandbox.hubspot.properties import FURTHER_EMAILS, Property, from_json

Options = tuple[str, ...]

LIFECYCLE: Options = (
    "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist",
    "other",
)  # fmt: skip
LEAD_STATUS: Options = (
    "NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED", "BAD_TIMING",
)  # fmt: skip
STAGES: Options = (
    "appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "decisionmakerboughtin", "contractsent",
    "closedwon", "closedlost",
)  # fmt: skip
INDUSTRIES: Options = (
    "ACCOUNTING", "BANKING", "COMPUTER_SOFTWARE", "CONSTRUCTION", "FINANCIAL_SERVICES", "INSURANCE", "MACHINERY",
    "RETAIL", "TELECOMMUNICATIONS",
)  # fmt: skip

TEXTS: dict[str, tuple[str, ...]] = {
    "contacts": (
        "firstname", "lastname", "company", "jobtitle", "website", "address", "city", "state", "zip", "country",
        "industry", "hs_language", "message", "fax", "segment", "source",
    ),
    "companies": (
        "name", "domain", "website", "description", "address", "city", "state", "zip", "country", "timezone",
        "segment", "source",
    ),
    "deals": ("dealname", "description", "segment", "source"),
    "tickets": ("subject", "content", "segment", "source"),
}  # fmt: skip
NUMBERS = {
    "contacts": ("lifetime_value", "n_orders", "ltv"),
    "companies": ("annualrevenue", "numberofemployees", "lifetime_value", "n_orders"),
    "deals": ("amount",),
    "tickets": (),
}
CHOICES: dict[str, dict[str, Options]] = {
    "contacts": {"lifecyclestage": LIFECYCLE, "hs_lead_status": LEAD_STATUS},
    "companies": {"lifecyclestage": LIFECYCLE, "industry": INDUSTRIES, "type": ("PROSPECT", "PARTNER", "OTHER")},
    "deals": {"dealstage": STAGES, "pipeline": ("default",), "dealtype": ("newbusiness", "existingbusiness")},
    "tickets": {
        "hs_pipeline": ("0",),
        "hs_pipeline_stage": ("1", "2", "3", "4"),
        "hs_ticket_priority": ("LOW", "MEDIUM", "HIGH", "URGENT"),
    },
}
MOMENTS = {"contacts": ("last_seen",), "companies": (), "deals": ("closedate",), "tickets": ()}
SHOWN = {
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "companies": ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
    "deals": (
        "amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id",
        "pipeline",
    ),
    "tickets": (
        "content", "createdate", "hs_lastmodifieddate", "hs_object_id", "hs_pipeline", "hs_pipeline_stage",
        "hs_ticket_category", "hs_ticket_priority", "subject",
    ),
}  # fmt: skip
NAMES = {
    "contacts": ("0-1", "CONTACT"),
    "companies": ("0-2", "COMPANY"),
    "deals": ("0-3", "DEAL"),
    "tickets": ("0-5", "TICKET"),
}


@dataclass(slots=True)
class ObjectType:
    """An object: its names, its properties, and those a read shows when it asks for none."""

    name: str
    type_id: str
    singular: str
    shown: tuple[str, ...]
    properties: dict[str, Property] = field(default_factory=dict)
    archived: dict[str, Property] = field(default_factory=dict)
    """Those that were put away: nothing can be written to them."""

    @property
    def modified(self) -> str:
        """The property that holds when a record last changed."""
        return "lastmodifieddate" if self.name == "contacts" else "hs_lastmodifieddate"

    def add(self, *properties: Property) -> None:
        """Add properties, in place of those of the same name."""
        self.properties |= {prop.name: prop for prop in properties}
        for prop in properties:
            self.archived.pop(prop.name, None)

    def archive(self, name: str) -> None:
        """Put a property away."""
        self.archived[name] = self.properties.pop(name)

    def declare(self, data: Mapping[str, Any]) -> None:
        """Add properties as the API describes them; ValueError when one cannot be."""
        self.add(*(from_json(item, f"{self.singular.lower()}information") for item in data.get("properties") or ()))


def standard_objects() -> list[ObjectType]:
    """A new portal's objects."""
    return [_standard(name) for name in NAMES]


def custom_object(name: str, number: int) -> ObjectType:
    """A custom object, with nothing but what all objects have."""
    made = ObjectType(name, f"2-{number}", name.upper(), ("createdate", "hs_lastmodifieddate", "hs_object_id"))
    made.add(*_system(made))
    made.add(Property("name", "string"), Property("warehouse_id", "string", unique=True))
    return made


def _standard(name: str) -> ObjectType:
    type_id, singular = NAMES[name]
    made = ObjectType(name, type_id, singular, SHOWN[name])
    group = f"{singular.lower()}information"
    made.add(*_system(made))
    made.add(*(Property(text, "string", hubspot_defined=True, group=group) for text in TEXTS[name]))
    made.add(*(Property(number, "number", "number", group=group) for number in NUMBERS[name]))
    made.add(*(_choice(choice, options, group) for choice, options in CHOICES[name].items()))
    made.add(*(Property(moment, "datetime", "date", group=group) for moment in MOMENTS[name]))
    made.add(*_custom(group))
    if name == "contacts":
        made.add(*_contact(group))
    return made


def _system(made: ObjectType) -> list[Property]:
    locked = {"read_only": True, "hubspot_defined": True}
    owner = Property(
        "hubspot_owner_id", "enumeration", "select", hubspot_defined=True, external_options=True, label="Owner"
    )
    return [
        Property("hs_object_id", "number", "number", unique=True, **locked),  # type: ignore[arg-type]
        Property("createdate", "datetime", "date", **locked),  # type: ignore[arg-type]
        Property(made.modified, "datetime", "date", **locked),  # type: ignore[arg-type]
        owner,
    ]


def _custom(group: str) -> list[Property]:
    return [
        Property("warehouse_id", "string", label="Warehouse id", unique=True, group=group),
        Property("active", "bool", "booleancheckbox", group=group, options=_options(("true", "false"))),
        Property("last_order", "date", "date", group=group),
        Property("interests", "enumeration", "checkbox", group=group, options=_options(("art", "music", "sport"))),
        Property("score", "number", "calculation_equation", calculated=True, group=group),
    ]


def _contact(group: str) -> list[Property]:
    return [
        Property("email", "string", hubspot_defined=True, unique=True, group=group),
        Property(FURTHER_EMAILS, "string", hubspot_defined=True, group=group),
        Property("phone", "string", "phonenumber", hubspot_defined=True, group=group),
        Property("mobilephone", "string", "phonenumber", hubspot_defined=True, group=group),
        Property("date_of_birth", "string", hubspot_defined=True, group=group),
        Property("num_associated_deals", "number", "number", calculated=True, hubspot_defined=True, group=group),
    ]


def _choice(name: str, options: Options, group: str) -> Property:
    return Property(name, "enumeration", "select", options=_options(options), hubspot_defined=True, group=group)


def _options(values: Options) -> tuple[dict[str, Any], ...]:
    return tuple({"value": value, "label": value.replace("_", " ").capitalize()} for value in values)
