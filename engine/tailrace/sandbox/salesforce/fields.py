"""Fields of Salesforce objects, each with a check of its values that is made once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tailrace.sandbox.salesforce.errors import RowError
from tailrace.sandbox.salesforce.ids import parse_id

Check = Callable[[Any], Any]
"""Takes a JSON value that is not null and gives it as Salesforce keeps it; RowError when refused."""

TEXTS = {"string": 255, "textarea": 32_768, "phone": 40, "url": 255, "email": 80, "encryptedstring": 175}
CHOICES = {"picklist": 255, "multipicklist": 4099, "combobox": 255}
NUMBERS = {"double": (18, 0), "currency": (18, 2), "percent": (18, 2), "int": (0, 0)}
OTHERS = ("id", "reference", "boolean", "date", "datetime", "time")
TYPES = frozenset([*TEXTS, *CHOICES, *NUMBERS, *OTHERS])
SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "date": "xsd:date",
    "datetime": "xsd:dateTime", "time": "xsd:time", "double": "xsd:double", "currency": "xsd:double",
    "percent": "xsd:double",
}  # fmt: skip
EMAIL = re.compile(r"[^@\s,;<>()\[\]]+@[^@\s.,;<>()\[\]]+(\.[^@\s.,;<>()\[\]]+)+")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?Z?")
TRUTH = {True: True, False: False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class SfField:
    """A field as describe shows it; attribute names are the vendor's."""

    name: str
    type: str
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    nillable: bool = True
    defaultValue: Any = None  # noqa: N815
    defaultedOnCreate: bool = False  # noqa: N815
    createable: bool = True
    updateable: bool = True
    externalId: bool = False  # noqa: N815
    idLookup: bool = False  # noqa: N815
    unique: bool = False
    caseSensitive: bool = False  # noqa: N815
    calculated: bool = False
    autoNumber: bool = False  # noqa: N815
    restrictedPicklist: bool = False  # noqa: N815
    picklistValues: tuple[Mapping[str, Any], ...] = ()  # noqa: N815
    """Each with `value`, `label` and `active`."""
    referenceTo: tuple[str, ...] = ()  # noqa: N815
    relationshipName: str | None = None  # noqa: N815
    polymorphicForeignKey: bool = False  # noqa: N815
    relationshipOrder: int | None = None  # noqa: N815
    """Which of its object's masters it refers to, from 0; None for a mere lookup."""
    check: Check = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "check", _checker(self))

    @property
    def words(self) -> str:
        """The field's name as error messages write it."""
        return self.label or self.name

    @property
    def required(self) -> bool:
        """Whether a create must give it a value."""
        return not self.nillable and self.createable and not self.defaultedOnCreate and self.type != "boolean"

    @property
    def indexed(self) -> bool:
        """Whether records can be found by it in an upsert."""
        return self.externalId or self.idLookup or self.unique

    def fold(self, value: Any) -> str:
        """A key as it is compared: numbers as numbers, texts without case unless the field is case-sensitive."""
        if self.type in NUMBERS:
            try:
                return repr(float(value))
            except ValueError:
                return str(value)
        return str(value) if self.caseSensitive else str(value).lower()

    def describe(self) -> dict[str, Any]:
        """As describe shows it."""
        shown = {name: getattr(self, name) for name in _SHOWN}
        shown["picklistValues"] = [
            {"defaultValue": False, "validFor": None, **choice} for choice in self.picklistValues
        ]
        return shown | {
            "label": self.words,
            "referenceTo": list(self.referenceTo),
            "byteLength": self.length * 3,
            "custom": self.name.endswith("__c"),
            "soapType": SOAP.get(self.type, "xsd:string"),
            "filterable": self.type != "textarea",
            "groupable": self.type not in {"textarea", "double", "currency", "percent"},
            "sortable": self.type not in {"textarea", "multipicklist"},
            "nameField": self.name == "Name",
            "permissionable": self.nillable and self.createable,
            "deprecatedAndHidden": False,
        }


_SHOWN = (
    "name", "type", "length", "precision", "scale", "digits", "nillable", "defaultValue", "defaultedOnCreate",
    "createable", "updateable", "externalId", "idLookup", "unique", "caseSensitive", "calculated", "autoNumber",
    "restrictedPicklist", "relationshipName", "polymorphicForeignKey",
    "relationshipOrder",
)  # fmt: skip


def from_json(data: Mapping[str, Any]) -> SfField:
    """A field from data shaped like describe's; ValueError when it cannot be."""
    known = set(SfField.__slots__) - {"check"}
    unknown = sorted(set(data) - known)
    if unknown or not {"name", "type"} <= set(data):
        raise ValueError(f"A field has a name, a type, and any of {', '.join(sorted(known))}; not {unknown}.")
    if data["type"] not in TYPES:
        raise ValueError(f"{data['type']} is not a field type; it is one of {', '.join(sorted(TYPES))}.")
    made = dict(data)
    made["referenceTo"] = tuple(data.get("referenceTo", ()))
    if made["type"] == "reference" and not made.get("relationshipName"):
        made["relationshipName"] = made["name"].removesuffix("Id").replace("__c", "__r")
    return SfField(**with_defaults(made))


def with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """Lengths and precisions that a type has when it is not told otherwise."""
    kind = data["type"]
    length = {**TEXTS, **CHOICES, "id": 18, "reference": 18}.get(kind, 0)
    precision, scale = NUMBERS.get(kind, (0, 0))
    defaults: dict[str, Any] = {"length": length, "precision": precision, "scale": scale}
    if kind == "int":
        defaults["digits"] = 9
    if kind == "boolean":
        defaults |= {"nillable": False, "defaultValue": False, "defaultedOnCreate": True}
    data["picklistValues"] = tuple(_option(value) for value in data.get("picklistValues", ()))
    return defaults | data


def _option(given: Any) -> Mapping[str, Any]:
    """A choice, from its value alone or from data shaped like describe's."""
    if not isinstance(given, Mapping):
        return {"value": str(given), "label": str(given), "active": True}
    value = str(given["value"])
    return {"value": value, "label": str(given.get("label") or value), "active": bool(given.get("active", True))}


def _checker(made: SfField) -> Check:
    if made.type in NUMBERS:
        return _number(made)
    if made.type == "email":
        return _email(made)
    if made.type in CHOICES:
        return _choice(made)
    simple = {"boolean": _boolean, "date": _date, "datetime": _datetime, "time": _time}
    if made.type in simple:
        return simple[made.type](made)
    return _reference(made) if made.type in {"reference", "id"} else _text(made)


def _wrong(made: SfField, value: Any) -> RowError:
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return RowError(
        "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{made.words}: value not of required type: {shown}", [made.name]
    )


def _text(made: SfField) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _wrong(made, value)
        text = str(value).strip()
        if len(text) > made.length:
            message = f"{made.words}: data value too large: {text[:255]} (max length={made.length})"
            raise RowError("STRING_TOO_LONG", message, [made.name])
        return text or None

    return check


def _email(made: SfField) -> Check:
    as_text = _text(made)

    def check(value: Any) -> Any:
        text = as_text(value)
        if text is not None and not EMAIL.fullmatch(text):
            message = f"{made.words}: invalid email address: {text}"
            raise RowError("INVALID_EMAIL_ADDRESS", message, [made.name])
        return text

    return check


def _choice(made: SfField) -> Check:
    as_text, allowed = _text(made), frozenset(choice["value"] for choice in made.picklistValues if choice["active"])
    several = made.type == "multipicklist"

    def check(value: Any) -> Any:
        text = as_text(value)
        if text is None or not made.restrictedPicklist:
            return text
        for part in text.split(";") if several else [text]:
            if part not in allowed:
                message = f"{made.words}: bad value for restricted picklist field: {part}"
                raise RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [made.name])
        return text

    return check


def _boolean(made: SfField) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, bool | str) or value not in TRUTH:
            raise _wrong(made, value)
        return TRUTH[value]

    return check


def _number(made: SfField) -> Check:
    whole = made.digits if made.type == "int" else made.precision - made.scale
    limit = Decimal(10) ** whole

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise _wrong(made, value)
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            raise _wrong(made, value) from None
        if not number.is_finite():
            raise _wrong(made, value)
        if abs(number) >= limit:
            message = f"{made.words}: value outside of valid range on numeric field: {value}"
            raise RowError("NUMBER_OUTSIDE_VALID_RANGE", message, [made.name])
        if made.type == "int" and number != number.to_integral_value():
            raise _wrong(made, value)
        # Digits beyond the scale are kept: it holds for what people type and see (help article 000387302).
        return int(number) if made.type == "int" else float(number)

    return check


def _date(made: SfField) -> Check:
    def check(value: Any) -> Any:
        try:
            if isinstance(value, str) and DAY.fullmatch(value):
                return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
        raise _wrong(made, value)

    return check


def _datetime(made: SfField) -> Check:
    def check(value: Any) -> Any:
        try:
            if isinstance(value, str) and MOMENT.fullmatch(value):
                return moment_text(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            pass
        raise _wrong(made, value)

    return check


def moment_text(moment: datetime) -> str:
    """A moment as Salesforce shows it: UTC, milliseconds, `+0000`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _time(made: SfField) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or not CLOCK.fullmatch(value):
            raise _wrong(made, value)
        plain, _, fraction = value.rstrip("Z").partition(".")
        return f"{plain}.{fraction.ljust(3, '0')}Z"

    return check


def _reference(made: SfField) -> Check:
    def check(value: Any) -> Any:
        if value == "":
            return None
        record_id = parse_id(value)
        if record_id is None:
            message = f"{made.words}: id value of incorrect type: {value}"
            raise RowError("MALFORMED_ID", message, [made.name])
        return record_id

    return check
